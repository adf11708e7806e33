"""Whether a page may be in a training set, and why not: from what the node recorded when it fetched it.

Rules: deny by default. Training is allowed only when robots.txt was asked and did not forbid the page, and no opt-out
signal denies it; `windrow_protocol.optout` decides what a signal means. A licence found in the text changes nothing
here: recipes choose licences, nobody overrides an opt-out.

Does not: fetch, read pages for signals (the node did), or judge copyright.

Usage::

    judge_rights("allowed", ["meta:robots noai="])  # Rights(training_allowed=False, reason="optout:noai")
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from windrow_protocol.optout import denying_signals, signal_from_text

# What a node says of robots.txt: asked and not forbidden, or that there is none (RFC 9309, section 2.3.1.3).
PERMITTING_ROBOTS_STATES: Final = frozenset({"allowed", "no_robots"})
ROBOTS_STATES: Final = PERMITTING_ROBOTS_STATES | {"denied", "unreachable", "unasked"}


class Rights(NamedTuple):
    """`reason` is `allowed`, `robots:<state>` or `optout:<kind of signal>`, the first that denies."""

    training_allowed: bool
    reason: str


def judge_rights(robots_state: str, optout_signals: Iterable[str]) -> Rights:
    """Return the verdict for one page. A robots state outside the vocabulary is `robots:unknown`, and denies."""
    denying = denying_signals(map(signal_from_text, optout_signals))
    if denying:
        return Rights(False, f"optout:{denying[0].kind}")
    if robots_state not in PERMITTING_ROBOTS_STATES:
        return Rights(False, f"robots:{robots_state if robots_state in ROBOTS_STATES else 'unknown'}")
    return Rights(True, "allowed")
