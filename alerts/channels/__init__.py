"""The ways out of the house: one file per channel, each turning one message into one attempt with an honest result."""
