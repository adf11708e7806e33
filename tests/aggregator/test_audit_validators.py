"""Drawn audits against validators: those that are out, that lie, and that are somebody's friends or neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from aggregator_world import Validator, World
from drawn_audits import BLOCKED, honest, name_of, rows, verdict_of, work
from real_house import PAYOUT, Node, words_of

from aggregator.assignment.frontier import add_urls
from aggregator.assignment.pacing import Heard, note_reports
from storage.tables.contributions import duplicates, frontier, nodes, verdicts
from storage.tables.trust import truth_requests
from windrow_protocol.limits import TRUTH_ATTEMPTS_MAX, TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX
from windrow_protocol.messages import Lease, Outcome, Registration, Submission
from windrow_protocol.trust_rules import TrustRules


def invented(lease: Lease) -> str:
    return words_of(10_000 + int(lease.url.rpartition("/p")[2]))


async def test_a_truth_that_is_withheld_comes_from_another_operator(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(3)
    node = await world.node()
    await work(world, node, 3)
    silent = world.validators[0]

    def answer(validator: Validator, lease: Lease) -> Submission | None:
        return None if validator is silent else honest(validator, lease)

    for _ in range(4):  # its leases run out, and then what it does not come for is open to the others
        await world.settle(answer)
        world.clock.ahead_ms += 700_000
        world.pipeline.housekeeping()
    assert verdict_of(world, node) == [("accepted", "matches_truth")] * 3


async def test_a_host_that_is_paused_holds_up_no_audit_of_another(tmp_path: Path) -> None:
    """One report says that a host wants to be left alone for an hour, and many truths of its pages are wanted."""
    world = World(tmp_path, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    node = await world.node()
    for host, count in (("slow", 8), ("other", 1)):
        with world.house.state.write() as connection:
            pages = [(f"http://{host}.example/p{number}", "http") for number in range(count)]
            add_urls(connection, pages, world.house.now_ms())
        await work(world, node, count)
    now = world.house.now_ms()
    with world.house.state.write() as connection:
        heard = Heard(Outcome.BLOCKED, http_status=429, retry_after_ms=3_600_000)
        note_reports(connection, [("http://slow.example/p0", heard)], now)
    (lease,) = await world.take(world.validator, 1)
    assert lease.url == "http://other.example/p0"


async def test_a_hundred_outages_of_a_validator_cost_nobody_anything(tmp_path: Path) -> None:
    """One of three operators is out: it refuses, times out, dies, sends block pages, nothing or rubbish."""
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(100)
    crowd = [await world.node() for _ in range(5)]
    for node in crowd:
        await work(world, node, 20)
    broken, outages = world.validators[0], iter(range(1000))

    def answer(validator: Validator, lease: Lease) -> Submission | None:
        if validator is not broken:
            return honest(validator, lease)
        kind = next(outages) % 7
        if kind == 0:
            return None  # it dies with the lease
        if kind in (1, 2, 3):
            return validator.report(lease, (Outcome.TIMEOUT, Outcome.BLOCKED, Outcome.SERVER_ERROR)[kind - 1])
        if kind == 4:
            return validator.contribution(lease, BLOCKED, title="Attention required")
        if kind == 5:
            return validator.contribution(lease, words_of(900 + next(outages)), http_status=503)
        return validator.contribution(lease, words_of(5000 + next(outages)))

    for _ in range(12):  # whom a lot asks again and again who is out, that audit waits longer
        await world.settle(answer)
        world.clock.ahead_ms += 700_000
        world.pipeline.housekeeping()
        if sum(len(verdict_of(world, node)) for node in crowd) == 100:
            break
    assert next(outages) >= 30, "the outages did happen"
    for node in crowd:
        assert verdict_of(world, node) == [("accepted", "matches_truth")] * 20


async def test_one_operator_that_fails_again_and_again_does_not_end_an_audit(tmp_path: Path) -> None:
    """A friend of a cheat could otherwise turn what was drawn into no evidence, while the others are slow to come."""
    world = World(tmp_path, rules=TrustRules(doubled_ppm=0), operators=3)
    await world.validators_ready()
    world.seed(1)
    node = await world.node()
    await work(world, node, 1)
    everybody, failures = world.validators, list[str]()
    world.validators = everybody[:1]

    def fail(validator: Validator, lease: Lease) -> Submission:
        failures.append(lease.lease_id)
        return validator.report(lease, Outcome.TIMEOUT)

    while len(failures) < TRUTH_ATTEMPTS_MAX:
        await world.settle(fail)
        world.clock.ahead_ms += 10 * world.house.rules.draw_wait_ms
    assert verdict_of(world, node) == [], "two operators were not heard"
    world.validators = everybody
    await world.settle(honest)
    assert verdict_of(world, node) == [("accepted", "matches_truth")]


async def test_where_two_operators_stay_away_an_audit_ends_all_the_same_and_nothing_is_paid(
    tmp_path: Path,
) -> None:
    """Neither the one that comes and fails nor a host that shuts it out can hold an audit open for ever."""
    world = World(tmp_path, rules=TrustRules(doubled_ppm=0), operators=3)
    await world.validators_ready()
    world.seed(1)
    node = await world.node()
    (lease,) = await work(world, node, 1)
    world.validators = world.validators[:1]
    for _ in range(2 * TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX):
        await world.settle(lambda validator, lease: validator.report(lease, Outcome.TIMEOUT))
        world.clock.ahead_ms += 10 * world.house.rules.draw_wait_ms
    assert verdict_of(world, node) == [("no_evidence", "truth_unavailable")]
    assert len(rows(world, truth_requests)) == TRUTH_ATTEMPTS_WHERE_FEW_FAIL_MAX
    assert [row.state for row in rows(world, frontier) if row.url == lease.url] == ["open"]
    assert rows(world, duplicates) == []


@pytest.mark.parametrize(
    "text", [BLOCKED, "Sign in to the WiFi to go on", words_of(77)], ids=["block", "portal", "odd"]
)
async def test_when_every_validator_is_out_nobody_is_called_a_liar(tmp_path: Path, text: str) -> None:
    world = World(tmp_path, rules=TrustRules(doubled_ppm=0))  # a single operator, whose line is broken
    await world.validators_ready()
    world.seed(12)
    node = await world.node()
    await work(world, node, 12)
    await world.settle(lambda validator, lease: validator.contribution(lease, text))
    assert {verdict for verdict, _ in verdict_of(world, node)} == {"no_evidence"}
    assert {row.state for row in rows(world, frontier)} == {"open"}, "the pages go to somebody else"


async def test_a_validator_that_lies_about_honest_nodes_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(20)
    node = await world.node()
    await work(world, node, 20)
    liar = world.validators[1]
    await world.settle(
        lambda v, lease: v.contribution(lease, words_of(31_337)) if v is liar else honest(v, lease)
    )
    assert verdict_of(world, node) == [("accepted", "matches_truth")] * 20


async def test_a_validator_cannot_vouch_for_its_friend_where_others_look(tmp_path: Path) -> None:
    """The friend is accepted only where the colluding operator alone was asked, and often enough it is found out."""
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(36)
    friend = await world.node()
    await work(world, friend, 36, lambda lease: words_of(10_000 + int(lease.url.rpartition("/p")[2])))
    colluder = world.validators[2]

    def answer(validator: Validator, lease: Lease) -> Submission:
        if validator is colluder:
            return validator.contribution(lease, words_of(10_000 + int(lease.url.rpartition("/p")[2])))
        return honest(validator, lease)

    await world.settle(answer)
    first = {row.contribution_id: row.operator for row in rows(world, truth_requests) if row.ordinal == 1}
    seen_by_honest = {each for each, operator in first.items() if operator != name_of(world, colluder)}
    found = {
        row.contribution_id: row.verdict for row in rows(world, verdicts) if row.node_id == friend.node_id
    }
    assert len(seen_by_honest) >= 12
    assert "accepted" not in {found[each] for each in seen_by_honest}
    assert sum(found[each] == "rejected" for each in seen_by_honest) >= 1


async def test_a_validator_vouches_for_no_newcomer_not_even_where_it_alone_would_be_asked(
    tmp_path: Path,
) -> None:
    """What makes somebody known, two operators look at (ADR 0023): else a third of a friend's inventions would pass."""
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(24)
    friend = await world.node()
    await work(world, friend, 24, invented)
    asked = rows(world, truth_requests)
    assert all(len({r.operator for r in asked if r.contribution_id == a.contribution_id}) == 2 for a in asked)
    colluder = world.validators[2]
    await world.settle(
        lambda v, lease: v.contribution(lease, invented(lease)) if v is colluder else honest(v, lease)
    )
    assert len(verdict_of(world, friend)) == 24
    assert "accepted" not in {verdict for verdict, _ in verdict_of(world, friend)}


async def test_nobody_is_asked_for_the_truth_of_its_own_owners_work(tmp_path: Path) -> None:
    world = World(tmp_path, operators=2)
    await world.validators_ready()
    world.seed(6)
    node = await world.node()
    with world.house.state.write() as connection:
        mine = nodes.c.node_id.in_([node.node_id, world.validators[0].node_id])
        connection.execute(sa.update(nodes).where(mine).values(owner="0xowner"))
    await work(world, node, 6)
    assert await world.take(world.validators[0], 50) == []
    world.clock.ahead_ms += 10 * 60_000
    assert await world.take(world.validators[0], 50) == [], "however long the others take"
    await world.settle(honest)
    assert verdict_of(world, node) == [("accepted", "matches_truth")] * 6


async def test_a_neighbour_is_asked_only_where_there_is_nobody_else(tmp_path: Path) -> None:
    world = World(tmp_path, operators=2)
    world.validators[0].address = "127.9.9.1"
    await world.validators_ready()
    world.seed(6)
    node = Node(world.house, address="127.9.9.2")
    await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))
    await work(world, node, 6)
    assert await world.take(world.validators[0], 50) == []
    await world.settle(honest)
    assert verdict_of(world, node) == [("accepted", "matches_truth")] * 6
