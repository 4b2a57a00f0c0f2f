"""How people are reached: numbers as E.164, names of chats and receivers, and a number as others may see it. Pure."""

from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

from registry.errors import RegistryError

NUMBERS: Final = frozenset({"sms", "voice"})
"""Channels whose addresses are telephone numbers."""

_MAX_NAME: Final = 80
_SHOWN: Final = 3


class AddressInvalid(RegistryError):
    """What was given is no address of its channel; the text does not repeat a number."""


def normalised(channel: str, text: str, *, region: str | None = None) -> str:
    """An address as it is stored.

    Args:
        channel: sms, voice, chat or webhook.
        text: as somebody wrote it: `+86 138 0013 8000`, or with a region `138-0013-8000`.
        region: the country of numbers without a country code (ISO 3166), such as CN.

    Raises:
        AddressInvalid: it is no number, none that exists, or for sms one that takes no SMS; or no name.
    """
    if channel not in NUMBERS:
        return _name(channel, text)
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise AddressInvalid(_unreadable(error, region)) from None
    if number.extension is not None:
        raise AddressInvalid("is a number with an extension, which cannot be dialled")
    if not phonenumbers.is_valid_number(number):
        raise AddressInvalid(f"is no number that exists: {_why(number)}")
    if channel == "sms" and phonenumbers.number_type(number) == PhoneNumberType.FIXED_LINE:
        raise AddressInvalid("is a landline, which takes no SMS; give it for voice")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def knows_region(region: str) -> bool:
    """Whether numbers of a country (ISO 3166) are known."""
    return region in phonenumbers.SUPPORTED_REGIONS


def masked(channel: str, address: str) -> str:
    """An address as lists show it: of a number its beginning and its end."""
    if channel not in NUMBERS:
        return address
    hidden = len(address) - 2 * _SHOWN
    return f"{address[:_SHOWN]}{'*' * hidden}{address[-_SHOWN:]}" if hidden > 0 else "*" * len(address)


def _name(channel: str, text: str) -> str:
    name = text.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable() or any(c.isspace() for c in name):
        raise AddressInvalid(
            f"is no name of a {channel} in the settings: without spaces, {_MAX_NAME} characters at most"
        )
    return name


def _unreadable(error: NumberParseException, region: str | None) -> str:
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE and region is None:
        return "has no country code: write it as +86…, or say --region CN"
    return "is no telephone number"


def _why(number: PhoneNumber) -> str:
    match phonenumbers.is_possible_number_with_reason(number):
        case phonenumbers.ValidationResult.TOO_SHORT:
            return "it is too short"
        case phonenumbers.ValidationResult.TOO_LONG:
            return "it is too long"
        case _:
            return "no number of that country begins so, or is so long"
