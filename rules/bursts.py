"""What a burst of raw acceleration says, in words. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from alerts.findings import Reason
from rules.motion.errors import BadBurst
from rules.motion.verdict import LYING_DEG, MotionVerdict, judge_burst
from rules.woken import Motion

_STILL: Final = 0.8
"""Who lies still does so for this share of the seconds after the blow at least."""


def motion_of(detail: Mapping[str, Any]) -> Motion | None:
    """The verdict on a burst as stored; None: it cannot be judged."""
    try:
        verdict = judge_burst(detail["g"], detail["hz"])
    except (BadBurst, KeyError, TypeError, ValueError):
        return None
    return Motion(is_fall=verdict.is_fall, said=_said(verdict))


def _said(verdict: MotionVerdict) -> Reason:
    # Rounded down: what is not certain is not said to be.
    confidence_pct = int(verdict.confidence * 100)
    seen = verdict.seen
    if seen is None:
        return Reason(id="motion_unknown", values={})
    values = {"impact_g": round(seen.impact_g, 1), "confidence_pct": confidence_pct}
    if not verdict.is_fall:
        return Reason(id="motion_no_fall", values=values)
    if seen.stillness is None:
        return Reason(id="motion_impact", values=values)
    lies = seen.posture_change_deg is not None and seen.posture_change_deg >= LYING_DEG
    manner = "still" if seen.stillness >= _STILL else "moving"
    return Reason(id=f"motion_lying_{manner}" if lies else f"motion_{manner}", values=values)
