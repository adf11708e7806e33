"""Leases: signed leave for one node to make one request, and what becomes of it.

Rules: how a lease ends says `closing`. A node never chooses its URLs (`placement`), holds no more leases than its
pace so far allows (`allowance`), and with its undecided answers at most `LEASES_OUTSTANDING_MAX`; young identities
and nodes without standing (`earned_standing`) share a part of the day's leases (`lottery`), and a node whose mismatches
cannot be chance gets a few a day. Each lease has a slot of its host (`pacing`): work at most a third of its life away,
truths half, so that verification is never crowded out. A validator's lease looks exactly like work: only the
coordinator's tables know which contribution it is about.

Does not: register or admit nodes (`roster`), accept answers (see `ingest`), or fetch.

Usage: `tokens, lacks = issue_leases(house, connection, node_row, LeaseRequest(count=20))`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from aggregator.assignment import frontier
from aggregator.assignment.allowance import Answered, lapses_held_against, lease_allowance
from aggregator.assignment.closing import EXCUSED
from aggregator.assignment.earned_standing import lacking
from aggregator.assignment.lottery import note_given, young_left
from aggregator.assignment.offers import HEARD, any_unheard, come_again, lapsed_unheard, signed_lease
from aggregator.assignment.pacing import PaceRules, Slots, pace_key
from aggregator.assignment.placement import candidates
from aggregator.assignment.unranked import is_unranked, unknown_last, unranked_room_left
from aggregator.roster import is_young, note_browser
from aggregator.verification.audits import truth_requests, turned_pages, without_browser
from aggregator.verification.audits.canaries import canary_rate_ppm, canary_url, falls_by_lot
from aggregator.verification.audits.truth_requests import WantedTruth
from aggregator.verification.standings.standing import is_suspected
from aggregator.verification.standings.standing_rows import standing_of
from storage.house import House
from storage.prepared import Prepared
from storage.tables.contributions import frontier as urls
from storage.tables.contributions import leases
from storage.tables.trust import audits
from windrow_protocol.limits import (
    LEASE_LIFE_MS,
    LEASE_MEMORY_MS,
    LEASES_OUTSTANDING_MAX,
    PACE_MEMORY_MS,
)
from windrow_protocol.messages import LeaseRequest, Outcome
from windrow_protocol.urls import url_sha256

# A slot lies at most this part of a lease's life away.
WORK_HORIZON_PART = 3
TRUTH_HORIZON_PART = 2
# Made once: building a statement costs more than SQLite takes to run it.
_PAGE_OPEN = Prepared(sa.select(sa.exists().where(urls.c.state == "open")))
_TRUTH_WANTED = Prepared(sa.select(truth_requests.any_wanted()))
_UNHEARD = Prepared(sa.select(any_unheard(sa.bindparam("of_node", type_=sa.Text))))


@dataclass(frozen=True, slots=True)
class Choice:
    """A page that a node is given; for a validator with the truth that it is asked for. `led`: to see if it fetches."""

    url_id: str
    url: str
    render: str
    truth: WantedTruth | None = None
    led: Literal["", "canary", "turned"] = ""

    @property
    def kind(self) -> str:
        """What its lease is, as the coordinator alone knows it."""
        return self.led or ("work" if self.truth is None else "audit")


class Issued(NamedTuple):
    """Signed leases (JWS), the offer they are named by, and why the node has no standing.

    `lacks` is empty when it has its standing, None when nobody looked.
    """

    tokens: list[str]
    lacks: tuple[str, ...] | None = None
    offer: str = HEARD


class _New(NamedTuple):
    """What new leases are made for and by: the node (its row), the offer, and the pace of hosts."""

    member: Any
    offer: str
    life_ms: int
    slots: Slots


def issue_leases(
    house: House,
    connection: sa.Connection,
    member: Any,
    request: LeaseRequest,
    life_ms: int = LEASE_LIFE_MS,
    pace: PaceRules = PaceRules(),  # noqa: B008 (frozen)
) -> Issued:
    """Return signed leases (purpose `lease`) for a node (a row of `nodes`): truths for a validator, else work.

    Those that it has not heard of come first, again.
    """
    now, is_validator = house.now_ms(), member.role == "validator"
    note_browser(connection, member, request)
    offer, again = _again(house, connection, member, request)
    if not _is_anything_wanted(connection, is_validator):  # most of what idle nodes ask
        return Issued(again, offer=offer if again else HEARD)
    answered = Answered() if is_validator else _answered(connection, member.node_id, now)
    lacks = () if is_validator else lacking(house, connection, member, answered)
    count = min(request.count - len(again), _room(house, connection, member, answered))
    young = not is_validator and (bool(lacks) or is_young(house, connection, member.node_id))
    if young and house.rules.on("sybil_limits") and count > 0:
        count = min(count, young_left(house, connection, member.prefix, now))
    if count <= 0:
        return Issued(again, lacks, offer if again else HEARD)
    new = _New(member, offer, life_ms, Slots(connection, pace, now))
    chosen = _choices(house, connection, member, list(request.render), count)
    tokens, unranked = [], 0
    for choice, slot_ms in islice(_given(house, connection, new, chosen), count):
        unranked += choice.kind == "work" and is_unranked(house, choice.url)
        tokens.append(_issue(house, connection, new, choice, slot_ms))
    new.slots.keep()
    if not is_validator:
        note_given(connection, now, member.prefix, len(tokens), young=young, unranked=unranked)
    return Issued([*again, *tokens], lacks, offer if again or tokens else HEARD)


def _again(
    house: House, connection: sa.Connection, member: Any, request: LeaseRequest
) -> tuple[str, list[str]]:
    """Return the name of a new offer, and what comes again in it; no name for a node that never says what it heard."""
    if request.heard is None:
        return HEARD, []
    offer = house.new_id("o")
    if not _UNHEARD.value(connection, of_node=member.node_id):
        return offer, []
    return offer, come_again(house, connection, member.node_id, offer, request.render, request.count)


def _given(
    house: House, connection: sa.Connection, new: _New, chosen: Iterable[Choice]
) -> Iterator[tuple[Choice, int]]:
    """Yield pages with their slots; by lot a control page or one that turned stands in the place of a page."""
    is_validator = new.member.role == "validator"
    control_ppm = 0 if is_validator else canary_rate_ppm(house, connection, new.member.node_id)
    may_turn = not is_validator and turned_pages.any_open(house, connection)
    turned_ppm = house.rules.turned_ppm if may_turn else 0
    for each in _with_slots(new.slots, chosen, new.life_ms):
        if falls_by_lot(house, control_ppm):
            yield _led(house, connection, new, each, "canary")
        elif falls_by_lot(house, turned_ppm):
            yield _led(house, connection, new, each, "turned")
        else:
            yield each


def any_open() -> sa.ColumnElement[bool]:
    """Say in SQL whether any page at all is open."""
    return sa.exists().where(urls.c.state == "open")


def _is_anything_wanted(connection: sa.Connection, is_validator: bool) -> bool:
    return bool((_TRUTH_WANTED if is_validator else _PAGE_OPEN).value(connection))


def _choices(
    house: House, connection: sa.Connection, member: Any, renders: list[str], count: int
) -> Iterable[Choice]:
    if member.role == "validator":
        truths = truth_requests.wanted(house, connection, member, renders, count)
        return [Choice(truth.url_id, truth.url, truth.render, truth) for truth in truths]
    if "browser" in renders and without_browser.is_waiting(connection):
        renders = [render for render in renders if render != "browser"]
    now = house.now_ms()
    pages = candidates(house, connection, member, renders, now)
    room = unranked_room_left(house, connection, now)
    return (Choice(*page) for page in unknown_last(house, pages, room))


def _led(
    house: House,
    connection: sa.Connection,
    new: _New,
    instead_of: tuple[Choice, int],
    kind: Literal["canary", "turned"],
) -> tuple[Choice, int]:
    """Return a control page or a turned one in the place of a page and of its slot; that page when there is none."""
    render = instead_of[0].render
    if kind == "canary":
        url = canary_url(house, connection, new.member)
    else:
        url = turned_pages.turned_url(house, connection, new.member, render)
    slot_ms = None if url is None else new.slots.take(url, new.life_ms // WORK_HORIZON_PART)
    if url is None or slot_ms is None:
        return instead_of
    return Choice(url_sha256(url), url, render, led=kind), slot_ms


def _with_slots(slots: Slots, choices: Iterable[Choice], life_ms: int) -> Iterator[tuple[Choice, int]]:
    """Yield those pages whose host has a slot soon enough, each with its slot; the slot is taken then."""
    waiting: set[str] = set()
    for choice in choices:
        host = pace_key(choice.url)
        if host in waiting:
            continue
        horizon_ms = life_ms // (WORK_HORIZON_PART if choice.truth is None else TRUTH_HORIZON_PART)
        slot_ms = slots.take(choice.url, horizon_ms)
        if slot_ms is None:
            waiting.add(host)
        else:
            yield choice, slot_ms


def _room(house: House, connection: sa.Connection, member: Any, answered: Answered) -> int:
    """Return how many more leases a node may hold."""
    of_node = leases.c.node_id == member.node_id
    held = _count(connection, of_node, leases.c.state == "leased")
    undecided = _count(
        connection,
        audits.c.node_id == member.node_id,
        audits.c.state.in_(("drawing", "wanted", "ready")),
        table=audits,
    )
    room = LEASES_OUTSTANDING_MAX - held - undecided
    if member.role == "validator":
        return room
    if is_suspected(house.rules, standing_of(connection, member.node_id)):
        of_day = leases.c.issued_at_ms > house.now_ms() - LEASE_MEMORY_MS
        given = _count(connection, leases.c.node_id == member.node_id, of_day)
        room = min(room, house.rules.suspected_leases_per_day - given)
    if not house.rules.on("lease_limits"):
        return room
    return min(room, lease_allowance(answered) - held)


def _answered(connection: sa.Connection, node_id: str, now_ms: int) -> Answered:
    """Count what a node made of its leases lately.

    Those that it handed back untouched, or that ended while the house was away, count neither way; nor do those that it
    never heard of, as far as that is forgiven.
    """
    of_node = leases.c.node_id == node_id
    handed_back = (Outcome.EXPIRED.value, Outcome.BUDGET_EXHAUSTED.value)
    answered = (of_node, leases.c.state == "answered", leases.c.outcome.not_in(handed_back))
    recent = leases.c.closed_at_ms > now_ms - PACE_MEMORY_MS
    of_day = leases.c.closed_at_ms > now_ms - LEASE_MEMORY_MS
    first = connection.execute(sa.select(sa.func.min(leases.c.issued_at_ms)).where(*answered, recent))
    day = _count(connection, *answered, of_day)
    unheard, deaf = lapsed_unheard(connection, node_id, now_ms)
    lapsed = (of_node, leases.c.state == "expired", leases.c.detail != EXCUSED, of_day)
    abandoned = _count(connection, *lapsed, leases.c.offer == HEARD)
    return Answered(
        recent=_count(connection, *answered, recent),
        recent_ms=now_ms - (first.scalar() or now_ms),
        day=day,
        expired=abandoned + lapses_held_against(unheard, day),
        deaf=deaf,
    )


def _count(connection: sa.Connection, *where: sa.ColumnElement[bool], table: sa.FromClause = leases) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()


def _issue(house: House, connection: sa.Connection, new: _New, choice: Choice, slot_ms: int) -> str:
    """Write a lease down and return it signed."""
    now, member = house.now_ms(), new.member
    row = {
        "lease_id": house.new_id("l"),
        "url_id": choice.url_id,
        "url": choice.url,
        "node_id": member.node_id,
        "prefix": member.prefix,
        "kind": choice.kind,
        "audit_of": None if choice.truth is None else choice.truth.contribution_id,
        "state": "leased",
        "render": "browser" if choice.render == "browser" else "http",
        "nonce": house.env.randomness.token(16).hex(),
        "issued_at_ms": now,
        "not_before_ms": slot_ms,
        "expires_at_ms": now + new.life_ms,
        "offer": new.offer,
    }
    connection.execute(sa.insert(leases).values(**row))
    if choice.kind == "work":
        frontier.advance(connection, choice.url_id, "lease")
    elif choice.truth is not None:
        truth_requests.leased(connection, choice.truth, row["lease_id"], member)
    return signed_lease(house, row)
