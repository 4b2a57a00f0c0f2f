"""Raw acceleration: was that a fall?

`track` brings a burst of any rate onto one grid of time, `stages` measures what surrounds a blow (free fall, impact,
change of posture, stirring), `verdict` weighs it. For `anju backtest falls`, `trials` reads recorded trials and
`figures` counts how well they were judged. Pure, but for reading the files; knows nothing of homes, devices and alerts.
"""
