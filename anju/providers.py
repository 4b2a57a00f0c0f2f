"""The tables of the settings file as providers: SMS and calls, with the caps that hold for each."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from pydantic import SecretStr

from alerts import links
from alerts.caps import KNOWN, Cap, Caps
from alerts.channels import voice as calls
from alerts.channels.aliyun import AliyunKeys, AliyunOptions, AliyunSms
from alerts.channels.generic_http import GenericHttp, GenericHttpOptions
from alerts.channels.kannel import Kannel, KannelOptions
from alerts.channels.results import Fault
from alerts.channels.sms_provider import SmsProvider
from alerts.channels.tencent import TencentKeys, TencentOptions, TencentSms
from alerts.channels.twilio import TwilioAccount, TwilioOptions, TwilioSms
from alerts.channels.voice_aliyun import AliyunVoice, AliyunVoiceOptions
from alerts.channels.voice_provider import VoiceProvider
from alerts.channels.voice_twilio import TwilioVoice, TwilioVoiceOptions
from config import channels as tables
from config.settings import Settings

Cloud = TypeVar("Cloud", AliyunOptions, AliyunVoiceOptions, TencentOptions)


def sms_provider(table: tables.SmsTable, settings: Settings) -> SmsProvider:
    """The provider that a table describes, not yet entered.

    Raises:
        BadProvider: It cannot be used as it is set.
    """
    public_url = _plain(settings.public_url)
    match table:
        case tables.TwilioSms():
            return TwilioSms(
                TwilioOptions(
                    account=_account(table),
                    from_=table.from_,
                    name=table.name,
                    public_url=public_url,
                    timeout_s=table.timeout_s,
                )
            )
        case tables.AliyunSms():
            sms = AliyunOptions(
                keys=_aliyun(table),
                sign_name=table.sign_name,
                templates=table.templates,
                links=table.links,
                name=table.name,
                timeout_s=table.timeout_s,
            )
            return AliyunSms(_asked_at(table.endpoint, sms))
        case tables.TencentSms():
            tencent = TencentOptions(
                keys=TencentKeys(secret_id=table.secret_id, secret_key=table.secret_key.get_secret_value()),
                sdk_app_id=table.sdk_app_id,
                sign_name=table.sign_name,
                templates=table.templates,
                links=table.links,
                name=table.name,
                region=table.region,
                timeout_s=table.timeout_s,
            )
            return TencentSms(_asked_at(table.endpoint, tencent))
        case tables.KannelSms():
            return Kannel(
                KannelOptions(
                    url=table.url.get_secret_value(),
                    username=table.username,
                    password=table.password.get_secret_value(),
                    name=table.name,
                    sender=table.from_,
                    smsc=table.smsc,
                    account=table.account,
                    receipt_url=_receipt_url(settings, "kannel", table.name),
                    timeout_s=table.timeout_s,
                )
            )
        case tables.GenericSms():
            return GenericHttp(
                GenericHttpOptions(
                    name=table.name,
                    url=table.url.get_secret_value(),
                    method=table.method,
                    headers={name: value.get_secret_value() for name, value in table.headers.items()},
                    query={name: value.get_secret_value() for name, value in table.query.items()},
                    form=None
                    if table.form is None
                    else {name: value.get_secret_value() for name, value in table.form.items()},
                    json_body=table.json_body,
                    accepted_statuses=frozenset(table.accepted_statuses),
                    result_path=table.result_path,
                    accepted_results=frozenset(table.accepted_results),
                    faults={result: Fault(fault) for result, fault in table.faults.items()},
                    id_path=table.id_path,
                    timeout_s=table.timeout_s,
                )
            )


def voice_provider(table: tables.VoiceTable, settings: Settings) -> VoiceProvider:
    """The provider of calls that a table describes, not yet entered.

    Raises:
        BadProvider: It cannot be used as it is set.
    """
    match table:
        case tables.TwilioVoice():
            return TwilioVoice(
                TwilioVoiceOptions(
                    account=_account(table),
                    from_=table.from_,
                    name=table.name,
                    public_url=_plain(settings.public_url),
                    ring_s=table.ring_s,
                    timeout_s=table.timeout_s,
                )
            )
        case tables.AliyunVoice():
            options = AliyunVoiceOptions(
                keys=_aliyun(table),
                templates=table.templates,
                show_number=table.show_number,
                thanks_template=table.thanks_template,
                name=table.name,
                timeout_s=table.timeout_s,
            )
            return AliyunVoice(_asked_at(table.endpoint, options))


def _asked_at(endpoint: SecretStr | None, options: Cloud) -> Cloud:
    """The options with the address that the settings name, if they name one."""
    return options if endpoint is None else replace(options, endpoint=endpoint.get_secret_value())


def _account(table: tables.TwilioSms | tables.TwilioVoice) -> TwilioAccount:
    account = TwilioAccount(
        account_sid=table.account_sid,
        auth_token=table.auth_token.get_secret_value(),
        api_key=table.api_key,
        api_secret=_plain(table.api_secret),
    )
    return account if table.api_url is None else replace(account, api_url=table.api_url.get_secret_value())


def _aliyun(table: tables.AliyunSms | tables.AliyunVoice) -> AliyunKeys:
    return AliyunKeys(access_key_id=table.access_key_id, access_key_secret=table.access_key_secret.get_secret_value())


def caps_of(table: tables.SmsTable | tables.VoiceTable) -> Caps:
    """What the table says, else what is known of this kind of provider."""
    known: Mapping[str, Caps] = calls.KNOWN if isinstance(table, tables.TwilioVoice | tables.AliyunVoice) else KNOWN
    if table.caps is None:
        limits = known[table.provider].limits if table.provider in known else ()
    else:
        limits = tuple(Cap(most=cap.most, window=timedelta(seconds=cap.window_s)) for cap in table.caps)
    return Caps(limits=limits, kept_back_share=table.kept_back_share)


def _receipt_url(settings: Settings, kind: str, name: str) -> str | None:
    if settings.public_url is None or settings.link_secret is None:
        return None
    key = links.callback_key(settings.link_secret.get_secret_value(), kind)
    base = settings.public_url.get_secret_value().rstrip("/")
    return f"{base}/{kind}/receipt?provider={name}&key={key}"


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
