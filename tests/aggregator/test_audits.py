"""Drawn audits against those who would cheat them: nodes, validators, and our own failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aggregator_world import Validator, World
from msgspec.structs import replace
from real_house import PAYOUT, Node, words_of

from aggregator.ingest import read_text
from aggregator.verification.audits.truth_requests import operator_of
from aggregator.verification.audits.truths import answers_of
from aggregator.verification.comparing.comparison import decide
from storage.lake import Lake
from storage.tables import contributions, duplicates, frontier, leases, nodes, verdicts
from storage.trust_tables import audits, host_standings, truth_requests
from windrow_protocol.limits import TRUTH_ATTEMPTS_MAX
from windrow_protocol.messages import Lease, Outcome, Registration, Submission
from windrow_protocol.trust_rules import PPM, TrustRules

NO_PROBATION = TrustRules(probation_documents=0, audit_rate_max_ppm=200_000, doubled_ppm=0)


def rows(world: World, table: sa.Table) -> list[Any]:
    with world.house.state.read() as connection:
        return list(connection.execute(sa.select(table)))


def verdict_of(world: World, node: Node) -> list[tuple[str, str]]:
    with world.house.state.read() as connection:
        mine = sa.select(verdicts).where(verdicts.c.node_id == node.node_id).order_by(verdicts.c.seq)
        return [(row.verdict, row.reason) for row in connection.execute(mine)]


def page(lease: Lease) -> str:
    """Return what a page really holds."""
    return words_of(int(lease.url.rpartition("/p")[2]))


def honest(validator: Validator, lease: Lease) -> Submission:
    return validator.contribution(lease, page(lease))


def name_of(world: World, validator: Validator) -> str:
    """Return the operator that the house knows a validator by."""
    return next(operator_of(row) for row in rows(world, nodes) if row.node_id == validator.node_id)


async def work(world: World, node: Node, count: int, text: Any = page) -> list[Lease]:
    """Have a node take leases, a few at a time as hosts have slots, and hand in a text for each."""
    done: list[Lease] = []
    while len(done) < count:
        taken = await world.take(node, min(20, count - len(done)))
        await node.submit(world.doors.submissions, [node.contribution(lease, text(lease)) for lease in taken])
        done += taken
        world.clock.ahead_ms += 60_000
    return done


async def test_what_nobody_drew_is_unaudited_and_kept(tmp_path: Path) -> None:
    world = World(tmp_path, rules=NO_PROBATION, operators=3)
    await world.validators_ready()
    world.seed(40)
    node = await world.node()
    await work(world, node, 40)
    assert world.pipeline.step() == 0, "nothing is settled before the validators have drawn"
    await world.settle(honest)
    drawn = set().union(*(validator.drawn for validator in world.validators))
    found = {row.contribution_id: row for row in rows(world, verdicts)}
    for entry in rows(world, audits):
        verdict = found[entry.contribution_id]
        expected = ("accepted", "matches_truth") if entry.lease_id in drawn else ("unaudited", "not_drawn")
        assert (verdict.verdict, verdict.reason) == expected
        assert verdict.confirmed_ppm == PPM
    assert 1 <= len(drawn) <= 25
    assert len(rows(world, duplicates)) == 40
    with world.house.state.read() as connection:
        table = Lake(world.house.env, world.house.home / "lake").dataset(connection).to_table()
    assert set(table.column("verdict").to_pylist()) == {"accepted", "unaudited"}


async def test_each_operator_that_drew_an_entry_fetches_its_own_truth(tmp_path: Path) -> None:
    rules = TrustRules(
        probation_documents=0, audit_rate_min_ppm=800_000, audit_rate_max_ppm=800_000, doubled_ppm=0
    )
    world = World(tmp_path, rules=rules, operators=3)
    await world.validators_ready()
    world.seed(20)
    await work(world, await world.node(), 20)
    await world.settle(honest)
    asked = {(row.contribution_id, row.operator) for row in rows(world, truth_requests)}
    drew = {
        (entry.contribution_id, name_of(world, validator))
        for entry in rows(world, audits)
        for validator in world.validators
        if entry.lease_id in validator.drawn
    }
    assert asked == drew
    assert len({contribution_id for contribution_id, _ in drew}) < len(drew), "some were drawn by several"


async def test_doubled_audits_ask_a_second_operator_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(doubled_ppm=PPM), operators=2)
    await world.validators_ready()
    world.seed(4)
    await work(world, await world.node(), 4)
    asked = rows(world, truth_requests)
    assert len(asked) == 8
    assert all(len({r.operator for r in asked if r.contribution_id == a.contribution_id}) == 2 for a in asked)


@pytest.mark.parametrize("operators", [1, 2, 3])
async def test_invented_text_is_rejected_by_truths_of_two_operators(tmp_path: Path, operators: int) -> None:
    world = World(tmp_path, operators=operators)
    world.seed(3)
    await world.validators_ready()
    cheat = await world.node()
    await work(world, cheat, 3, lambda lease: words_of(666))
    await world.settle(honest)
    assert verdict_of(world, cheat) == [("rejected", "differs_from_truth")] * 3
    for each in {row.contribution_id for row in rows(world, truth_requests)}:
        spoke = {row.operator for row in rows(world, truth_requests) if row.contribution_id == each}
        assert len(spoke) >= min(2, operators)
    assert len(rows(world, duplicates)) == 3, "the truths take the place of what was invented"


async def test_the_text_of_another_page_is_no_answer(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(4)
    node, copier = await world.node(), await world.node()
    (first,) = await work(world, node, 1)
    await work(world, copier, 3, lambda lease: page(first))
    await world.settle(honest)
    assert verdict_of(world, node) == [("accepted", "matches_truth")]
    assert verdict_of(world, copier) == [("rejected", "differs_from_truth")] * 3


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


BLOCKED = "Just a moment... Checking your browser before accessing the site. Ray ID: 8a1f"


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


async def test_a_stale_copy_earns_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(1)
    node, copier = await world.node(), await world.node()
    old, new = words_of(1, 400), words_of(1, 300) + " " + words_of(2, 100)
    (lease,) = await work(world, node, 1, lambda lease: old)
    await world.settle({lease.url: old})
    with world.house.state.write() as connection:  # the page is to be crawled again, and has changed
        connection.execute(sa.update(frontier).values(state="open"))
    world.clock.ahead_ms += 3_600_000
    await work(world, copier, 1, lambda lease: old)
    await world.settle({lease.url: new})
    assert verdict_of(world, node) == [("accepted", "matches_truth")]
    assert verdict_of(world, copier) == [("no_evidence", "perhaps_stale")]


async def test_invented_text_for_a_page_that_is_empty_without_a_browser_is_rejected(tmp_path: Path) -> None:
    """Such a page is what its bytes say, to validators too: its frame. Nobody is free to fill it."""
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(2)
    inventor, reader = await world.node(), await world.node()
    (filled,) = await world.take(inventor, 1)
    await inventor.submit(world.doors.submissions, [inventor.contribution(filled, words_of(7))])
    (read,) = await world.take(reader, 1)
    frames = {
        lease.url: f"{words_of(seed, 12)} Menu Basket Imprint Delivery Contact"
        for seed, lease in ((1, filled), (2, read))
    }
    await reader.submit(world.doors.submissions, [reader.contribution(read, frames[read.url])])
    await world.settle(frames)
    assert verdict_of(world, inventor) == [("rejected", "differs_from_truth")]
    assert [verdict for verdict, _ in verdict_of(world, reader)] == ["accepted"]


async def test_refusing_everything_is_seen_and_the_pages_are_not_lost(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(8)
    picky, honest_node = await world.node(), await world.node()
    refused = await world.take(picky, 4)
    outcomes = [Outcome.ROBOTS_DENIED, Outcome.NOT_FOUND, Outcome.BLOCKED, Outcome.UNSAFE_ADDRESS]
    await picky.submit(
        world.doors.submissions,
        [picky.report(lease, outcome) for lease, outcome in zip(refused, outcomes, strict=True)],
    )
    (really,) = await world.take(honest_node, 1)
    await honest_node.submit(world.doors.submissions, [honest_node.report(really, Outcome.ROBOTS_DENIED)])

    def answer(validator: Validator, lease: Lease) -> Submission:
        if lease.url == really.url:
            return validator.report(lease, Outcome.ROBOTS_DENIED)
        return honest(validator, lease)

    await world.settle(answer)
    assert verdict_of(world, picky) == [
        ("rejected", "refusal_differs"),
        ("rejected", "refusal_differs"),
        ("no_evidence", "refusal_open"),
        ("no_evidence", "refusal_open"),
    ]
    assert verdict_of(world, honest_node) == [("accepted", "refusal_agreed")]
    open_again = {row.url for row in rows(world, frontier) if row.state == "open"}
    assert {lease.url for lease in refused} <= open_again
    assert really.url not in open_again
    assert rows(world, duplicates) == []


async def test_a_robots_txt_that_only_the_node_could_not_read_is_not_held_against_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(1)
    node = await world.node()
    (lease,) = await world.take(node, 1)
    report = node.report(lease, Outcome.ROBOTS_DENIED)
    await node.submit(world.doors.submissions, [replace(report, detail="robots.txt: unreachable")])
    await world.settle(honest)
    assert verdict_of(world, node) == [("no_evidence", "refusal_open")]


async def test_a_hard_host_earns_no_novelty_and_is_never_first(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(1)
    node = await world.node()
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(host_standings).values(
                host_key="http://h0.example:80", standing="{}", hard=True, updated_at_ms=0
            )
        )
    await work(world, node, 1)
    await world.settle(honest)
    assert verdict_of(world, node) == [("accepted", "hard_host")]
    (novelty,) = rows(world, duplicates)
    assert (novelty.kind, novelty.unique_bytes) == ("hard", 0)


async def test_without_audits_nothing_is_checked_and_nothing_waits(tmp_path: Path) -> None:
    world = World(tmp_path, rules=TrustRules(off=("audits",)))
    world.seed(5)
    node = await world.node()
    await work(world, node, 5, lambda lease: words_of(666))
    await world.settle(honest)
    assert verdict_of(world, node) == [("unaudited", "not_drawn")] * 5


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


async def test_anybody_can_reach_the_same_verdicts_from_the_log(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3)
    await world.validators_ready()
    world.seed(12)
    node, cheat = await world.node(), await world.node()
    await work(world, node, 6)
    await work(world, cheat, 6, lambda lease: words_of(4_000))
    await world.settle(honest)
    with world.house.state.read() as connection:
        for verdict in connection.execute(sa.select(verdicts).where(verdicts.c.reason != "replaces")):
            truths = [
                a for a in answers_of(connection, world.segments, verdict.contribution_id) if a.is_truth
            ]
            decision = decide(read_text(connection, world.segments, verdict.seq), [t.text for t in truths])
            assert (decision.reason_code, round(decision.score, 6)) == (verdict.reason, verdict.similarity)
    kinds = {row.kind for row in rows(world, contributions)}
    assert kinds == {"work", "truth"}
    assert {row.kind for row in rows(world, leases)} == {"work", "audit"}
