"""The back-test: a recording of water meters judged by the very engine that watches homes, on a simulated clock.

`recording` reads the file, `uploads` says when each reading would have come in, `simulation` looks at one home whenever
the engine would have, `cases` stands in for the alerts. `injection` stops a home's water at chosen moments and measures
how long it takes to be noticed; `plain` is the rule to compare with; `trial` tests one home from
beginning to end; `figures` sums up. All pure but for reading the file.
"""
