"""How well alerts were answered: figures of an area and a month, from the history that cases leave behind.

Beside the flow: it only reads. `alerts.report.figures` is pure and says what each figure means.
"""
