"""The rules, one file each: pure functions from a snapshot, or from a woken event, to findings with their reasons."""
