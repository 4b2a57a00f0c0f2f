"""What can be wrong with raw acceleration; all of it is the input's fault."""


class MotionError(ValueError):
    """Root of this package's errors."""


class BadBurst(MotionError):
    """The samples cannot be read as acceleration over time."""


class BadTrials(MotionError):
    """A file of trials is missing or faulty; names the file and the line."""
