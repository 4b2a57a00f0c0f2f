"""What a duty worker reads, by message id: a file for each theme, put together in `alerts.wording`."""
