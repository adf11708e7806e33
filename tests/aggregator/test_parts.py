"""A page of which some are shown a part: who handed in the part is not called a liar, and who makes one up is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aggregator_world import Validator, World
from audit_world import MOST, AuditWorld
from drawn_audits import name_of, page, rows, verdict_of, work
from real_house import words_of

from aggregator.verification.epochs.audit_files import read_rows
from aggregator.verification.epochs.audit_rows import HEADER, Header, record_of
from aggregator.verification.epochs.recomputing import may_rest_on
from aggregator.verification.epochs.replay import replay
from storage.tables.trust import truth_requests
from windrow_protocol.limits import TRUTHS_OF_A_PART_MAX, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Contribution, Lease, Submission
from windrow_protocol.trust_rules import TrustRules


def part(lease: Lease) -> str:
    """What a meter shows of a page."""
    words = page(lease).split()
    return " ".join(words[: len(words) // 3])


class Meter:
    """Shows a part to the visit of a page of this number, counted among the validators'."""

    def __init__(self, visit: int) -> None:
        self._visit, self._seen = visit, dict[str, int]()

    def __call__(self, validator: Validator, lease: Lease) -> Submission:
        seen = self._seen[lease.url] = self._seen.get(lease.url, 0) + 1
        return validator.contribution(lease, part(lease) if seen == self._visit else page(lease))


async def metered(tmp_path: Path, visit: int) -> tuple[World, list[tuple[str, str]]]:
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(1)
    node = await world.node()
    await work(world, node, 1, part)
    await world.settle(Meter(visit))
    return world, verdict_of(world, node)


@pytest.mark.parametrize("visit", [4, TRUTHS_OF_A_PART_MAX])
async def test_a_part_that_a_later_visitor_is_shown_too_is_no_mismatch(tmp_path: Path, visit: int) -> None:
    world, found = await metered(tmp_path, visit)
    assert found == [("no_evidence", "truths_disagree")]
    assert len(rows(world, truth_requests)) == visit


async def test_a_part_that_nobody_else_is_shown_is_a_mismatch_as_ever(tmp_path: Path) -> None:
    world, found = await metered(tmp_path, visit=99)
    assert found == [("rejected", "differs_from_truth")]
    assert len(rows(world, truth_requests)) == TRUTHS_OF_A_PART_MAX


async def test_who_makes_a_habit_of_parts_is_looked_at_no_more_than_others(tmp_path: Path) -> None:
    """The first costs four truths more; then the node is watched, and three decide."""
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(4)
    node = await world.node()
    for _ in range(2):
        await work(world, node, 2, part)
        await world.settle(Meter(99))
    assert set(verdict_of(world, node)) == {("rejected", "differs_from_truth")}
    asked = [row.contribution_id for row in rows(world, truth_requests)]
    assert sorted(Counter(asked).values()) == [TRUTHS_PER_AUDIT_MAX] * 2 + [TRUTHS_OF_A_PART_MAX] * 2


async def test_what_is_no_part_gets_three_truths(tmp_path: Path) -> None:
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(2)
    node = await world.node()
    await work(world, node, 2, lambda lease: words_of(4_711))
    await world.settle(Meter(99))
    assert verdict_of(world, node) == [("rejected", "differs_from_truth")] * 2
    assert len(rows(world, truth_requests)) == 2 * TRUTHS_PER_AUDIT_MAX


async def test_a_friend_among_the_validators_gets_no_further_chance_by_a_part(tmp_path: Path) -> None:
    """Further truths come from operators that have spoken: who was not asked before cannot vouch for the part."""
    world = World(tmp_path, operators=3, rules=TrustRules(doubled_ppm=0))
    await world.validators_ready()
    world.seed(12)
    node = await world.node()
    await work(world, node, 12, part)
    friend = world.validators[2]
    await world.settle(lambda v, lease: v.contribution(lease, part(lease) if v is friend else page(lease)))
    asked: dict[str, list[str]] = {}
    for row in sorted(rows(world, truth_requests), key=lambda row: row.ordinal):
        asked.setdefault(row.contribution_id, []).append(row.operator)
    further = [operators for operators in asked.values() if len(operators) > TRUTHS_PER_AUDIT_MAX]
    assert further, "somebody was looked at further"
    for operators in further:
        assert set(operators[3:]) <= set(operators[:3]) - {name_of(world, friend)}


async def test_an_operators_other_validator_goes_where_one_was_already(tmp_path: Path) -> None:
    world = World(tmp_path, operators=2, rules=TrustRules(doubled_ppm=0))
    world.validators += [Validator(world.house, operator="operator-0", secret=bytes([9] * 32))]
    world.doors = world.doors_anew()
    await world.validators_ready()
    world.seed(1)
    node = await world.node()
    await work(world, node, 1, part)
    visits: list[tuple[str, str]] = []

    def answer(validator: Validator, lease: Lease) -> Submission:
        visits.append((validator.operator, validator.node_id))
        return validator.contribution(lease, page(lease))

    await world.settle(answer)
    first_two = list(dict.fromkeys(who for operator, who in visits if operator == "operator-0"))
    assert len(first_two) == 2


async def test_a_verdict_on_seven_truths_is_published_and_computed_again(tmp_path: Path) -> None:
    """And whoever asks further about what is no part, to fish for a truth that differs, is found out."""
    world = AuditWorld(tmp_path, rules=MOST)
    node = await world.ready()
    world.seed(4)
    leases = await world.take(node, 4)
    pages = {lease.url: page(lease) for lease in leases}
    await node.submit(world.doors.submissions, [node.contribution(lease, part(lease)) for lease in leases])
    await world.audit(pages)
    folder = await world.close(pages)
    assert replay(folder).ok, replay(folder).first_difference
    header = msgspec.json.decode((folder / HEADER).read_bytes(), type=Header)
    rests_on = {len(row.verdict.truths) for row in read_rows(folder) if row.verdict is not None}
    assert TRUTHS_OF_A_PART_MAX in rests_on
    verdict = next(
        row.verdict
        for row in read_rows(folder)
        if row.verdict is not None and len(row.verdict.truths) == TRUTHS_OF_A_PART_MAX
    )
    record, truths = record_of(verdict.record), [record_of(truth.record) for truth in verdict.truths]
    assert may_rest_on(record, truths)
    assert not may_rest_on(record, [*truths, truths[0]])
    assert isinstance(record, Contribution)
    assert not may_rest_on(msgspec.structs.replace(record, text=words_of(4_711)), truths)
    assert header.audited >= 3
