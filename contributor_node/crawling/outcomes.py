"""From what happened to the protocol's closed vocabulary of outcomes, and when a host wants to be asked again.

Rules: our own faults have no outcome here (a lease whose failure is ours is left unanswered, never blamed on
the site).

Does not: look at text or at opt-out signals.

Usage::

    outcome_of_status(404)                  # Outcome.NOT_FOUND
    outcome_of_refusal("unsafe_address")    # Outcome.UNSAFE_ADDRESS
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from windrow_protocol.limits import RETRY_AFTER_S_MAX
from windrow_protocol.messages import Outcome

_STATUS: dict[int, Outcome] = {
    304: Outcome.UNCHANGED,
    404: Outcome.NOT_FOUND,
    410: Outcome.NOT_FOUND,
    408: Outcome.TIMEOUT,
    413: Outcome.TOO_LARGE,
    504: Outcome.TIMEOUT,
}

_REFUSAL: dict[str, Outcome] = {
    "unsafe_address": Outcome.UNSAFE_ADDRESS,
    "lease_expired": Outcome.EXPIRED,
    "budget_exhausted": Outcome.BUDGET_EXHAUSTED,
    "owner_denied": Outcome.BUDGET_EXHAUSTED,  # the owner's word too, and nothing about the host
    "too_large": Outcome.TOO_LARGE,
    "decompression_bomb": Outcome.TOO_LARGE,
    "fetch_timeout": Outcome.TIMEOUT,
    "host_unreachable": Outcome.SERVER_ERROR,
    "bad_answer": Outcome.SERVER_ERROR,
    "bad_url": Outcome.SERVER_ERROR,
}


def outcome_of_status(status: int) -> Outcome:
    """Return the outcome that an HTTP status alone gives; redirects that could not be followed are server errors."""
    if status in _STATUS:
        return _STATUS[status]
    if 200 <= status < 300:
        return Outcome.FETCHED
    return Outcome.BLOCKED if 400 <= status < 500 else Outcome.SERVER_ERROR


def outcome_of_refusal(code: str) -> Outcome | None:
    """Return the outcome for a refusal of the egress proxy, or None when the fault is ours."""
    return _REFUSAL.get(code)


def retry_after_ms(status: int, header: str, now_ms: int) -> int:
    """Return how long a 429 or 503 asks to be left alone, in ms; 0 where nothing that can be read is said.

    Source: RFC 9110, 10.2.3 (seconds, or a date).
    """
    header = header.strip()
    if status not in (429, 503) or not header:
        return 0
    if header.isascii() and header.isdecimal():
        wait_ms = int(header[:12]) * 1000
    else:
        try:
            moment = parsedate_to_datetime(header[:64])
            aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            wait_ms = round(aware.timestamp() * 1000) - now_ms
        except (ValueError, OverflowError):
            return 0
    return min(max(wait_ms, 0), RETRY_AFTER_S_MAX * 1000)
