"""The commands of `anju`, a module for each group: they read arguments, call the package that does it, and print."""
