"""Who is on duty: rosters as data, who that makes at an instant (pure), calendars in and out, and how they are stored.

Escalation reads the newest rosters of an area and of those above it and asks who is to be told; nothing here tells
anybody.
"""
