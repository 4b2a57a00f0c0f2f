"""An embedded MQTT broker for the quick start and fast tests: rumqttd, from the wheel `iotcore`, in a child process.

Good enough to try Anju and to test it, not to run it. Found by experiment with iotcore 0.4.0 (rumqttd 0.20):

- One port serves one version of MQTT, the other is cut off; both versions see each other's messages.
- A persistent session lives until the broker stops, whatever session expiry says. What was not acknowledged is sent
  again after a reconnect, first and in order, but without the DUP flag. The same client id takes a session over.
- Receive Maximum is ignored: up to 100 messages are in flight to a subscriber.
- Retain Handling is ignored: a subscription gets retained messages, flagged, even if it asks for none.
- Overlapping subscriptions of one client get one copy each. Last wills are published.
- A payload over the limit (1 MiB here) ends the publisher's connection.
- Everything is in memory. Each topic filter has a log of its own; beyond its limit (96 MiB here, several 100,000
  readings) the oldest messages fall out, delivered or not.
- A member that leaves a shared subscription crashes the broker: use plain subscriptions only.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

_START_LIMIT_S: Final = 20.0
_STOP_LIMIT_S: Final = 5.0
_PORT_TRIES: Final = 5


class EmbeddedBrokerError(Exception):
    """The embedded broker did not start."""


class EmbeddedBroker:
    """One broker on 127.0.0.1: MQTT 5 on `port`, MQTT 3.1.1 on `port_v311`.

    Args:
        port: where MQTT 5 is served; 0 takes a free port.
        port_v311: where MQTT 3.1.1 is served; 0 takes a free port.
    """

    def __init__(self, *, port: int = 0, port_v311: int = 0) -> None:
        self.port = port
        self.port_v311 = port_v311
        self._wanted = (port, port_v311)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where MQTT 5 is served."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's process; None when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> str:
        """Starts the broker and returns its URL once it listens.

        Raises:
            EmbeddedBrokerError: it ended or does not listen, for instance because a port that was asked for is taken.
        """
        if self.pid is not None:
            return self.url
        for attempt in range(1, _PORT_TRIES + 1):
            self.port, self.port_v311 = (wanted or _free_port() for wanted in self._wanted)
            if self._launch():
                return self.url
            self.stop()
            if all(self._wanted) or attempt == _PORT_TRIES:
                break
        raise EmbeddedBrokerError(
            f"the embedded MQTT broker does not listen on 127.0.0.1:{self.port} and {self.port_v311}: are they taken?"
        )

    def stop(self) -> None:
        """Stops the broker; its sessions and retained messages, held in memory, are gone. May be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _launch(self) -> bool:
        if _listens(self.port) or _listens(self.port_v311):
            return False
        with tempfile.TemporaryDirectory(prefix="anju-broker-") as folder:
            config = Path(folder) / "rumqttd.toml"
            config.write_text(_config(port=self.port, port_v311=self.port_v311), encoding="utf-8")
            # A session of its own: Ctrl-C in the terminal reaches the broker through stop() alone. Should we die, the
            # pipe closes and the broker goes too.
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve()", str(config)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            deadline = time.monotonic() + _START_LIMIT_S
            while time.monotonic() < deadline and self._process.poll() is None:
                if _listens(self.port) and _listens(self.port_v311):
                    return True
                time.sleep(0.02)
        return False


def serve() -> None:
    """The child process: runs the broker until it is told to end or its parent is gone."""
    from iotcore import Broker

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    # rumqttd reports its ordinary routing of every packet as errors.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    Broker(config_path=sys.argv[1]).run_forever()


def _config(*, port: int, port_v311: int) -> str:
    limits = {
        "connection_timeout_ms": 60_000,
        "max_payload_size": 1024 * 1024,
        "max_inflight_count": 2_000,
        "dynamic_filters": True,
    }
    router = {
        "id": 0,
        "max_connections": 10_010,
        "max_outgoing_packet_count": 2_000,
        "max_segment_size": 8 * 1024 * 1024,
        "max_segment_count": 12,
    }

    def table(name: str, values: Mapping[str, int | str]) -> str:
        return "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""])

    def listener(name: str, port: int) -> str:
        address: dict[str, int | str] = {
            "name": name.replace(".", "-"),
            "listen": f"127.0.0.1:{port}",
            "next_connection_delay_ms": 1,
        }
        return table(name, address) + table(f"{name}.connections", limits)

    return "id = 0\n" + table("router", router) + listener("v4.1", port_v311) + listener("v5.1", port)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
