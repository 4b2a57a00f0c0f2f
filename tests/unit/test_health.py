"""What a role answers on its metrics port: alive, able to work, and why not."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client import REGISTRY, Gauge

from anju import health
from anju.health import BEAT_LOST_AFTER_S, TURN_LOST_AFTER_S, Heartbeat, brokers_heard, channels_there, loops_turn

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


class Ticks:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def turned() -> Iterator[Gauge]:
    gauge = Gauge("anju_test_loop_turned_timestamp_seconds", "of this test", ["loop"])
    yield gauge
    REGISTRY.unregister(gauge)


@pytest.fixture
def ears() -> Iterator[tuple[Gauge, Gauge]]:
    labels = ["lane", "broker"]
    # Where other tests have run ingest in this process, it has unregistered its own.
    gauges = (
        Gauge("anju_ingest_subscribed", "of this test", labels),
        Gauge("anju_ingest_hearing_lag_seconds", "of this test", labels),
    )
    yield gauges
    for gauge in gauges:
        REGISTRY.unregister(gauge)


def ask(app: "WSGIApplication", path: str, method: str = "GET") -> tuple[str, str]:
    environ: dict[str, object] = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": path, "REQUEST_METHOD": method}
    said: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None, /) -> Callable[[bytes], object]:
        said.append(status)
        return lambda _body: None

    body = b"".join(app(environ, start_response))
    return said[0], body.decode()


def test_alive_and_ready() -> None:
    app = health.make_app(Heartbeat(Ticks()), [lambda: None])
    assert ask(app, "/healthz") == ("200 OK", "ok\n")
    assert ask(app, "/readyz") == ("200 OK", "ok\n")
    assert "python_info" in ask(app, "/metrics")[1]


def test_what_is_missing_is_said_and_does_not_make_it_dead() -> None:
    app = health.make_app(Heartbeat(Ticks()), [lambda: "database: away", lambda: None, lambda: "channels: none"])
    assert ask(app, "/readyz") == ("503 Service Unavailable", "database: away\nchannels: none\n")
    assert ask(app, "/healthz")[0] == "200 OK"


def test_a_loop_that_stands_still_is_neither_alive_nor_ready() -> None:
    ticks = Ticks()
    app = health.make_app(Heartbeat(ticks), [])
    ticks.now_s += BEAT_LOST_AFTER_S
    assert ask(app, "/healthz")[0] == "200 OK"
    ticks.now_s += 1
    assert ask(app, "/healthz") == ("503 Service Unavailable", "the event loop stands still for 16 s\n")
    assert ask(app, "/readyz")[0] == "503 Service Unavailable"


async def test_the_heart_beats_while_the_loop_turns() -> None:
    ticks = Ticks()
    heart = Heartbeat(ticks)
    ticks.now_s += 2 * BEAT_LOST_AFTER_S
    assert heart.lost() is not None
    beating = asyncio.create_task(heart.keep())
    await asyncio.sleep(0)
    assert heart.lost() is None
    beating.cancel()


def test_other_paths_and_methods_are_refused() -> None:
    app = health.make_app(Heartbeat(), [])
    assert ask(app, "/") == ("404 Not Found", "/metrics, /healthz, /readyz\n")
    assert ask(app, "/readyz", "POST")[0] == "405 Method Not Allowed"


def test_loops_must_turn_of_late(turned: Gauge) -> None:
    ticks = Ticks()
    condition = loops_turn("anju_test_loop_turned_timestamp_seconds", ("wake", "engine"), ticks)
    assert condition() == "loops: wake, engine did not turn for 90 s"
    turned.labels("wake").set(ticks.now_s)
    turned.labels("engine").set(ticks.now_s - TURN_LOST_AFTER_S - 1)
    assert condition() == "loops: engine did not turn for 90 s"
    turned.labels("engine").set(ticks.now_s)
    assert condition() is None


def test_every_broker_must_be_heard_and_stored(ears: tuple[Gauge, Gauge]) -> None:
    subscribed, lag = ears
    condition = brokers_heard(["b:1", "b:2"])
    assert condition() == "broker 1: no session with all its topics"
    for broker in ("b:1", "b:2"):
        subscribed.labels("urgent", broker).set(1)
    lag.labels("urgent", "b:1").set(3)
    lag.labels("bulk", "b:2").set(3)
    assert condition() == "broker 2: what it sends is not stored"
    lag.labels("urgent", "b:2").set(61)
    assert condition() == "broker 2: what it sends is not stored"
    lag.labels("urgent", "b:2").set(12)
    assert condition() is None
    subscribed.labels("urgent", "b:1").set(0)
    assert condition() == "broker 1: no session with all its topics"


def test_somebody_must_be_reachable() -> None:
    assert channels_there(())() == "channels: none is set, so nobody can be told"
    assert channels_there(("webhook",))() is None


def test_a_port_that_is_taken_is_an_error() -> None:
    server: WSGIServer = health.serve("127.0.0.1", 0, health.make_app(Heartbeat(), []))
    try:
        with pytest.raises(OSError, match="in use"):
            health.serve("127.0.0.1", server.server_port, health.make_app(Heartbeat(), []))
    finally:
        server.shutdown()
        server.server_close()
