"""What the objects of LoRaWAN codecs mean, model by model; behind every network server the same.

A network server hands on what a model's codec made of the radio payload: an object whose fields only the codec's author
knows. `models.toml` says which field of which model is which quantity or event; `table` reads and checks it.
`recognise` tells whose object one is; `compiling` makes of a row a program, with `conditions` and `clocks`, and
`interpret` runs it, for readings and events. `calls` finds a press or a fall in the object of a model nobody knows.
"""
