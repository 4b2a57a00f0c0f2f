"""What can be wrong with the settings: always the operator's to put right."""


class SettingsError(Exception):
    """A setting is wrong, missing or unknown; the text is one line that names it and says what would be right."""
