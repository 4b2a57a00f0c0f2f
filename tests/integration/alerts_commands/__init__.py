"""Commands on alerts: one case, who is told of it, what is done about it."""
