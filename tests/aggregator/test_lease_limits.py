"""Lease hoarders: what a node may hold follows from what it answered; what it lets expire costs it leases."""

from __future__ import annotations

import math
from pathlib import Path

from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st
from real_house import Node, words_of

from aggregator.assignment.allowance import Answered, lease_allowance
from aggregator.assignment.closing import expire_leases
from aggregator.verification.standings.standing import Standing
from aggregator.verification.standings.standing_rows import keep_standing
from windrow_protocol.limits import (
    LEASE_MEMORY_MS,
    LEASES_NEWCOMER_MAX,
    LEASES_OUTSTANDING_MAX,
    PACE_MEMORY_MS,
)
from windrow_protocol.messages import Outcome
from windrow_protocol.trust_rules import TrustRules

COUNTS = st.integers(0, 5_000)
HISTORIES = st.builds(
    lambda recent, older, expired, recent_ms: Answered(recent, recent_ms, recent + older, expired),
    *(COUNTS, COUNTS, COUNTS, st.integers(0, 10**8)),
)


@given(history=HISTORIES, more=st.integers(1, 500))
def test_expired_leases_never_raise_and_answers_never_lower_what_a_node_may_hold(
    history: Answered, more: int
) -> None:
    allowed = lease_allowance(history)
    assert 1 <= allowed <= LEASES_OUTSTANDING_MAX
    worse = Answered(history.recent, history.recent_ms, history.day, history.expired + more)
    assert lease_allowance(worse) <= max(allowed, LEASES_NEWCOMER_MAX)
    if history.recent:
        assert lease_allowance(worse) <= allowed
        better = Answered(history.recent + more, history.recent_ms, history.day + more, history.expired)
        assert lease_allowance(better) >= allowed


def test_a_node_holds_two_hours_of_the_pace_it_has_shown() -> None:
    assert lease_allowance(Answered()) == LEASES_NEWCOMER_MAX
    assert lease_allowance(Answered(recent=60, recent_ms=PACE_MEMORY_MS, day=700)) == 60
    assert lease_allowance(Answered(recent=60, recent_ms=PACE_MEMORY_MS // 2, day=60)) == 120
    assert lease_allowance(Answered(recent=60, recent_ms=1_000, day=60)) == LEASES_OUTSTANDING_MAX
    assert lease_allowance(Answered(recent=100, recent_ms=PACE_MEMORY_MS, day=99, expired=100)) == 25
    assert lease_allowance(Answered(recent=0, day=50)) == LEASES_NEWCOMER_MAX  # it was away
    assert lease_allowance(Answered(expired=20)) == 1


# One newcomer may take more of a day than on a real network, so that only the limits looked at here hold.
ROOMY = {"young_leases_per_day": 10_000, "probation_documents": 1_000}


async def hoard(world: World, node: Node) -> int:
    """Have a node take all it gets and let it expire."""
    taken = len(await world.take(node, 50))
    world.clock.ahead_ms += 700_000
    with world.house.state.write() as connection:
        expire_leases(world.house, connection)
    return taken


async def test_a_hoarder_ends_with_one_lease_at_a_time_and_comes_back_by_answering(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(**ROOMY))
    world.seed(600)
    hoarder, honest = await world.node(), await world.node()
    assert [await hoard(world, hoarder) for _ in range(6)] == [LEASES_NEWCOMER_MAX, 1, 1, 1, 1, 1]
    answered = 0
    for _ in range(4):
        leases = await world.take(honest, 50)
        records = [honest.contribution(lease, words_of(hash(lease.url))) for lease in leases]
        assert all(answer["ok"] for answer in await honest.submit(world.doors.submissions, records))
        answered += len(leases)
        world.clock.ahead_ms += 60_000
    assert answered > 3 * LEASES_NEWCOMER_MAX
    rounds = []
    for _ in range(6):
        leases = await world.take(hoarder, 50)
        reports = [hoarder.report(lease, Outcome.NOT_FOUND) for lease in leases]
        await hoarder.submit(world.doors.submissions, reports)
        rounds.append(len(leases))
        world.clock.ahead_ms += 100_000
    assert rounds[0] == 1
    assert rounds == sorted(rounds)
    assert rounds[-1] > 1


async def test_without_the_limits_a_hoarder_holds_hundreds(tmp_path: Path) -> None:
    """The attack, so that the defence is known to be one."""
    world = World(tmp_path, rules=TrustRules(off=("lease_limits",), **ROOMY))
    world.seed(600)
    hoarder = await world.node()
    total = 0
    for _ in range(6):
        total += len(await world.take(hoarder, 50))
    assert total > 150


def suspect(world: World, node: Node, suspicion: float) -> None:
    with world.house.state.write() as connection:
        keep_standing(connection, node.node_id, Standing(suspicion=suspicion), world.house.now_ms())


async def test_a_node_that_cannot_be_unlucky_gets_a_few_leases_a_day_until_its_audits_say_otherwise(
    tmp_path: Path,
) -> None:
    rules = TrustRules(suspected_leases_per_day=7, **ROOMY)
    world = World(tmp_path, rules=rules)
    world.seed(600)
    cheat, other = await world.node(), await world.node()
    odds = math.log(rules.suspension_odds)
    suspect(world, cheat, odds)
    suspect(world, other, odds - 0.01)
    taken = await world.take(cheat, 50)
    reports = [cheat.report(lease, Outcome.NOT_FOUND) for lease in taken]
    await cheat.submit(world.doors.submissions, reports)
    assert (len(taken), len(await world.take(cheat, 50))) == (7, 0)
    assert len(await world.take(other, 50)) == LEASES_NEWCOMER_MAX
    world.clock.ahead_ms += LEASE_MEMORY_MS + 1
    assert len(await world.take(cheat, 50)) == 7, "a new day"
    suspect(world, cheat, odds - 0.01)
    assert len(await world.take(cheat, 50)) > 0


async def test_handing_a_lease_back_is_no_offence(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(100)
    node = await world.node()
    leases = await world.take(node, 20)
    back = [node.report(lease, Outcome.BUDGET_EXHAUSTED) for lease in leases]
    await node.submit(world.doors.submissions, back)
    assert len(await world.take(node, 50)) == LEASES_NEWCOMER_MAX


async def test_done_for_a_lease_one_does_not_hold_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(5)
    holder, thief = await world.node(), await world.node()
    (lease,) = await world.take(holder, 1)
    (answer,) = await thief.submit(world.doors.submissions, [thief.contribution(lease, words_of(1))])
    assert answer["error"] == "not_your_lease"


async def test_undecided_answers_and_leases_together_are_bounded(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(off=("lease_limits",), **ROOMY))
    world.seed(600)
    node = await world.node()
    answered = 0
    for _ in range(5):
        leases = await world.take(node, 50)
        records = [node.contribution(lease, words_of(hash(lease.url))) for lease in leases]
        if records:
            await node.submit(world.doors.submissions, records)
        answered += len(records)
        world.clock.ahead_ms += 20_000
    assert answered == LEASES_OUTSTANDING_MAX
