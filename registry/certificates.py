"""The site's own authority and the certificates it signs, for devices that log in without a password.

A device's certificate names no device: its common name is a number of its own, which the ACL knows as a user. A new
certificate for the same device has another, so an old one is worth nothing as soon as the ACL has dropped it; no
revocation list is needed.
"""

import ipaddress
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from registry.credentials import CERTIFIED
from registry.errors import CredentialRefused

AUTHORITY_DAYS: Final = 7300
# A certificate that ends silences a call button: it should outlive the battery and the button.
DEVICE_DAYS: Final = 3650
SERVER_DAYS: Final = 825
# Clocks differ.
_EARLIER: Final = timedelta(days=1)


class Pair(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Certified(NamedTuple):
    """A client certificate.

    Attributes:
        user: its common name, which is the MQTT user.
        pair: certificate and key.
        expires_at: when it ends.
    """

    user: str
    pair: Pair
    expires_at: datetime


def new_authority(name: str, now: datetime) -> Pair:
    """A new authority for a site.

    Args:
        name: of the site.
        now: the time.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(name)
    until = now + timedelta(days=AUTHORITY_DAYS)
    built = _begin(subject, subject, key.public_key(), serial=x509.random_serial_number(), now=now, until=until)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    built = built.add_extension(_usage(signs_certificates=True), critical=True)
    return _pair(built.sign(key, hashes.SHA256()), key)


def client_certificate(authority: Pair, now: datetime) -> Certified:
    """A certificate with which one device or gateway logs in.

    Raises:
        CredentialRefused: the authority's files are none, or it has ended.
    """
    serial = x509.random_serial_number()
    user = f"{CERTIFIED}{serial:040x}"
    pair, expires_at = _sign(
        authority, _named(user), serial=serial, now=now, days=DEVICE_DAYS, purpose=ExtendedKeyUsageOID.CLIENT_AUTH
    )
    return Certified(user, pair, expires_at)


def server_certificate(authority: Pair, hosts: Sequence[str], now: datetime) -> Pair:
    """A certificate for the broker.

    Args:
        authority: the site's.
        hosts: names and addresses under which devices reach the broker.
        now: the time.

    Raises:
        CredentialRefused: the authority's files are none, or it has ended; a name is none.
    """
    pair, _ = _sign(
        authority,
        _named("broker"),
        serial=x509.random_serial_number(),
        now=now,
        days=SERVER_DAYS,
        purpose=ExtendedKeyUsageOID.SERVER_AUTH,
        hosts=[_host(each) for each in hosts],
    )
    return pair


def _sign(
    authority: Pair,
    subject: x509.Name,
    *,
    serial: int,
    now: datetime,
    days: int,
    purpose: x509.ObjectIdentifier,
    hosts: Sequence[x509.GeneralName] = (),
) -> tuple[Pair, datetime]:
    issuer, issuer_key = _loaded(authority)
    until = min(now + timedelta(days=days), issuer.not_valid_after_utc)
    if until <= now:
        raise CredentialRefused(f"the authority ended on {issuer.not_valid_after_utc:%Y-%m-%d}: make a new one")
    key = ec.generate_private_key(ec.SECP256R1())
    built = _begin(subject, issuer.subject, key.public_key(), serial=serial, now=now, until=until)
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    built = built.add_extension(_usage(signs_certificates=False), critical=True)
    built = built.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    built = built.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    )
    if hosts:
        built = built.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return _pair(built.sign(issuer_key, hashes.SHA256()), key), until.replace(microsecond=0)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    serial: int,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _loaded(authority: Pair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        key = serialization.load_pem_private_key(authority.key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # whose text may quote the key
        raise CredentialRefused("the authority's files are no certificate and key in PEM without a password") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise CredentialRefused("the authority's key is not that of its certificate")
    return certificate, key


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError:
        raise CredentialRefused(f"{name!r} cannot be a certificate's name: 1 to 64 characters") from None


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        return x509.DNSName(text.encode("idna").decode("ascii"))
    except UnicodeError:
        raise CredentialRefused(f"{text!r} is no host's name") from None


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
