"""The HTTP side of the alerts role: pages behind signed links, and the routes that providers and desks call back on.

In the flow: a person or a provider calls, what it says is checked here and handed to `alerts.replies.answering` or
`alerts.receipts` in one transaction; what follows is written to the outbox and told by the dispatcher. Opening a page
never changes anything.
"""
