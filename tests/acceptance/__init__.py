"""Timelines from a message to a notification."""
