"""Where a broker is and how to behave there: what is refused, and that no password shows."""

import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import ConfigurationFault, EndpointInvalid
from ingest.mqtt.options import ConnectionOptions, Endpoint, Subscription, backoff_s


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("mqtt://broker", Endpoint(host="broker", port=1883)),
        ("mqtts://broker.example", Endpoint(host="broker.example", port=8883, tls=True)),
        ("mqtt://127.0.0.1:1884/", Endpoint(host="127.0.0.1", port=1884)),
        ("mqtt://[::1]:1884", Endpoint(host="::1", port=1884)),
        ("mqtt://anju@h", Endpoint(host="h", port=1883, username="anju")),
        ("mqtt://an%40ju:p%2Fw%3A%25@h", Endpoint(host="h", port=1883, username="an@ju", password="p/w:%")),
    ],
)
def test_a_url_is_understood(url: str, endpoint: Endpoint) -> None:
    assert Endpoint.parse(url) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://:1883",
        "mqtt://h:99999",
        "mqtt://h:0",
        "mqtt://h:port",
        "mqtt://h/topic",
        "mqtt://h?x=1",
        "mqtt://:secret@h",
        "mqtt://u:secret/x@h",
        "mqtt://[::1",
        "mqtt://a..b",
        "mqtt://u%00:secret@h",
    ],
)
def test_a_faulty_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(EndpointInvalid) as caught:
        Endpoint.parse(url)
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_endpoint_or_a_typed_error(url: str) -> None:
    try:
        endpoint = Endpoint.parse("mqtt://" + url)
    except EndpointInvalid:
        return
    assert endpoint.host


def test_no_password_in_what_a_log_may_show() -> None:
    endpoint = Endpoint.parse("mqtts://anju:geheim@broker:8884")
    assert "geheim" not in repr(endpoint) + str(endpoint)
    assert str(endpoint) == "broker:8884"
    assert str(Endpoint.parse("mqtt://[::1]")) == "[::1]:1883"


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": ""},
        {"keep_alive_s": 0},
        {"keep_alive_s": 65_536},
        {"receive_maximum": 0},
        {"receive_maximum": 65_536},
        {"session_expiry_s": -1},
        {"max_outstanding_messages": 0},
        {"backoff_min_s": 20.0},
        {"rest_s": -0.1},
    ],
)
def test_an_impossible_option_is_refused_by_name(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ConfigurationFault, match=name):
        ConnectionOptions(**{"client_id": "c"} | wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "qos"), [("", 1), ("a\0b", 1), ("a/#/b", 1), ("a/b+", 1), ("a/#", 2), ("x" * 65_535, 0), ("\ud800", 1)]
)
def test_an_impossible_subscription_is_refused(name: str, qos: int) -> None:
    with pytest.raises(ConfigurationFault):
        Subscription(name, qos)


def test_a_missing_ca_file_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFault, match="absent"):
        ConnectionOptions(client_id="c", ca_file=tmp_path / "absent.pem").tls()
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigurationFault, match="empty"):
        ConnectionOptions(client_id="c", ca_file=tmp_path / "empty.pem").tls()


def test_tls_checks_certificate_and_name_by_default() -> None:
    context = ConnectionOptions(client_id="c").tls()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_back_off_grows_to_its_limit_and_jitters_over_all_of_it(failures: int, chance: float) -> None:
    options = ConnectionOptions(client_id="c", backoff_min_s=0.5, backoff_max_s=8.0)
    assert backoff_s(failures, 0.0, options) == 0
    ceiling = min(8.0, 0.5 * 2 ** min(failures - 1, 10))
    assert backoff_s(failures, chance, options) == pytest.approx(ceiling * chance)
