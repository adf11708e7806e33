"""How many leases lead to domains that no list knows: no more than their share of what is paid has room for.

    share of leases = S / (1 − S) · (bytes paid of a known page) / (bytes asked of an unknown one)
    S = unranked_novelty_ppm

Rules: what a page asks is measured over the epochs that are priced; of the last few the one whose unknown pages were
longest counts, so that a flood that pauses for a day is not forgotten. Before anything is priced, unknown pages count
as `LONGER_AT_FIRST` times as long as known ones. A page beyond the share waits: whoever was sent there would be paid
the fee alone for it. Where nothing else is to be had it is leased all the same.

Does not: withhold pay (`rewards/novelty_rooms` does), count (`lottery`), or choose pages (`placement`).

Usage: `room = unranked_room_left(house, connection, now_ms)`; `pages = unknown_last(house, candidates, room)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.lottery import given_on
from aggregator.assignment.placement import Page
from storage.house import House
from storage.tables.pay import novelty_rooms
from windrow_protocol.novelty_scopes import ALL, UNRANKED, is_known
from windrow_protocol.trust_rules import PPM, TrustRules

LONGER_AT_FIRST: Final = 8
EPOCHS_REMEMBERED: Final = 7
PAGES_TO_MEASURE: Final = 20  # of an epoch with fewer nothing is known
_MARGIN: Final = 0.9  # pages are not all of the mean length


@dataclass(frozen=True, slots=True)
class RoomUse:
    """What pages of one priced epoch were paid and asked, in bytes of new text, and how many there were."""

    known_paid_bytes: float
    known_pages: int
    unknown_asked_bytes: float
    unknown_pages: int


def unranked_share(rules: TrustRules, epochs: Sequence[RoomUse]) -> float:
    """Return how many leases to unknown domains there are to be for each to a known one. The latest epoch is last."""
    share = rules.unranked_novelty_ppm / max(1, PPM - rules.unranked_novelty_ppm)
    measured = [each for each in epochs[-EPOCHS_REMEMBERED:] if each.known_pages >= PAGES_TO_MEASURE]
    lengths = [
        each.unknown_asked_bytes / each.unknown_pages
        for each in measured
        if each.unknown_pages >= PAGES_TO_MEASURE
    ]
    if not lengths:
        return share / LONGER_AT_FIRST
    known = measured[-1].known_paid_bytes / measured[-1].known_pages
    longest = max(lengths)
    return min(_MARGIN * share * known / longest, PPM) if longest else PPM


def unranked_leases_left(rules: TrustRules, share: float, known: int, unknown: int) -> int:
    """Return how many leases to unknown domains a day still has room for, of `known` and `unknown` ones given."""
    return max(0, max(rules.unranked_leases_per_day, int(known * share)) - unknown)


def is_unranked(house: House, url: str) -> bool:
    """Say whether a page is of a domain that the house's list lacks; of none where it has no list."""
    return house.ranked is not None and not is_known(house.ranked, url)


def unranked_room_left(house: House, connection: sa.Connection, now_ms: int) -> int | None:
    """Return how many more leases may lead to unknown domains today; None where they are not counted."""
    rules = house.rules
    if house.ranked is None or not rules.on("domain_caps") or rules.unranked_novelty_ppm >= PPM:
        return None
    given, unknown = given_on(connection, now_ms)
    share = unranked_share(rules, _epochs(connection))
    return unranked_leases_left(rules, share, given - unknown, unknown)


def unknown_last(house: House, pages: Iterable[Page], room: int | None) -> Iterator[Page]:
    """Yield pages in their order, those of unknown domains that have no room after all others."""
    late: list[Page] = []
    for page in pages:
        if room is not None and is_unranked(house, page.url):
            if room <= 0:
                late.append(page)
                continue
            room -= 1
        yield page
    yield from late


def _epochs(connection: sa.Connection) -> list[RoomUse]:
    """Return what was counted of the last priced epochs, the latest last."""
    last = connection.execute(sa.select(sa.func.max(novelty_rooms.c.epoch_id))).scalar() or 0
    epochs = range(last - EPOCHS_REMEMBERED + 1, last + 1)
    rows = sa.select(novelty_rooms).where(
        novelty_rooms.c.epoch_id.in_(epochs), novelty_rooms.c.scope.in_((ALL, UNRANKED))
    )
    found = {(row.epoch_id, row.scope): row for row in connection.execute(rows)}
    return [
        _use(found[epoch, ALL], found.get((epoch, UNRANKED))) for epoch in epochs if (epoch, ALL) in found
    ]


def _use(everything: Any, unknown: Any) -> RoomUse:
    if unknown is None:
        return RoomUse(everything.bytes_paid, everything.pages, 0, 0)
    return RoomUse(
        everything.bytes_paid - unknown.bytes_paid,
        everything.pages - unknown.pages,
        unknown.bytes_asked,
        unknown.pages,
    )
