"""A page of which some are shown a part: who handed in the part is not called a liar, and who makes one up is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from aggregator_world import Validator, World
from audit_world import MOST, AuditWorld
from drawn_audits import honest, name_of, page, rows, verdict_of, work
from real_house import Node, words_of

from aggregator.verification.epochs.audit_files import read_rows
from aggregator.verification.epochs.audit_rows import HEADER, Header, record_of
from aggregator.verification.epochs.recomputing import may_rest_on
from aggregator.verification.epochs.replay import replay
from storage.house import House
from storage.tables.trust import truth_requests
from windrow_protocol.limits import TRUTHS_OF_A_PART_MAX, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Contribution, Lease, Submission
from windrow_protocol.trust_rules import TrustRules

# One passed audit is good standing.
RULES = TrustRules(doubled_ppm=0, vest_audits=1)
PASSED = ("accepted", "matches_truth")
MISMATCH = ("rejected", "differs_from_truth")


def part(lease: Lease) -> str:
    """What a meter shows of a page."""
    words = page(lease).split()
    return " ".join(words[: len(words) // 3])


async def opened(tmp_path: Path, passed: int = 1, operators: int = 3) -> tuple[World, Node]:
    """Open a house with a node that has passed some audits, and more pages."""
    world = World(tmp_path, operators=operators, rules=RULES)
    await world.validators_ready()
    world.seed(passed)
    node = await world.node()
    await work(world, node, passed)
    await world.settle(honest)
    world.seed(20)
    return world, node


class Meter:
    """Shows a part to the visit of a page of this number, counted among the validators'."""

    def __init__(self, visit: int) -> None:
        self._visit, self._seen = visit, dict[str, int]()

    def __call__(self, validator: Validator, lease: Lease) -> Submission:
        seen = self._seen[lease.url] = self._seen.get(lease.url, 0) + 1
        return validator.contribution(lease, part(lease) if seen == self._visit else page(lease))


NOBODY = Meter(99)  # shows the whole page to every validator


def truths_asked(world: World) -> dict[str, list[str]]:
    """Return the operators that were asked about each contribution, in turn."""
    asked: dict[str, list[str]] = {}
    for row in sorted(rows(world, truth_requests), key=lambda row: row.ordinal):
        asked.setdefault(row.contribution_id, []).append(row.operator)
    return asked


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        (4, ("no_evidence", "truths_disagree")),
        (TRUTHS_OF_A_PART_MAX, ("no_evidence", "truths_disagree")),
        (99, MISMATCH),
    ],
    ids=["the fourth visitor too", "the last visitor too", "nobody else"],
)
async def test_a_part_is_a_mismatch_only_if_no_later_visitor_is_shown_it_too(
    tmp_path: Path, visit: int, expected: tuple[str, str]
) -> None:
    world, node = await opened(tmp_path)
    await work(world, node, 1, part)
    await world.settle(Meter(visit))
    assert verdict_of(world, node) == [PASSED, expected]
    assert max(map(len, truths_asked(world).values())) == min(visit, TRUTHS_OF_A_PART_MAX)


async def test_newcomers_and_who_makes_a_habit_of_parts_get_three_truths(tmp_path: Path) -> None:
    """What one in good standing is looked at further costs four fetches, once until it has passed more audits."""
    world, node = await opened(tmp_path)
    for _ in range(2):
        await work(world, node, 1, part)
        await world.settle(NOBODY)
    newcomer = await world.node()
    await work(world, newcomer, 2, part)
    await world.settle(NOBODY)
    assert verdict_of(world, node) == [PASSED, MISMATCH, MISMATCH]
    assert verdict_of(world, newcomer) == [MISMATCH] * 2
    counts = Counter(len(each) for each in truths_asked(world).values())
    assert counts == {1: 1, TRUTHS_OF_A_PART_MAX: 1, TRUTHS_PER_AUDIT_MAX: 3}


async def test_what_is_no_part_gets_three_truths(tmp_path: Path) -> None:
    world, node = await opened(tmp_path)
    await work(world, node, 1, lambda lease: words_of(4_711))
    await world.settle(NOBODY)
    assert verdict_of(world, node) == [PASSED, MISMATCH]
    assert max(map(len, truths_asked(world).values())) == TRUTHS_PER_AUDIT_MAX


async def test_a_friend_among_the_validators_gets_no_further_chance_by_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Further truths come from operators that have spoken: who was not asked before cannot vouch for the part."""
    world, node = await opened(tmp_path)
    friend = world.validators[2]
    its_name, drawn = name_of(world, friend), House.keyed

    def never_the_friend(house: House, *parts: str) -> bytes:
        """Let every lot among those that may be asked fall on the others."""
        is_its_lot = parts[0] == "truth" and parts[-1] == its_name
        return b"\xff" * 32 if is_its_lot else drawn(house, *parts)

    monkeypatch.setattr(House, "keyed", never_the_friend)
    await work(world, node, 9, part)
    await world.settle(lambda v, lease: v.contribution(lease, part(lease) if v is friend else page(lease)))
    further = [each for each in truths_asked(world).values() if len(each) > TRUTHS_PER_AUDIT_MAX]
    assert further, "somebody was looked at further"
    for operators in further:
        assert its_name not in operators


async def test_an_operators_other_validator_goes_where_one_was_already(tmp_path: Path) -> None:
    world = World(tmp_path, operators=2, rules=RULES)
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
    by_operator = Counter(operator for operator, _ in visits)
    assert by_operator.total() == TRUTHS_PER_AUDIT_MAX
    if by_operator["operator-0"] == 2:
        assert len({who for operator, who in visits if operator == "operator-0"}) == 2
    else:  # by lot the other one was asked twice, who has nobody else to send
        assert len({who for operator, who in visits if operator == "operator-1"}) == 1


async def test_a_verdict_on_seven_truths_is_published_and_computed_again(tmp_path: Path) -> None:
    """And whoever asks further about what is no part, to fish for a truth that differs, is found out."""
    world = AuditWorld(tmp_path, rules=msgspec.structs.replace(MOST, vest_audits=0))
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
