"""Signatures against the examples that the providers themselves publish, so that no author tests himself."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.channels import aliyun, tencent, twilio

# Twilio: twilio-python, tests/unit/test_request_validator.py, and the first of them also in its security guide.
TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = {
    "CallSid": "CA1234567890ABCDE",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
    "Caller": "+14158675309",
}
SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
BODY = b'{"property": "value", "boolean": true}'
BODY_URL = f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
BODY_SIGNED = "a9nBmqA0ju/hNViExpshrM61xv4="


@pytest.mark.parametrize(
    ("url", "signature"),
    [
        (URL, SIGNED),
        (URL.replace(".com", ".com:1234"), SIGNED),
        (URL.replace("https", "http").replace(".com", ".com:1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (URL.replace("https", "http"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ],
)
def test_twilio_form(url: str, signature: str) -> None:
    assert twilio.verify_signature(TOKEN, url, PARAMS, signature)


def test_twilio_fields_that_come_twice() -> None:
    pairs = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")]
    assert twilio.verify_signature(TOKEN, URL, pairs, "IK+Dwps556ElfBT0I3Rgjkr1wJU=")


def test_twilio_body_of_json() -> None:
    assert twilio.verify_signature(TOKEN, BODY_URL, {}, BODY_SIGNED, body=BODY)
    assert not twilio.verify_signature(TOKEN, BODY_URL, {}, BODY_SIGNED, body=BODY + b" ")
    assert not twilio.verify_signature(TOKEN, URL, {}, SIGNED, body=BODY)


def test_twilio_forged() -> None:
    assert not twilio.verify_signature("54321", URL, PARAMS, SIGNED)
    assert not twilio.verify_signature(TOKEN, URL.replace("bar=2", "bar=3"), PARAMS, SIGNED)
    assert not twilio.verify_signature(TOKEN, URL, {**PARAMS, "Digits": "1"}, SIGNED)
    assert not twilio.verify_signature(TOKEN, URL, {**PARAMS, "More": "1"}, SIGNED)
    assert not twilio.verify_signature(TOKEN, URL, PARAMS, "")


@given(st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_twilio_any_signature_is_told(signature: str, params: dict[str, str]) -> None:
    assert not twilio.verify_signature(TOKEN, URL, params, signature)


def test_aliyun_v3() -> None:
    # Alibaba Cloud, "V3 request structure and signature", the example with fixed parameters (RunInstances).
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": empty,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = aliyun.canonical_query(
        {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}
    )
    keys = aliyun.AliyunKeys(access_key_id="YourAccessKeyId", access_key_secret="YourAccessKeySecret")
    assert aliyun.authorization(keys, "POST", "/", query, headers) == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;"
        "x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def test_aliyun_escapes_as_rfc_3986_has_it() -> None:
    assert aliyun.canonical_query({"b": "a b*c~d/e+f", "a": "安"}) == "a=%E5%AE%89&b=a%20b%2Ac~d%2Fe%2Bf"


def test_tencent_v3() -> None:
    # Tencent Cloud, "Signature v3", the worked example (CVM DescribeInstances).
    keys = tencent.TencentKeys(
        secret_id="AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", secret_key="Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
    )
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    now = datetime.fromtimestamp(1551113065, UTC)
    assert tencent.authorization(keys, "cvm", "cvm.tencentcloudapi.com", body, now) == (
        "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, "
        "SignedHeaders=content-type;host, "
        "Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    )


def test_secrets_do_not_show() -> None:
    account = twilio.TwilioAccount(account_sid="AC1", auth_token="hush", api_key="SK1", api_secret="hush")
    shown = [
        repr(twilio.TwilioSms(twilio.TwilioOptions(account=account, from_="+1"))),
        repr(twilio.TwilioOptions(account=account, from_="+1")),
        repr(aliyun.AliyunKeys(access_key_id="i", access_key_secret="hush")),
        repr(tencent.TencentKeys(secret_id="i", secret_key="hush")),
    ]
    assert not [text for text in shown if "hush" in text]
