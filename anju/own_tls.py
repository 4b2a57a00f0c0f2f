"""TLS on the ports that a role itself listens on, where nothing in front of them brings it: metrics, and answers."""

import ssl
from typing import TYPE_CHECKING

from config.errors import SettingsError

if TYPE_CHECKING:
    from config.settings import Settings


def server_context(settings: "Settings") -> ssl.SSLContext | None:
    """What a role shows who connects to it; None: it speaks without TLS. The files are read at the start only.

    Raises:
        SettingsError: only one of the two files is named, or they are no certificate and its key.
    """
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        lacking = "ANJU_TLS_CERT_FILE" if certificate is None else "ANJU_TLS_KEY_FILE"
        raise SettingsError(f"{lacking} is not set; a certificate and its key are needed both")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or error.strerror
        raise SettingsError(
            f"{certificate} and {key} are no certificate and its key ({reason}); right would be two PEM files,"
            " the certificate with its chain, the key without a password"
        ) from None
    return context
