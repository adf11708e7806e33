"""Drawn audits against nodes that would cheat them, and what is made of each answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from aggregator_world import Validator, World
from drawn_audits import NO_PROBATION, honest, name_of, page, rows, verdict_of, work
from msgspec.structs import replace
from real_house import words_of

from aggregator.ingest import read_text
from aggregator.verification.audits.truths import answers_of
from aggregator.verification.comparing.comparison import decide
from storage.lake import Lake
from storage.tables.contributions import contributions, duplicates, frontier, leases, verdicts
from storage.tables.trust import audits, host_standings, truth_requests
from windrow_protocol.messages import Lease, Outcome, Submission
from windrow_protocol.trust_rules import PPM, TrustRules


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
