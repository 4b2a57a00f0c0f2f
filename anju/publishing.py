"""Publishes messages over real MQTT at QoS 1: what simulator, replay and demo send through.

A message counts as published when the broker has acknowledged it. When the connection goes, what was not acknowledged
is sent again after the reconnect; the receiving side knows a repetition when it sees one.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import aiomqtt

from anju.errors import Unreachable
from ingest.mqtt.options import Endpoint

_GIVE_UP_AFTER: Final = 5
_ACK_LIMIT_S: Final = 30.0
# More cost time without gaining any: aiomqtt goes through all that is in flight for every message.
_IN_FLIGHT: Final = 64


class Message(NamedTuple):
    """What is published, and where."""

    topic: str
    payload: str


class Publisher:
    """A connection that lasts as long as the context; `publish` may be called by many tasks at once.

    Attributes:
        acknowledged: messages the broker has taken.
    """

    def __init__(self, endpoint: Endpoint, *, client_id: str, ca_file: Path | None = None) -> None:
        self._endpoint = endpoint
        self._client_id = client_id
        self._ca_file = ca_file
        self._client: aiomqtt.Client | None = None
        self._reconnecting = asyncio.Lock()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._failures: list[Exception] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.acknowledged = 0

    async def __aenter__(self) -> "Publisher":
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    async def publish(self, message: Message) -> None:
        """Publishes one message and waits for its acknowledgement.

        Raises:
            Unreachable: the broker stayed away.
        """
        for attempt in range(1, _GIVE_UP_AFTER + 1):
            client = self._client
            try:
                if client is None:
                    raise aiomqtt.MqttError("not connected")
                await client.publish(message.topic, message.payload, qos=1)
            except aiomqtt.MqttError as error:
                if attempt == _GIVE_UP_AFTER:
                    raise Unreachable(f"the broker at {self._endpoint} does not take messages: {error}") from error
                await self._reconnect(client, attempt)
            else:
                self.acknowledged += 1
                return

    async def submit(self, message: Message) -> None:
        """Sends one message and returns as soon as the next may follow; messages go out in the order of the calls.

        Raises:
            Unreachable: an earlier message could not be published.
        """
        await self._slots.acquire()
        if self._failures:
            raise self._failures[0]
        task = asyncio.create_task(self.publish(message))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self) -> None:
        """Waits until everything submitted is acknowledged.

        Raises:
            Unreachable: something could not be published.
        """
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._failures:
            raise self._failures[0]

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._slots.release()
        if not task.cancelled() and isinstance(failure := task.exception(), Exception):
            self._failures.append(failure)

    async def _reconnect(self, lost: aiomqtt.Client | None, attempt: int) -> None:
        async with self._reconnecting:
            if self._client is not lost:
                return
            await self._disconnect()
            await asyncio.sleep(0.2 * 2**attempt)
            with contextlib.suppress(Unreachable):
                await self._connect()

    async def _connect(self) -> None:
        tls = ssl.create_default_context(cafile=self._ca_file) if self._endpoint.tls else None
        client = aiomqtt.Client(
            self._endpoint.host,
            self._endpoint.port,
            username=self._endpoint.username,
            password=self._endpoint.password,
            identifier=self._client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            max_inflight_messages=_IN_FLIGHT,
            timeout=_ACK_LIMIT_S,
            tls_context=tls,
            logger=_quiet(),
        )
        client.pending_calls_threshold = _IN_FLIGHT
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            raise Unreachable(
                f"no connection to the broker at {self._endpoint}: {error}; does it run, are user and password right?"
            ) from error
        self._client = client

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)


async def paced(messages: Iterator[Message], *, per_s: float | None) -> AsyncIterator[Message]:
    """Hands messages on at an even rate; None means as fast as they are taken."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for count, message in enumerate(messages):
        if per_s is not None:
            ahead_s = start + count / per_s - loop.time()
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
        yield message


def _quiet() -> logging.Logger:
    logger = logging.getLogger("anju.publishing")
    logger.setLevel(logging.ERROR)
    return logger
