"""Proof of life: a synthetic press through every stage, what the stages owe, and the signal to an outside monitor."""
