"""Who may say what at the broker: logins, their topics, and the files that Mosquitto reads (pure).

A device that speaks for itself has an account of its own and publishes below its own name alone. A gateway speaks for
all devices behind it, so its account has the topics of its family. Ingest's account hears everything and publishes
nothing but its beacons. Whoever is not named in these files can do nothing.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from devices.registry import Drivers
from registry.errors import CredentialRefused

#: Families whose devices connect to the broker themselves, each below its own name.
SPEAK_FOR_THEMSELVES: Final = frozenset({"native", "tasmota", "esphome", "ai_on_the_edge", "homewizard"})
#: Families that are heard through somebody who speaks for them all; what that account publishes, below its prefix.
_GATEWAY_WRITES: Final[Mapping[str, str]] = {"cjt188": "{account}/#"}
_GATEWAY_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "chirpstack": ("+/device/+/command/#",),
    "zigbee2mqtt": ("#",),  # commands to its devices, and what it told of them before it was restarted
}
_BEACONS: Final = "anju/_beacon/#"

#: Common names of certificates start so, and no account's name does.
CERTIFIED: Final = "anju-cert-"
# A client id is the account's name: these are sessions of ingest, and what queues in them is everybody's.
_RESERVED: Final = ("anju-bulk", "anju-urgent-", CERTIFIED)
_RESERVED_DEVICE: Final = "_beacon"
_NAME_CHARS_MAX: Final = 128

_PASSWORD_BYTES: Final = 24
# Passwords are 192 random bits: stretching adds nothing to that, and the broker's only thread would pay for it whenever
# all devices come back at once. 101 is what mosquitto_passwd 2.0 takes.
_ITERATIONS: Final = 101
_SALT_BYTES: Final = 12  # Mosquitto 2.0 knows no other length


class Kind(StrEnum):
    """Whose account it is."""

    DEVICE = "device"
    GATEWAY = "gateway"
    INGEST = "ingest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may log in.

    Attributes:
        name: of the device, the gateway, or ingest's account.
        kind: whose it is.
        driver: the family it speaks; None for ingest.
        prefix: of a gateway, the first level of its topics; None: all that the settings give its family.
    """

    name: str
    kind: Kind
    driver: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How an account logs in.

    Attributes:
        account: whose it is.
        user: the MQTT user: the account's name, or the common name of its certificate.
        password_hash: as in Mosquitto's password file; None: by certificate.
    """

    account: Account
    user: str
    password_hash: str | None


class Grant(NamedTuple):
    """A right: `read`, `write` or `readwrite` on the topics of a filter."""

    access: str
    topics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFiles:
    """The files that Mosquitto reads, by their contents; those of ingest are of a listener of its own."""

    passwords: str
    acl: str
    service_passwords: str
    service_acl: str


def device_account(name: str, driver: str) -> Account:
    """The account of a device that speaks for itself.

    Args:
        name: it publishes under; of a Tasmota's further counter, its account is that of the device.
        driver: its family.

    Raises:
        CredentialRefused: it is heard through a gateway, or its name cannot be an account's.
    """
    if driver not in SPEAK_FOR_THEMSELVES:
        raise CredentialRefused(
            f"{name} is heard through a gateway, which speaks for it: issue one for that, with --family {driver}"
        )
    own = name.partition("/")[0] if driver == "tasmota" else name
    if "/" in own:
        raise CredentialRefused(f"{name}: below a name with '/' another device's topics may lie; name it without")
    if own == _RESERVED_DEVICE:
        raise CredentialRefused(f"{name}: below this name ingest listens to itself; name the device otherwise")
    return Account(name=checked_name(own), kind=Kind.DEVICE, driver=driver)


def gateway_account(name: str, family: str, prefix: str | None, drivers: Drivers) -> Account:
    """The account of whoever speaks for the devices of a family.

    Args:
        name: of the gateway.
        family: of the devices behind it.
        prefix: the only first level of its topics; None: all that the settings give the family.
        drivers: the families.

    Raises:
        CredentialRefused: there is no such family or prefix, or the name cannot be an account's.
    """
    found = drivers.families.get(family)
    if found is None:
        raise CredentialRefused(f"no family {family!r} (there are: {', '.join(drivers.families)})")
    if family == "native":
        raise CredentialRefused("native devices speak for themselves: issue one for each device")
    if prefix is not None and prefix not in found.prefixes:
        raise CredentialRefused(
            f"{family} is not heard below {prefix!r} (but below {', '.join(found.prefixes)}): see ANJU_TOPIC_PREFIXES"
        )
    if "/" in name:
        raise CredentialRefused(f"{name}: a gateway's name has no '/' in it")
    return Account(name=checked_name(name), kind=Kind.GATEWAY, driver=family, prefix=prefix)


def checked_name(name: str) -> str:
    """The name, if it can be an account's.

    Raises:
        CredentialRefused: it is empty or too long, would read as something else in Mosquitto's files, or belongs to a
            session of the service.
    """
    if not name or len(name) > _NAME_CHARS_MAX or name != name.strip() or not name.isprintable():
        raise CredentialRefused(f"{name!r} cannot be an account: 1 to {_NAME_CHARS_MAX} printable characters")
    if set(name) & set("+#"):
        raise CredentialRefused(f"{name!r} cannot be an account: '+' and '#' would stand for the topics of others")
    if name.startswith(_RESERVED):
        raise CredentialRefused(f"{name!r} is kept for the service's own sessions")
    return name


def grants(account: Account, drivers: Drivers) -> tuple[Grant, ...]:
    """What an account may do; everything else is refused.

    Args:
        account: whose rights.
        drivers: the families, below the prefixes of the settings.
    """
    if account.kind is Kind.INGEST:
        return (*(Grant("read", f"{prefix}/#") for prefix in drivers.by_prefix), Grant("readwrite", _BEACONS))
    family = drivers.families.get(account.driver or "")
    if family is None:
        return ()
    if account.kind is Kind.DEVICE:
        if account.driver not in SPEAK_FOR_THEMSELVES:
            return ()
        return tuple(Grant("write", f"{prefix}/{account.name}/#") for prefix in family.prefixes)
    found: list[Grant] = []
    writes = _GATEWAY_WRITES.get(family.driver.NAME, "#").replace("{account}", account.name)
    for prefix in family.prefixes if account.prefix is None else (account.prefix,):
        found.append(Grant("write", f"{prefix}/{writes}"))
        found += [Grant("read", f"{prefix}/{topics}") for topics in _GATEWAY_READS.get(family.driver.NAME, ())]
    return tuple(found)


def broker_files(logins: Iterable[Login], drivers: Drivers) -> BrokerFiles:
    """Mosquitto's password and ACL files (mosquitto.conf(5)).

    Raises:
        CredentialRefused: nobody could listen; files for a database that is not the site's would lock everybody out.
    """
    ordered = sorted(logins, key=lambda login: login.user)
    service = [login for login in ordered if login.account.kind is Kind.INGEST]
    others = [login for login in ordered if login.account.kind is not Kind.INGEST]
    if not service:
        raise CredentialRefused("ingest has no account, so nobody would be heard: issue one with --ingest first")
    return BrokerFiles(
        passwords=_passwords(others),
        acl=_acl(others, drivers),
        service_passwords=_passwords(service),
        service_acl=_acl(service, drivers),
    )


def _passwords(logins: Iterable[Login]) -> str:
    return "".join(f"{login.user}:{login.password_hash}\n" for login in logins if login.password_hash is not None)


def _acl(logins: Iterable[Login], drivers: Drivers) -> str:
    blocks = (
        [f"user {login.user}", *(f"topic {right.access} {right.topics}" for right in grants(login.account, drivers))]
        for login in logins
    )
    return "\n".join("\n".join([*block, ""]) for block in blocks)


def new_password() -> str:
    """A password that nobody guesses, in characters that need no escaping in a URL."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def hashed(password: str, salt: bytes | None = None) -> str:
    """A password as Mosquitto's password file has it: `$7$`, iterations, salt, PBKDF2-HMAC-SHA512.

    Args:
        password: one of `new_password`; a word that people choose is not safe in this form.
        salt: 12 bytes; random unless given.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
