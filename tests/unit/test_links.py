"""Signed links: what was signed is read back, nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alerts import links
from alerts.links import BadLink

SECRET = "an example of a secret that is long enough"
NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
TOKEN = links.make(SECRET, 1017, 12, NOW + links.LIFETIME)


@given(
    alert_id=st.integers(0, 2**62),
    person_id=st.integers(0, 2**31 - 1),
    lives_s=st.integers(1, 10_000_000),
)
def test_what_was_signed_is_read_until_the_full_hour_after(alert_id: int, person_id: int, lives_s: int) -> None:
    ends = NOW + timedelta(seconds=lives_s)
    token = links.make(SECRET, alert_id, person_id, ends)
    link = links.read(SECRET, token, NOW)
    assert (link.alert_id, link.person_id) == (alert_id, person_id)
    assert ends <= link.expires_at < ends + timedelta(hours=1)
    assert links.read(SECRET, token, link.expires_at - timedelta(microseconds=1)) == link
    with pytest.raises(BadLink):
        links.read(SECRET, token, link.expires_at)


@given(st.text())
def test_no_text_is_a_link_and_none_does_harm(text: str) -> None:
    assume(text != TOKEN)
    with pytest.raises(BadLink):
        links.read(SECRET, text, NOW)


@given(place=st.integers(0, len(TOKEN) - 1), character=st.characters(codec="utf-8"))
def test_a_single_other_character_is_a_forgery(place: int, character: str) -> None:
    assume(TOKEN[place] != character)
    with pytest.raises(BadLink):
        links.read(SECRET, TOKEN[:place] + character + TOKEN[place + 1 :], NOW)


def test_another_secret_does_not_read_it() -> None:
    with pytest.raises(BadLink):
        links.read(SECRET + "!", TOKEN, NOW)


def test_a_link_fits_into_an_sms() -> None:
    assert len(links.address("https://anju.example.org/", TOKEN)) <= 55
    assert "//a/" not in links.address("https://anju.example.org/", TOKEN)


def test_each_provider_has_a_key_of_its_own() -> None:
    keys = {links.callback_key(SECRET, provider) for provider in ("kannel", "aliyun", "tencent")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)
    assert links.callback_key(SECRET + "!", "kannel") not in keys
