"""Settings and logging, read once by the command line and handed down; beside them the files that operators use.

The stages get plain values from here and never read the environment themselves.
"""
