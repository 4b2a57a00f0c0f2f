"""From what a home's sensors said to findings: who may need help, how soon, and why.

Between ingest and alerts in the flow, joined to both by the database alone. `evaluate` and the `library` are pure
functions of a `Snapshot` and a `now`; `engine` claims homes that are due and carries their findings to
`alerts.findings.report`; `wake` does so at once for presses and falls.
"""
