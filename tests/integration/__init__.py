"""Each part against real servers."""
