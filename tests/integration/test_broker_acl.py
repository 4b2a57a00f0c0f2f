"""The shipped mosquitto.conf on a real Mosquitto, with TLS and the files that `anju device credentials` writes."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiomqtt
import pytest
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from typer.testing import CliRunner

from anju.cli import app
from tests.integration.cli import Ended, anju
from tests.servers import REPOSITORY, Mosquitto, eventually, free_port
from tests.stages import Stage, listening, settings
from tests.traffic import count, install, press

Database = AsyncConnection[TupleRow]
SHIPPED: Final = REPOSITORY / "config" / "mosquitto" / "mosquitto.conf"
REFUSED: Final = aiomqtt.MqttError


@dataclass(slots=True)
class Site:
    """A broker set up as docs/broker.md says.

    Attributes:
        passwords: of accounts, by name.
        keys: certificate and key of accounts that have them, by name.
    """

    folder: Path
    database_url: str
    server: Mosquitto
    by_certificate_port: int
    service_port: int
    passwords: dict[str, str] = field(default_factory=dict)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca" / "ca.crt"

    def credentials(self, *arguments: str) -> Ended:
        """Runs a command as a process."""
        return anju("device", "credentials", *arguments, ANJU_DATABASE_URL=self.database_url)

    def does(self, *arguments: str) -> str:
        """Runs a command within this process, which takes a tenth of the time; it must go well."""
        whole = ["device", "credentials", *arguments]
        with ThreadPoolExecutor(1) as beside:  # a command has an event loop of its own
            ended = beside.submit(
                CliRunner().invoke, app, whole, env={"ANJU_DATABASE_URL": self.database_url}, catch_exceptions=False
            ).result()
        assert ended.exit_code == 0, ended.stderr
        return ended.stdout

    def issue(self, name: str, *options: str) -> None:
        issued = json.loads(self.does("issue", name, "--json", *options))
        if "password" in issued:
            self.passwords[name] = issued["password"]
        else:
            self.keys[name] = issued["certificate"], issued["key"]

    def sync(self) -> None:
        self.does("sync", "--out", str(self.folder / "etc" / "anju"))
        os.kill(self.server.pid, signal.SIGHUP)

    def client(self, name: str, *, port: int | None = None, **options: Any) -> aiomqtt.Client:
        """A connection by password, to the devices' listener unless another is named."""
        known = {"username": name, "password": self.passwords.get(name), "identifier": name}
        return aiomqtt.Client("127.0.0.1", port or self.server.port, **{**self._always(), **known, **options})

    def certified(self, name: str, **options: Any) -> aiomqtt.Client:
        """A connection by certificate."""
        context = ssl.create_default_context(cafile=self.ca_file)
        context.load_cert_chain(*self.keys[name])
        return aiomqtt.Client(
            "127.0.0.1", self.by_certificate_port, **{**self._always(), "tls_context": context, **options}
        )

    def _always(self) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.ca_file)
        return {"tls_context": context, "protocol": aiomqtt.ProtocolVersion.V311, "timeout": 5}

    @contextlib.asynccontextmanager
    async def hearing(self) -> AsyncIterator[list[str]]:
        """Inside, the topics of all that comes through to ingest's account."""
        heard: list[str] = []
        async with self.client("ingest", port=self.service_port, identifier="anju-test") as ingest:
            await ingest.subscribe("#", qos=1)

            async def listen() -> None:
                async for message in ingest.messages:
                    heard.append(str(message.topic))

            task = asyncio.create_task(listen())
            try:
                yield heard
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def shipped_config(folder: Path, ports: dict[int, int]) -> str:
    """The shipped file but for paths and ports."""
    text = SHIPPED.read_text(encoding="utf-8")
    for written, ours in ports.items():
        assert f"\nlistener {written}\n" in text
        text = text.replace(f"\nlistener {written}\n", f"\nlistener {ours} 127.0.0.1\n")
    text = text.replace("/etc/mosquitto/", f"{folder}/etc/").replace("/var/lib/mosquitto/", f"{folder}/")
    return text if os.geteuid() != 0 else f"user root\n{text}"


@pytest.fixture
def site(folder: Path, database_url: str) -> Iterator[Site]:
    """A broker with TLS and an account of ingest."""
    (folder / "etc").mkdir()
    server = Mosquitto(folder / "broker", default=False)
    found = Site(folder, database_url, server, free_port(), free_port())
    found.does("authority", str(folder / "ca"), "--server", "127.0.0.1", "--server", "broker.example.org")
    tls = folder / "etc" / "tls"
    tls.mkdir()
    for name in ("ca.crt", "server.crt", "server.key"):
        (tls / name).write_bytes((folder / "ca" / name).read_bytes())
    ports = {8883: server.port, 8884: found.by_certificate_port, 8885: found.service_port}
    (server.folder / "mosquitto.conf").write_text(shipped_config(folder, ports), encoding="utf-8")
    found.issue("ingest", "--ingest", "--out", str(folder / "etc" / "anju"))
    with server:
        yield found


async def add(database: Database, *names: str, driver: str = "native") -> None:
    for name in names:
        await database.execute("INSERT INTO device (name, driver) VALUES (%s, %s)", [name, driver])


async def comes_through(client: aiomqtt.Client, heard: list[str], topic: str) -> list[str]:
    """Publishes on a topic, which must come through; what did."""
    heard.clear()
    await client.publish(topic, b"{}", qos=1)
    await eventually(lambda: topic in heard)
    return list(heard)


async def tries(client: aiomqtt.Client, topic: str, payload: bytes = b"{}") -> None:
    """Publishes on a connection of its own, and returns when the broker has dealt with it, in whatever way."""
    with contextlib.suppress(REFUSED):  # it may acknowledge what it drops, refuse it, or end the connection
        async with client:
            await client.publish(topic, payload, qos=1)


async def is_refused(client: aiomqtt.Client) -> bool:
    try:
        async with client:
            return False
    except REFUSED:
        return True


async def test_each_publishes_as_itself_alone(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2")
    await add(database, "plug", driver="tasmota")
    for name, *options in (
        ("m-1",),
        ("m-2",),
        ("plug",),
        ("z2m", "--family", "zigbee2mqtt"),
        ("lora", "--family", "chirpstack"),
    ):
        site.issue(name, *options)
    site.issue("ingest-2", "--ingest")
    site.sync()
    async with site.hearing() as heard:

        async def through(name: str, *topics: str) -> list[str]:
            heard.clear()
            for topic in topics:
                await tries(site.client(name), topic)
            await eventually(lambda: topics[-1] in heard)
            return list(heard)

        foreign = (
            "anju/m-2/event",
            "anju/m-1x/event",
            "anju/event",
            "anju/_beacon/anju-bulk/now",
            "zigbee2mqtt/sos",
            "m-1",
        )
        assert await through("m-1", *foreign, "anju/m-1/event") == ["anju/m-1/event"]
        assert await through("m-2", "anju/m-1/event", "anju/m-2/reading") == ["anju/m-2/reading"]
        assert await through("plug", "tele/m-1/SENSOR", "stat/plug/RESULT", "tele/plug/LWT") == [
            "stat/plug/RESULT",
            "tele/plug/LWT",
        ]
        uplink = "application/1/device/24e124535b316056/event/up"
        assert await through("z2m", "anju/m-1/event", uplink, "zigbee2mqtt/hall/sos") == ["zigbee2mqtt/hall/sos"]
        assert await through("lora", "zigbee2mqtt/hall/sos", "anju/m-1/event", uplink) == [uplink]
        # Nor does the account that hears all speak for anybody.
        heard.clear()
        for topic in ("anju/m-1/event", "anju/_beacon/x/now"):
            await tries(site.client("ingest-2", port=site.service_port, identifier="anju-2"), topic)
        await eventually(lambda: "anju/_beacon/x/now" in heard)
        assert heard == ["anju/_beacon/x/now"]


async def test_a_message_that_is_refused_does_not_cost_the_connection(site: Site, database: Database) -> None:
    await add(database, "m-1")
    site.issue("m-1")
    site.sync()
    for protocol in (aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5):
        async with site.hearing() as heard, site.client("m-1", protocol=protocol) as client:
            for qos in (0, 1):  # Tasmota and ESPHome announce themselves to whoever might discover them
                await client.publish("tasmota/discovery/112233445566/config", b"{}", qos=qos)
            assert await comes_through(client, heard, "anju/m-1/event") == ["anju/m-1/event"]


async def test_a_will_is_worth_no_more_than_its_owner(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2")
    site.issue("m-1")
    site.issue("m-2")
    site.sync()
    async with site.hearing() as heard:
        for topic in ("anju/m-2/event", "anju/m-1/status"):
            with contextlib.suppress(REFUSED):  # 2.0.11 takes the connection and drops the will; others refuse it
                async with site.client("m-1", will=aiomqtt.Will(topic, b"offline", qos=1)) as dying:
                    dying._client._sock_close()  # no DISCONNECT: the broker publishes the will
        await eventually(lambda: "anju/m-1/status" in heard, 10)
        assert heard == ["anju/m-1/status"]


async def test_nobody_hears_others(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2")
    site.issue("m-1")
    site.issue("m-2")
    site.issue("z2m", "--family", "zigbee2mqtt")
    site.sync()
    async with (
        site.hearing() as heard,
        site.client("m-1") as speaker,
        site.client("m-2") as curious,
        site.client("z2m") as gateway,
    ):
        for client in (curious, gateway):
            with contextlib.suppress(REFUSED):  # a broker may refuse the subscription, or deliver nothing to it
                await client.subscribe([("#", 1), ("anju/m-1/#", 1), ("anju/+/event", 1)])
        assert await comes_through(speaker, heard, "anju/m-1/event") == ["anju/m-1/event"]
        # Whatever was on its way to them is there before the acknowledgement of what they publish now.
        await curious.publish("anju/m-2/event", b"{}", qos=1)
        await gateway.publish("zigbee2mqtt/hall", b"{}", qos=1)
        await eventually(lambda: "zigbee2mqtt/hall" in heard)
        assert len(curious.messages) == 0
        await eventually(lambda: len(gateway.messages) > 0)
        assert {str((await anext(gateway.messages)).topic) for _ in range(len(gateway.messages))} == {
            "zigbee2mqtt/hall"
        }


async def test_strangers_and_accounts_at_the_wrong_door_are_refused(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2")
    site.issue("m-1")
    site.issue("m-2", "--certificate", str(site.folder / "ca"))
    site.sync()
    port = site.service_port
    assert not await is_refused(site.client("m-1"))
    assert not await is_refused(site.certified("m-2"))
    assert await is_refused(site.client("m-1", password="x"))
    assert await is_refused(site.client("m-1", password=None))
    assert await is_refused(site.client("m-1", username=None, password=None))
    assert await is_refused(site.client("nobody", password=site.passwords["m-1"]))
    assert await is_refused(site.client("m-1", tls_context=None)), "in the clear"
    assert await is_refused(site.client("m-1", port=port)), "a device where ingest listens"
    assert await is_refused(site.client("ingest")), "ingest where devices listen"
    assert not await is_refused(site.client("ingest", port=port))
    assert await is_refused(site.client("m-1", port=site.by_certificate_port)), "no certificate"
    certificate_name = Path(site.keys["m-2"][0]).stem
    assert await is_refused(site.client(certificate_name, password=""))
    # Another site's authority: its certificates mean nothing here.
    elsewhere = site.folder / "elsewhere"
    site.does("authority", str(elsewhere))
    site.issue("m-2", "--certificate", str(elsewhere), "--replace")
    site.sync()
    assert await is_refused(site.certified("m-2"))


async def test_nobody_takes_over_the_session_of_ingest_or_of_another(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2", "m-3")
    for name in ("m-1", "m-2"):
        site.issue(name)
    site.issue("m-3", "--certificate", str(site.folder / "ca"))
    site.sync()
    port = site.service_port
    async with site.client("ingest", port=port, identifier="anju-bulk") as ingest, site.client("m-1") as victim:
        await ingest.subscribe("anju/+/event", qos=1)
        for stolen in ("anju-bulk", "m-1"):
            assert not await is_refused(site.client("m-2", identifier=stolen))
            assert not await is_refused(site.certified("m-3", identifier=stolen))
        await victim.publish("anju/m-1/event", b"{}", qos=1)
        message = await asyncio.wait_for(anext(ingest.messages), 5)
        assert str(message.topic) == "anju/m-1/event"


async def test_a_revoked_device_is_out_and_its_successor_in(site: Site, database: Database) -> None:
    await add(database, "m-1", "m-2", "m-3")
    site.issue("m-1")
    site.issue("m-2")
    site.issue("m-3", "--certificate", str(site.folder / "ca"))
    site.sync()
    stolen_password, stolen_key = site.passwords["m-1"], site.keys["m-3"]
    async with site.hearing() as heard, site.client("m-2") as other:
        thief, twin = site.client("m-1"), site.certified("m-3")
        with contextlib.suppress(REFUSED):  # it may be disconnected in the middle
            async with thief, twin:
                assert await comes_through(thief, heard, "anju/m-1/event") == ["anju/m-1/event"]
                assert await comes_through(twin, heard, "anju/m-3/event") == ["anju/m-3/event"]
                site.does("revoke", "m-1")
                site.issue("m-3", "--certificate", str(site.folder / "ca"), "--replace")
                site.sync()
                await eventually(lambda: _silent(thief, "anju/m-1/event", other, heard), 10)
                await eventually(lambda: _silent(twin, "anju/m-3/event", other, heard), 10)
        assert await is_refused(site.client("m-1", password=stolen_password))
        async with site.certified("m-3") as successor:
            assert await comes_through(successor, heard, "anju/m-3/event") == ["anju/m-3/event"]
        successors_key, site.keys["m-3"] = site.keys["m-3"], stolen_key
        assert successors_key != stolen_key
        heard.clear()
        # It still gets in, by a certificate that is not over, but nothing it says gets through.
        await tries(site.certified("m-3"), "anju/m-3/event")
        assert await comes_through(other, heard, "anju/m-2/event") == ["anju/m-2/event"]
        site.issue("m-1")
        site.sync()
        await eventually(lambda: _gets_in(site.client("m-1")), 10)
        assert await is_refused(site.client("m-1", password=stolen_password))
    rows = await database.execute("SELECT account, revoked_at IS NULL FROM broker_credential ORDER BY credential_id")
    assert await rows.fetchall() == [
        ("ingest", True),
        ("m-1", False),
        ("m-2", True),
        ("m-3", False),
        ("m-3", True),
        ("m-1", True),
    ]


async def _silent(revoked: aiomqtt.Client, topic: str, other: aiomqtt.Client, heard: list[str]) -> bool:
    heard.clear()
    with contextlib.suppress(REFUSED):
        await revoked.publish(topic, b"{}", qos=1)
    await other.publish("anju/m-2/event", b"{}", qos=1)
    await eventually(lambda: "anju/m-2/event" in heard)
    return topic not in heard


async def _gets_in(client: aiomqtt.Client) -> bool:
    return not await is_refused(client)


async def test_presses_get_through_to_ingest_over_tls(site: Site, database: Database, tmp_path: Path) -> None:
    await install(database, ["b-1", "b-2"])
    site.issue("b-1")
    site.issue("b-2", "--certificate", str(site.folder / "ca"))
    site.sync()
    url = f"mqtts://ingest:{site.passwords['ingest']}@127.0.0.1:{site.service_port}"
    with Stage("ingest", tmp_path, settings(site.database_url, url, mqtt_ca_file=site.ca_file)) as ingest:
        await listening(database, "ingest")
        await tries(site.client("b-1"), "anju/b-2/event", press(id="forged"))
        async with site.client("b-1") as one, site.certified("b-2") as other:
            await one.publish("anju/b-1/event", press(id="b-1-1"), qos=1)
            await other.publish("anju/b-2/event", press(id="b-2-1"), qos=1)

            async def both() -> bool:
                return await count(database, "SELECT count(*) FROM event WHERE source_id IN ('b-1-1', 'b-2-1')") == 2

            await eventually(both, 15)
        assert await count(database, "SELECT count(*) FROM event") == 2
        assert site.passwords["ingest"] not in ingest.log


async def test_what_is_on_record_and_in_files_is_no_secret(site: Site, database: Database) -> None:
    await add(database, "m-1")
    site.issue("m-1")
    site.sync()
    dump = json.dumps(await (await database.execute("SELECT to_jsonb(c) FROM broker_credential c")).fetchall())
    files = {path.name: path for path in (site.folder / "etc" / "anju").iterdir()}
    assert set(files) == {"acl", "passwords", "service-acl", "service-passwords"}
    for password in site.passwords.values():
        assert password not in dump
        assert all(password not in path.read_text(encoding="utf-8") for path in files.values())
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o640}
    assert (site.folder / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600
    listed = site.credentials("list", "--json").json()
    assert [(each["account"], each["kind"], each["by"], each["installed"]) for each in listed] == [
        ("m-1", "device", "password", False),
        ("ingest", "ingest", "password", None),
    ]
    assert all("$7$" not in json.dumps(each) for each in listed)


async def test_what_cannot_be_issued_is_said(site: Site, database: Database) -> None:
    await add(database, "m-1", "a:b")
    await add(database, "24e124535b316056", driver="chirpstack")
    site.issue("m-1")

    def refusal(*arguments: str) -> tuple[int, str]:
        ended = site.credentials(*arguments)
        return ended.code, ended.err

    for arguments, code, words in (
        (("issue", "m-1"), 5, "--replace"),
        (("issue", "m-9"), 5, "on record"),
        (("issue", "24e124535b316056"), 5, "--family chirpstack"),
        (("issue", "a:b"), 5, "certificate"),
        (("issue", "g", "--family", "lora"), 5, "no family"),
        (("issue", "g", "--family", "zigbee2mqtt", "--prefix", "anju"), 5, "ANJU_TOPIC_PREFIXES"),
        (("issue", "g", "--ingest", "--family", "zigbee2mqtt"), 2, "--ingest"),
        (("issue", "anju-bulk", "--ingest"), 5, "service"),
        (("issue", "m-1", "--replace", "--certificate", str(site.folder)), 3, "ca.crt"),
        (("revoke", "m-9"), 5, "no credential"),
    ):
        found, said = refusal(*arguments)
        assert (found, words in said) == (code, True), said
    assert refusal("revoke", "ingest")[0] == 0
    before = (site.folder / "etc" / "anju" / "acl").read_bytes()
    assert refusal("sync", "--out", str(site.folder / "etc" / "anju"))[0] == 5
    assert (site.folder / "etc" / "anju" / "acl").read_bytes() == before
