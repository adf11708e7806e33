"""Answers with leases that are lost on their way: an honest node loses nothing, and who says nothing gains nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from aggregator_world import World, commits_of
from real_house import Node, words_of

from aggregator.assignment.allowance import lapses_held_against
from aggregator.assignment.closing import expire_leases
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import LEASES_NEWCOMER_MAX
from windrow_protocol.messages import Lease, LeaseRequest, Outcome
from windrow_protocol.trust_rules import TrustRules

# One newcomer may take more of a day than on a real network, so that only the limits looked at here hold.
ROOMY = TrustRules(young_leases_per_day=10_000, probation_documents=1_000)


async def ask(world: World, node: Node, count: int = 50, heard: str | None = "") -> Any:
    """Have a node ask for leases and say which offer it got before."""
    return await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=count, heard=heard))


def opened(node: Node, answer: Any) -> list[Lease]:
    return sorted(node.open_leases(answer["leases"]), key=lambda lease: lease.lease_id)


def pass_a_lease_life(world: World) -> None:
    world.clock.ahead_ms += 700_000
    with world.house.state.write() as connection:
        expire_leases(world.house, connection)


async def answer_all(world: World, node: Node, leases: list[Lease]) -> None:
    reports = [node.report(lease, Outcome.NOT_FOUND) for lease in leases]
    assert all(each["ok"] for each in await node.submit(world.doors.submissions, reports))


async def test_leases_of_a_lost_answer_come_again_with_the_next_one(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(100)
    node = await world.node()
    lost = opened(node, await ask(world, node, 10))
    again = await ask(world, node, 10)
    assert opened(node, again) == lost, "the very same leases, and no page more"
    more = await ask(world, node, 10, heard=again["offer"])
    assert len(more["leases"]) == 10
    assert not {lease.lease_id for lease in opened(node, more)} & {lease.lease_id for lease in lost}


async def test_a_newcomer_whose_first_answer_was_lost_stands_as_it_stood(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    node = await world.node()
    assert len((await ask(world, node))["leases"]) == LEASES_NEWCOMER_MAX
    pass_a_lease_life(world)  # it heard nothing of it, and its line was down for all of that time
    back = await ask(world, node)
    assert (len(back["leases"]), back["standing"]) == (1, []), "one, until it says that it hears us"
    await answer_all(world, node, opened(node, back))
    full = await ask(world, node, heard=back["offer"])
    assert len(full["leases"]) > 1
    assert full["standing"] == []


async def test_who_took_leases_and_let_them_lapse_loses_its_standing_as_before(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    node = await world.node()
    taken = await ask(world, node)
    await ask(world, node, 1, heard=taken["offer"])
    pass_a_lease_life(world)
    assert (await ask(world, node))["standing"] == ["activity_low"]


async def test_an_offer_arrives_whole_so_nobody_keeps_the_easy_half_of_it(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    picky = await world.node()
    leases = opened(picky, await ask(world, picky))
    await answer_all(world, picky, leases[:4])  # and says that it never heard of the others
    pass_a_lease_life(world)
    back = await ask(world, picky)
    assert back["standing"] == ["activity_low"]
    assert len(back["leases"]) <= 3


async def hoarded(world: World, node: Node, rounds: int) -> list[int]:
    """Have a node ask at every lease's life and never say that it heard; return how much it got each time."""
    got = []
    for _ in range(rounds):
        got.append(len((await ask(world, node))["leases"]))
        pass_a_lease_life(world)
    return got


async def test_a_hoarder_who_never_says_that_it_heard_holds_one_lease_and_loses_its_standing(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    hoarder = await world.node()
    assert await hoarded(world, hoarder, 5) == [LEASES_NEWCOMER_MAX, 1, 1, 1, 1]
    assert (await ask(world, hoarder))["standing"] == ["activity_low"]


async def test_asking_again_and_again_without_hearing_takes_no_further_page_or_slot(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    hoarder = await world.node()
    first = opened(hoarder, await ask(world, hoarder))
    for _ in range(5):
        assert {lease.url for lease in opened(hoarder, await ask(world, hoarder))} == {
            lease.url for lease in first
        }


async def test_one_answer_now_and_then_does_not_buy_leases_to_let_lapse(tmp_path: Path) -> None:
    """A hoarder that answers an offer of one lease between two that it says it never heard of."""
    world = World(tmp_path, rules=ROOMY)
    world.seed(900)
    hoarder = await world.node()
    lapsed = answered = 0
    for _ in range(12):
        lapsed += len((await ask(world, hoarder))["leases"])
        pass_a_lease_life(world)
        one = await ask(world, hoarder, 1)
        await answer_all(world, hoarder, opened(hoarder, one))
        answered += len(one["leases"])
        await ask(world, hoarder, 1, heard=one["offer"])
    assert answered == 12
    # The first offer is forgiven, the second shrinks to the pace shown, and then it is one at a time.
    assert lapsed <= 2 * LEASES_NEWCOMER_MAX + 12
    assert (await ask(world, hoarder))["standing"] == ["activity_low"]


async def test_leases_of_who_does_not_say_what_it_heard_count_as_taken(tmp_path: Path) -> None:
    """A node of the first version: its leases are its own as soon as they are given."""
    world = World(tmp_path, rules=ROOMY)
    world.seed(600)
    node = await world.node()
    first = await ask(world, node, 5, heard=None)
    second = await ask(world, node, 5, heard=None)
    assert (first["offer"], len(first["leases"]), len(second["leases"])) == ("", 5, 5)
    assert not {lease.lease_id for lease in opened(node, first)} & {
        lease.lease_id for lease in opened(node, second)
    }
    pass_a_lease_life(world)
    assert (await ask(world, node, heard=None))["standing"] == ["activity_low"]


async def test_a_validators_lost_truth_comes_again_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(1)
    node, text = await world.node(), words_of(1)
    await world.validators_ready()
    (lease,) = await world.take(node, 1)
    await node.submit(world.doors.submissions, [node.contribution(lease, text)])
    lost = opened(world.validator, await ask(world, world.validator))
    assert [each.url for each in lost] == [lease.url]
    assert opened(world.validator, await ask(world, world.validator)) == lost


async def test_an_idle_house_writes_nothing_for_what_a_node_heard_long_ago(tmp_path: Path) -> None:
    world = World(tmp_path, rules=ROOMY)
    world.seed(2)
    node = await world.node()
    offer = await ask(world, node)
    await answer_all(world, node, opened(node, offer))
    await ask(world, node, heard=offer["offer"])
    with commits_of(world) as commits:
        await ask(world, node, heard=offer["offer"])
    assert commits == [0]


@pytest.mark.parametrize("heard", ["x" * 65, 7])
async def test_what_is_no_name_of_an_offer_is_refused(tmp_path: Path, heard: object) -> None:
    world = World(tmp_path)
    node = await world.node()
    body = msgspec.json.encode({"count": 1, "heard": heard})
    with pytest.raises(WindrowError, match="wrong_schema"):
        await world.doors.leases(node.request("lease_request", body))


def test_what_lapsed_unheard_is_forgiven_once_in_full_and_then_by_what_was_answered() -> None:
    assert lapses_held_against(LEASES_NEWCOMER_MAX, answered=0) == 0
    assert lapses_held_against(LEASES_NEWCOMER_MAX + 5, answered=0) == 5
    assert lapses_held_against(LEASES_NEWCOMER_MAX + 100, answered=400) == 0
