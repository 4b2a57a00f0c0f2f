"""Accounts at the broker: what each may do, names that are refused, and the files as Mosquitto reads them."""

import base64
import hashlib
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from devices.registry import discover
from ingest.beacon import BEACON_PREFIX
from registry.certificates import AUTHORITY_DAYS, client_certificate, new_authority, server_certificate
from registry.credentials import (
    CERTIFIED,
    SPEAK_FOR_THEMSELVES,
    Account,
    Kind,
    Login,
    broker_files,
    checked_name,
    device_account,
    gateway_account,
    grants,
    hashed,
    new_password,
)
from registry.errors import CredentialRefused

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
DRIVERS = discover()
CONFIG = Path(__file__).resolve().parents[2] / "config" / "mosquitto"
INGEST = Account(name="ingest", kind=Kind.INGEST)


def rights(account: Account) -> list[str]:
    return [f"{access} {topics}" for access, topics in grants(account, DRIVERS)]


def login(account: Account, password_hash: str | None = "$7$101$c2FsdA==$aGFzaA==") -> Login:
    return Login(account=account, user=account.name, password_hash=password_hash)


def test_a_password_is_kept_as_mosquitto_keeps_it() -> None:
    # Made by mosquitto_passwd 2.0.11 of the password "y".
    digest = "9llU5UgDuNw8YyLCU19Tr4Tfv7HuFCuFUSrsn/zLX8bU5fW+ayjrDPv16sXotbAA0ylNGK8I5Wt3BG8GHZITbQ=="
    line = f"$7$101$IBhpI9x+9XgSOw3k${digest}"
    assert hashed("y", base64.b64decode("IBhpI9x+9XgSOw3k")) == line
    one, other = hashed("y"), hashed("y")
    assert one != other
    _, seven, iterations, salt, digest = one.split("$")
    again = hashlib.pbkdf2_hmac("sha512", b"y", base64.b64decode(salt), int(iterations))
    assert (seven, base64.b64decode(digest)) == ("7", again)


def test_passwords_are_long_differ_and_fit_into_a_url() -> None:
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch("[A-Za-z0-9_-]{32}", each) for each in made)


@pytest.mark.parametrize(
    ("name", "driver", "expected"),
    [
        ("m-1", "native", ["write anju/m-1/#"]),
        ("plug", "tasmota", ["write tele/plug/#", "write stat/plug/#"]),
        ("plug/C2", "tasmota", ["write tele/plug/#", "write stat/plug/#"]),
        ("kitchen", "esphome", ["write esphome/kitchen/#"]),
        ("meter 3", "homewizard", ["write homewizard/meter 3/#"]),
        ("浴室", "native", ["write anju/浴室/#"]),
    ],
)
def test_a_device_publishes_below_its_own_name_and_reads_nothing(name: str, driver: str, expected: list[str]) -> None:
    assert rights(device_account(name, driver)) == expected


def test_a_gateway_speaks_for_its_family() -> None:
    assert rights(gateway_account("z2m", "zigbee2mqtt", None, DRIVERS)) == [
        "write zigbee2mqtt/#",
        "read zigbee2mqtt/#",
    ]
    assert rights(gateway_account("cs", "chirpstack", None, DRIVERS)) == [
        "write application/#",
        "read application/+/device/+/command/#",
    ]
    assert rights(gateway_account("rs485-1", "cjt188", None, DRIVERS)) == ["write cjt188/rs485-1/#"]
    two = discover({"zigbee2mqtt": ("z2m-east", "z2m-west")})
    east = gateway_account("east", "zigbee2mqtt", "z2m-east", two)
    assert {grant.topics for grant in grants(east, two)} == {"z2m-east/#"}


def test_ingest_hears_itself_wherever_native_devices_are() -> None:
    assert ("readwrite", f"{BEACON_PREFIX}#") in grants(INGEST, discover({"native": ("home",)}))


def test_ingest_hears_every_family_and_publishes_its_beacons_only() -> None:
    found = grants(INGEST, DRIVERS)
    assert {f"{prefix}/#" for prefix in DRIVERS.by_prefix} == {
        grant.topics for grant in found if grant.access == "read"
    }
    assert [grant.topics for grant in found if grant.access != "read"] == [f"{BEACON_PREFIX}#"]


def test_every_family_has_accounts_of_one_kind_or_the_other() -> None:
    assert set(DRIVERS.families) >= SPEAK_FOR_THEMSELVES
    for family in DRIVERS.families:
        if family in SPEAK_FOR_THEMSELVES:
            assert rights(device_account("d", family))
        else:
            with pytest.raises(CredentialRefused, match="--family"):
                device_account("d", family)
            assert rights(gateway_account("g", family, None, DRIVERS))


@pytest.mark.parametrize(
    "name",
    ["", " ", "a ", "a\nuser b", "a\0", "+", "#", "a#b", "x" * 129, "anju-bulk", "anju-urgent-1", f"{CERTIFIED}ff"],
)
def test_names_that_would_be_somebody_elses_are_refused(name: str) -> None:
    with pytest.raises(CredentialRefused):
        checked_name(name)


def test_a_device_cannot_be_named_so_that_others_topics_lie_below_its_own() -> None:
    for name in ("_beacon", "kitchen/sink"):
        with pytest.raises(CredentialRefused):
            device_account(name, "native")
    with pytest.raises(CredentialRefused):
        gateway_account("g", "native", None, DRIVERS)
    with pytest.raises(CredentialRefused, match="ANJU_TOPIC_PREFIXES"):
        gateway_account("g", "zigbee2mqtt", "anju", DRIVERS)


@given(st.lists(st.text(min_size=1, max_size=12), unique=True))
def test_no_name_adds_a_line_or_a_right_that_is_not_its_own(names: list[str]) -> None:
    accounts = []
    for name in names:
        try:
            accounts.append(device_account(name, "native"))
        except CredentialRefused:
            continue
    files = broker_files([login(INGEST), *map(login, accounts)], DRIVERS)
    blocks = [block.split("\n") for block in files.acl.rstrip("\n").split("\n\n")] if accounts else []
    ordered = sorted(account.name for account in accounts)
    assert blocks == [[f"user {name}", f"topic write anju/{name}/#"] for name in ordered]
    assert files.service_passwords.count("\n") == 1


def test_devices_and_ingest_are_in_files_of_their_own() -> None:
    device, certified = device_account("m-1", "native"), device_account("m-2", "native")
    by_certificate = Login(account=certified, user=f"{CERTIFIED}01", password_hash=None)
    files = broker_files([login(device), login(INGEST), by_certificate], DRIVERS)
    assert files.passwords == "m-1:$7$101$c2FsdA==$aGFzaA==\n"
    assert files.acl == f"user {CERTIFIED}01\ntopic write anju/m-2/#\n\nuser m-1\ntopic write anju/m-1/#\n"
    assert files.service_passwords.startswith("ingest:$7$")
    assert "m-1" not in files.service_acl


def test_files_that_would_lock_ingest_out_are_not_written() -> None:
    with pytest.raises(CredentialRefused, match="--ingest"):
        broker_files([login(device_account("m-1", "native"))], DRIVERS)


def test_certificates_are_the_authoritys_and_name_no_device(tmp_path: Path) -> None:
    authority = new_authority("Harbour", NOW)
    one, other = client_certificate(authority, NOW), client_certificate(authority, NOW)
    assert one.user.startswith(CERTIFIED)
    assert len(one.user) <= 64
    assert one.user != other.user
    read = x509.load_pem_x509_certificate(one.pair.certificate)
    read.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    assert read.subject.rfc4514_string() == f"CN={one.user}"
    assert read.not_valid_after_utc == one.expires_at
    purposes = read.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    server = server_certificate(authority, ["broker.example.org", "127.0.0.1"], NOW)
    for name, pair in (("ca", authority), ("server", server)):
        (tmp_path / f"{name}.crt").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")


def test_no_certificate_outlives_its_authority() -> None:
    authority = new_authority("Harbour", NOW)
    late = NOW + timedelta(days=AUTHORITY_DAYS - 1)
    assert client_certificate(authority, late).expires_at == NOW + timedelta(days=AUTHORITY_DAYS)
    with pytest.raises(CredentialRefused, match="ended"):
        client_certificate(authority, NOW + timedelta(days=AUTHORITY_DAYS))
    other = new_authority("Other", NOW)
    with pytest.raises(CredentialRefused, match="not that of"):
        client_certificate(authority._replace(key=other.key), NOW)
    with pytest.raises(CredentialRefused, match="PEM"):
        client_certificate(authority._replace(key=b"no key"), NOW)


def test_both_configurations_keep_what_they_accept() -> None:
    def settings(name: str) -> dict[str, str]:
        lines = (CONFIG / name).read_text(encoding="utf-8").splitlines()
        return dict(line.split(" ", 1) for line in lines if line and not line.startswith("#"))

    site, local = settings("mosquitto.conf"), settings("local.conf")
    kept = ("max_queued_bytes", "max_inflight_messages", "persistence", "persistent_client_expiration")
    assert {key: site[key] for key in kept} == {key: local[key] for key in kept}
    assert (site["max_queued_bytes"], site["max_inflight_messages"], site["persistence"]) == ("0", "0", "true")
    assert local["max_queued_messages"] == "0"
    assert int(site["max_queued_messages"]) >= 10**9
