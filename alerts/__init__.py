"""From a finding to a person: the cases that rules raise, their life cycle, and the messages that tell somebody.

Rules hand their findings in through `alerts.findings.report`, inside their own transaction; the alert, its history and
the outbox are written there. The alerts role then carries each message to its channel until it is accepted or given up.
"""
