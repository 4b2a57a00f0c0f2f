"""`anju backtest`: how well the rules would have judged what was recorded."""

import typer

from anju.commands.backtest_falls import falls
from anju.commands.backtest_water import water

app = typer.Typer(
    help="Judge recordings by the rules, and count what they get right.", no_args_is_help=True, rich_markup_mode=None
)
app.command()(water)
app.command()(falls)
