"""TLS in front of a PostgreSQL that has none: `python postgres_tls.py SOCKET CERTIFICATE KEY`.

Who does not ask for TLS is sent away, as by `hostssl` lines.
"""

import asyncio
import contextlib
import ssl
import sys
from typing import Final

_SSL_REQUEST: Final = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")
_GSS_REQUEST: Final = (8).to_bytes(4, "big") + (80_877_104).to_bytes(4, "big")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Passes on what comes, until it ends."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def main(server: str, certificate: str, key: str) -> None:
    """Serves until killed."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (asked := await reader.readexactly(8)) == _GSS_REQUEST:
                writer.write(b"N")
            if asked != _SSL_REQUEST:
                writer.close()
                return
            writer.write(b"S")
            await writer.drain()
            await writer.start_tls(context)
            beyond = await asyncio.open_unix_connection(server)
            await asyncio.gather(pump(reader, beyond[1]), pump(beyond[0], writer))
        writer.close()

    async with await asyncio.start_server(serve, "0.0.0.0", 5432) as listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
