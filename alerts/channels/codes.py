"""What an answer by code means: Aliyun and Tencent answer HTTP 200 to refusals too, and say all by a code.

So an answer that cannot be read is no acceptance: it is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from alerts.channels.http import Answer
from alerts.channels.results import Accepted, Fault, GiveUp, Result, TryAgain


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What the codes of one provider mean; one that is not here is REFUSED, and tried again.

    Attributes:
        accepted: Says that it will be carried.
        never: Say that it never will be.
        not_now: Say that it may be later, by how they begin, the narrower before the wider.
        retry_after_s: How much later, where that is known of a code.
    """

    accepted: str
    never: Mapping[str, Fault]
    not_now: Sequence[tuple[str, Fault]]
    retry_after_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


def judged(codes: Codes, answer: Answer, *, code: object, given: object, provider: str) -> Result:
    """The result of an attempt.

    Args:
        codes: The provider's.
        answer: What it came in.
        code: What stands where the code should be.
        given: What stands where the provider's id of the message or call should be.
        provider: The provider's name in the settings.
    """
    if not isinstance(code, str):
        fault = Fault.NOT_UNDERSTOOD if answer.ok else answer.fault
        return TryAgain(fault=fault, retry_after_s=answer.retry_after_s, provider=provider)
    if code == codes.accepted and answer.ok:
        return Accepted(provider_id=given if isinstance(given, str) and given else None, provider=provider)
    if code in codes.never:
        return GiveUp(fault=codes.never[code], provider=provider)
    fault = next((fault for beginning, fault in codes.not_now if code.startswith(beginning)), Fault.REFUSED)
    return TryAgain(fault=fault, retry_after_s=codes.retry_after_s.get(code, answer.retry_after_s), provider=provider)
