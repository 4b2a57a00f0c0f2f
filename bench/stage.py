"""What every run stands on: its size, a fresh broker, a fresh service, the load, the counting subscriber."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bench.children import BenchError, Child, Message
from bench.counter import Order
from bench.load import Plan
from bench.servers import Mosquitto, Postgres, mosquitto
from bench.service import Service, service


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large the runs are."""

    messages: int = 600_000
    backlog: int = 300_000
    peer_messages: int = 300_000
    paced_rate_per_s: float = 20_000.0
    saturating_rate_per_s: float = 65_000.0
    """What sizes the saturating load: it must outlast the presses even where the broker is this fast."""
    presses: int = 320
    press_rate_per_s: float = 10.0
    homes: int = 1_000_000
    watched_s: float = 90.0
    watched_presses: int = 30
    drained_s: float = 90.0
    """At most so long: the rest of a drain is reckoned from its rate."""
    told_alone: int = 300
    told_in_storm: int = 1000
    kept_homes: int = 300
    kept_weeks: int = 6
    home_months: float = 1000.0
    """Of the back-test: at least so many, and all homes of the recording equally often."""
    backtest_timeout_s: float = 900.0
    settle_s: float = 2.0
    timeout_s: float = 300.0

    @property
    def pressing_s(self) -> float:
        """How long the meters must go on for the presses to fall into their traffic."""
        return self.presses / self.press_rate_per_s * 1.1 + 2 * self.settle_s


QUICK: Final = Size(
    messages=40_000,
    backlog=20_000,
    peer_messages=20_000,
    paced_rate_per_s=5_000,
    presses=20,
    homes=10_000,
    watched_s=10.0,
    watched_presses=3,
    drained_s=20.0,
    told_alone=20,
    told_in_storm=50,
    kept_homes=10,
    kept_weeks=2,
    home_months=1.0,
    settle_s=0.5,
    timeout_s=60,
)


class Bench:
    """The servers and folders that all runs share."""

    def __init__(self, *, folder: Path, postgres: Postgres, size: Size, overrides: tuple[str, ...]) -> None:
        self.folder = folder
        self.postgres = postgres
        self.size = size
        self.overrides = overrides
        self.payload_bytes = 0
        self.publish_window = 0

    @contextmanager
    def broker(self) -> Iterator[Mosquitto]:
        """A broker with an empty store."""
        with mosquitto(self.folder / "mosquitto", overrides=self.overrides) as broker:
            yield broker

    @contextmanager
    def service(self) -> Iterator[Service]:
        """A service on fresh servers, ready."""
        with (
            self.broker() as broker,
            self.postgres.database(template=Postgres.TEMPLATE) as url,
            service(folder=self.folder, broker=broker, database_url=url, buttons=self.size.presses) as running,
        ):
            yield running

    @contextmanager
    def load(self, plan: Plan) -> Iterator["Load"]:
        """The generator, its packets built and its connections open."""
        with Child.module("bench.load", json.dumps(dataclasses.asdict(plan)), log=self.folder / "load.log") as child:
            ready = child.wait_for("ready", 120)
            self.payload_bytes = int(number(ready, "payload_bytes"))
            self.publish_window = int(number(ready, "window"))
            yield Load(child, ready)

    @contextmanager
    def counter(self, order: Order) -> Iterator[Child]:
        """The counting subscriber, subscribed."""
        log = self.folder / "counter.log"
        with Child.module("bench.counter", json.dumps(dataclasses.asdict(order)), log=log) as child:
            child.wait_for("ready", 30)
            yield child


class Load:
    """The generator in use."""

    def __init__(self, child: Child, ready: Message) -> None:
        self._child = child
        self.messages = int(number(ready, "messages"))
        self.last_at = datetime.fromisoformat(str(ready["last_at"]))

    def go(self) -> None:
        """Starts the publishing."""
        self._child.tell({"go": True})

    def wait(self, timeout_s: float, *, meanwhile: Callable[[], None] | None = None) -> Message:
        """Waits until the broker has acknowledged every message.

        Raises:
            BenchError: it refused some, or took too long.
        """
        done = self._child.wait_for("done", timeout_s, meanwhile=meanwhile)
        if number(done, "failed"):
            raise BenchError(f"the broker refused {number(done, 'failed'):.0f} messages")
        return done


def number(message: Message, key: str) -> float:
    """A number out of a child's report."""
    value = message[key]
    if not isinstance(value, int | float):
        raise BenchError(f"{key} is not a number")
    return float(value)
