"""What people read and hear about an alert: one short text per channel, audience, language and kind of message. Pure.

Between the dispatcher, which knows that somebody is to be told, and the channels, which carry text.
"""
