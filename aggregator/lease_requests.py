"""Requests for leases that arrive together: those that get nothing write nothing, the others share one commit.

    the node is unknown, left or suspended                             refused, nothing is written
    it is where it was, and no page is open (or no truth wanted)       no lease, nothing is written
    anything else                                                      one transaction for all of them

Rules: a nonce counts once: with an effect it is spent in the transaction of the effect, without one it is remembered in
memory (`heard_nonces`). A node that is given nothing is noted as awake every `NODE_SEEN_STEP_MS`. Where a
transaction fails, each request is tried alone, so that one that fails costs the others nothing.

Does not: choose pages or count (`assignment`), check signatures, or wait for others (`shared_commit`).

Usage: `offers = LeaseDesk(house, life_ms, pace).answer_together([Asked(caller, wish, request.peer)])`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from aggregator.assignment.leases import Issued, any_open, issue_leases
from aggregator.assignment.offers import any_unheard, note_heard
from aggregator.assignment.pacing import PaceRules, pace_key, paused_among
from aggregator.heard_nonces import HeardNonces
from aggregator.requests import Caller, spend, spent_before
from aggregator.roster import (
    admit,
    check_not_gone,
    check_not_suspended,
    check_suspended,
    known_member,
    stays_where_it_was,
    tells_news,
)
from aggregator.verification.audits.truth_requests import any_wanted
from storage.house import House
from storage.prepared import Prepared
from storage.tables.contributions import leases, nodes
from storage.tables.trust import standings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    ASK_AGAIN_S_MAX,
    NODE_SILENT_MS,
    NONCES_HEARD_MAX,
    REQUESTS_FOR_WORK_A_SECOND,
)
from windrow_protocol.messages import LeaseRequest

_HOLDS = sa.exists().where(leases.c.node_id == nodes.c.node_id, leases.c.state == "leased")
_MEMBERS = Prepared(
    sa.select(
        nodes,
        standings.c.suspended,
        _HOLDS.label("holds"),
        any_unheard(nodes.c.node_id).label("unheard"),
        any_open().label("page_open"),
        any_wanted().label("truth_wanted"),
    )
    .outerjoin(standings, standings.c.node_id == nodes.c.node_id)
    .where(nodes.c.node_id.in_(sa.bindparam("ids", expanding=True)))
)
_AWAKE = Prepared(
    sa.select(sa.func.count())
    .select_from(nodes)
    .where(nodes.c.seen_at_ms > sa.bindparam("since_ms"), nodes.c.state.in_(("active", "queued")))
)
_COUNTED_EVERY_MS: Final = 60_000
_HELD = Prepared(
    sa.select(leases.c.node_id, leases.c.url).where(
        leases.c.node_id.in_(sa.bindparam("ids", expanding=True)), leases.c.state == "leased"
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for leases: who asks, for what, and from which address."""

    caller: Caller
    wish: LeaseRequest
    peer: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node is told: signed leases, whether it works or queues, which of its hosts to leave alone, its standing.

    `standing` is why it has none: empty when it has, None when nobody looked. `offer` is how the node names these
    leases when it says that they arrived; empty where there are none, or where it never says. `again_s` is how long it
    should wait at least before it asks again.
    """

    leases: list[str]
    state: str
    position: int
    paused: dict[str, int] = field(default_factory=dict)
    standing: tuple[str, ...] | None = None
    offer: str = ""
    again_s: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as it goes over the wire."""
        return {
            "leases": self.leases,
            "offer": self.offer,
            "state": self.state,
            "position": self.position,
            "paused": self.paused,
            "standing": self.standing,
            "again_s": self.again_s,
        }


_Found = Offer | WindrowError


class LeaseDesk:
    """Answers requests for leases; used from one event loop, because what it heard is in memory."""

    def __init__(self, house: House, lease_life_ms: int, pace: PaceRules) -> None:
        """Begin with no request heard."""
        self._house = house
        self._lease_life_ms = lease_life_ms
        self._pace = pace
        self._heard = HeardNonces(NONCES_HEARD_MAX)
        self._again_s = 0
        self._counted_at_ms = 0

    def answer_together(self, asked: Sequence[Asked]) -> list[Offer | Exception]:
        """Return an offer for each request, or the exception it alone caused. Raises what a reading failed with."""
        with self._house.state.read() as connection:
            self._count_the_awake(connection)
            before = _Before(self._house, connection, asked)
            found: list[Offer | Exception | None] = [self._unwritten(before, each) for each in asked]
        left = [place for place, offer in enumerate(found) if offer is None]
        written = self._written([asked[place] for place in left])
        for place, offer in zip(left, written, strict=True):
            found[place] = offer
        return [self._with_a_wait(offer) for offer in found if offer is not None]

    def _count_the_awake(self, connection: sa.Connection) -> None:
        """Say how long who gets nothing waits, so that all who are awake ask no more often than can be heard."""
        now_ms = self._house.now_ms()
        if self._counted_at_ms and now_ms - self._counted_at_ms < _COUNTED_EVERY_MS:
            return
        self._counted_at_ms = now_ms
        awake = _AWAKE.value(connection, since_ms=now_ms - NODE_SILENT_MS)
        self._again_s = min(ASK_AGAIN_S_MAX, (awake or 0) // REQUESTS_FOR_WORK_A_SECOND)

    def _with_a_wait(self, offer: Offer | Exception) -> Offer | Exception:
        if isinstance(offer, Exception) or offer.leases:
            return offer
        return replace(offer, again_s=self._again_s)

    def _unwritten(self, before: _Before, each: Asked) -> _Found | None:
        """Return the answer to a request that changes nothing; None when it may change something."""
        now_ms, caller = self._house.now_ms(), each.caller
        try:
            if caller in self._heard:
                raise WindrowError("replayed")
            member = before.member(caller)
        except WindrowError as error:
            return error
        if not stays_where_it_was(member, each.peer, now_ms) or not self._heard.has_room(now_ms):
            return None
        if member.unheard and each.wish.heard is not None:
            return None
        if member.state == "active" and (_is_anything_wanted(member) or tells_news(member, each.wish)):
            return None
        self._heard.add(caller)
        return Offer([], member.state, 0, before.pauses(caller.node_id))

    def _written(self, asked: Sequence[Asked]) -> list[Offer | Exception]:
        if not asked:
            return []
        try:
            return list(self._in_one_transaction(asked))
        except Exception as error:
            if len(asked) == 1:
                return [error]
        return [self._alone(each) for each in asked]  # it may be the fault of one of them

    def _alone(self, each: Asked) -> Offer | Exception:
        return self._written([each])[0]

    def _in_one_transaction(self, asked: Sequence[Asked]) -> list[_Found]:
        with self._house.state.write() as connection:
            found = [self._offer(connection, each) for each in asked]
            ids = [each.caller.node_id for each in asked]
            paused = _pauses_for(connection, ids, self._house.now_ms())
        return [
            offer if isinstance(offer, WindrowError) else replace(offer, paused=paused.get(node_id, {}))
            for offer, node_id in zip(found, ids, strict=True)
        ]

    def _offer(self, connection: sa.Connection, each: Asked) -> _Found:
        try:  # nothing is written before the nonce, the last that is checked
            member = known_member(connection, each.caller.node_id)
            check_not_suspended(self._house, connection, each.caller.node_id)
            spend(connection, each.caller)
        except WindrowError as error:
            return error
        note_heard(connection, each.caller.node_id, each.wish.heard)
        member, admitted = admit(self._house, connection, member, each.peer)
        issued = Issued([])
        if member.state == "active":
            issued = issue_leases(self._house, connection, member, each.wish, self._lease_life_ms, self._pace)
        return Offer(
            issued.tokens, member.state, admitted.position, standing=issued.lacks, offer=issued.offer
        )


class _Before:
    """What requests of one group need to know of the state before them."""

    def __init__(self, house: House, connection: sa.Connection, asked: Sequence[Asked]) -> None:
        """Read it: one statement about the nodes and what is to be had, one about nonces, rarely two about pauses."""
        self._house = house
        ids = [each.caller.node_id for each in asked]
        self._members = {row.node_id: row for row in _MEMBERS.rows(connection, ids=ids)}
        self._spent = spent_before(connection, [each.caller for each in asked])
        holding = [row.node_id for row in self._members.values() if row.holds]
        self._pauses = _pauses_for(connection, holding, house.now_ms()) if holding else {}

    def member(self, caller: Caller) -> Any:
        """Return a node's row. Raises WindrowError `unknown_node`, `node_left`, `replayed` or `node_suspended`."""
        row = check_not_gone(caller.node_id, self._members.get(caller.node_id))
        if (caller.node_id, caller.statement.nonce) in self._spent:
            raise WindrowError("replayed")
        check_suspended(self._house, caller.node_id, bool(row.suspended))
        return row

    def pauses(self, node_id: str) -> dict[str, int]:
        """Return which hosts of a node's open leases are paused."""
        return self._pauses.get(node_id, {})


def _is_anything_wanted(member: Any) -> bool:
    return bool(member.truth_wanted if member.role == "validator" else member.page_open)


def _pauses_for(connection: sa.Connection, node_ids: Sequence[str], now_ms: int) -> dict[str, dict[str, int]]:
    """Return which hosts of some nodes' open leases all nodes are to leave alone, and until when, by node."""
    held = _HELD.rows(connection, ids=list(node_ids))
    hosts_of: dict[str, set[str]] = defaultdict(set)
    for node_id, url in held:
        hosts_of[node_id].add(pace_key(url))
    if not hosts_of:  # most nodes that ask hold nothing
        return {}
    paused = paused_among(connection, set().union(*hosts_of.values()), now_ms)
    return {
        node_id: {host: paused[host] for host in hosts if host in paused}
        for node_id, hosts in hosts_of.items()
    }
