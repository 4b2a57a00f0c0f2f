"""From an alert to people: who is told at which step, again and again until somebody takes it and goes.

Stands between the cases (which write a row that says when an alert is due) and the outbox (which carries messages):
`policy` and `ladders.toml` are what operators may change, `plan` decides, `circle` reads what it must know, `escalator`
is the task that carries it out.
"""
