"""The life of an alert: what a finding or a person does to it (pure), and how that is read and written.

`moves` is the table of all there is; `verdicts` is what rules do, `handling` what people do, `teaching` what follows
from an end.
"""
