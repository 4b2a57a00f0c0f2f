"""What can go wrong between a finding and a person, told apart by whose doing it is."""


class AlertError(Exception):
    """Root of everything alerts raise."""


class Refused(AlertError):
    """What was asked for cannot be done as the case stands (the asker's doing)."""


class NoSuchAlert(Refused):
    """There is no alert of this number."""


class NoSuchPerson(Refused):
    """Nobody who can be told has this key."""


class NothingSaid(Refused):
    """A comment without words."""


class IllegalMove(Refused):
    """The case cannot make this move from the state it is in; nothing was changed."""


class AlreadySo(IllegalMove):
    """What was asked for holds already: whoever repeats it may take this for success; nothing was changed."""


class ChangedMeanwhile(Refused):
    """Somebody else changed the case since it was looked at; nothing was changed."""


class BadWebhook(Refused):
    """The webhook's address or secrets cannot be used as they are set."""


class BadProvider(Refused):
    """A provider of SMS, calls or chat cannot be used as it is set."""


class BadCallback(Refused):
    """What called us back is not of the form its provider documents; nothing was changed."""


class Bug(AlertError):
    """Something of ours is wrong."""


class UnknownMessage(Bug):
    """A reason's message id has no sentence, or its values do not fit it."""
