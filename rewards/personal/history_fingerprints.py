"""Tells whether a month of history was given before, by anybody, from keyed digests that say nothing without the key.

Rules: pure; a digest stands for a few different addresses visited after each other, so that moving the times, dropping
items or giving only a part does not hide a copy; who comes first is paid, every later one is not, whoever they are;
what many people have in common (a start page, then a search) is told apart by how much is common, not by whether.

Does not: keep digests (the consent says that they stay 12 months), read text, or decide who the first one was.

Source: shingling and containment, Broder, "On the resemblance and containment of documents" (1997).

Usage::

    month = fingerprints(key, moments)
    if known_share(month, seen) <= HISTORY_KNOWN_SHARE_MAX: seen |= month  # and it may be paid
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final
from urllib.parse import urlsplit

from rewards.personal.history_doubts import Doubt, Moment, doubts_of
from windrow_protocol.limits import HISTORY_KNOWN_SHARE_MAX, HISTORY_SHINGLE_ITEMS
from windrow_protocol.personal.messages import month_of

_DIGEST_BYTES: Final = 8
_KEY_BYTES: Final = 32


def fingerprints(key: bytes, moments: Iterable[Moment]) -> frozenset[bytes]:
    """Return the keyed digests of a history: one for each few addresses in a row, reloads counted once.

    `key` is the operator's, 32 bytes; with another key the same history gives other digests. Raises ValueError.
    """
    if len(key) != _KEY_BYTES:
        raise ValueError(f"a key has {_KEY_BYTES} bytes")
    ordered = sorted(moments, key=lambda moment: (moment.at_ms, moment.url))
    places = [place for place, _ in groupby(_place(moment.url) for moment in ordered)]
    windows = zip(*(places[i:] for i in range(HISTORY_SHINGLE_ITEMS)), strict=False)
    return frozenset(
        hashlib.blake2b("\0".join(sorted(window)).encode(), digest_size=_DIGEST_BYTES, key=key).digest()
        for window in windows
        if len(set(window)) == HISTORY_SHINGLE_ITEMS
    )


def known_share(month: Collection[bytes], seen: Collection[bytes]) -> float:
    """Return which share of a month's digests was seen before, 1.0 for a month that has none at all."""
    return sum(digest in seen for digest in month) / len(month) if month else 1.0


def by_month(moments: Iterable[Moment]) -> dict[str, list[Moment]]:
    """Return the items of each month as `2026-11` (UTC), in order."""
    ordered = sorted(moments, key=lambda moment: moment.at_ms)
    return {
        month: list(group) for month, group in groupby(ordered, key=lambda moment: month_of(moment.at_ms))
    }


def genuine_months(
    moments: Iterable[Moment], *, key: bytes, seen: set[bytes], now_ms: int
) -> Mapping[str, Sequence[Doubt]]:
    """Return each month of a gift with what speaks against paying it, and add what is paid to `seen`.

    An empty list means that the month counts as one person-month. A month that was given before has the doubt
    `given_before`.
    """
    judged: dict[str, Sequence[Doubt]] = {}
    for month, items in by_month(moments).items():
        doubts = doubts_of(items, now_ms=now_ms)
        digests = fingerprints(key, items)
        share = known_share(digests, seen)
        if share > HISTORY_KNOWN_SHARE_MAX:
            doubts.append(Doubt("given_before", round(share, 4), HISTORY_KNOWN_SHARE_MAX))
        if not doubts:
            seen |= digests
        judged[month] = doubts
    return judged


def _place(url: str) -> str:
    """Return an address without what sessions and redaction change: host and path, in lower case."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return f"{(parts.hostname or '').removeprefix('www.')}{parts.path.rstrip('/').lower()}"
