"""Pure code: no files, sockets or clocks."""
