"""Sybil floods: many identities of one neighbourhood, instant rejoin after suspension, newcomers that take the day."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given
from hypothesis import strategies as st
from real_house import Node, words_of

from aggregator.assignment.sybil import (
    Day,
    admission,
    lottery,
    prefix_quota,
    quarantine_ends_ms,
    young_budget,
    young_leases_left,
)
from aggregator.roster import enrol_validators
from storage.tables.contributions import nodes
from storage.tables.trust import consequences, standings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import NODES_QUEUED_PER_PREFIX_MAX
from windrow_protocol.messages import LeaseRequest, Outcome, Registration
from windrow_protocol.trust_rules import DAY_MS, TrustRules

PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
RULES = TrustRules()


async def register(world: World, node: Node) -> Any:
    return await node.ask(world.doors.register, "register", Registration(payout_address=PAYOUT))


async def ask(world: World, node: Node, count: int = 20) -> Any:
    return await node.ask(world.doors.leases, "lease_request", LeaseRequest(count=count))


async def newcomers(world: World, count: int, prefix: str = "127.80.1") -> tuple[list[Node], list[Any]]:
    crowd = [Node(world.house, address=f"{prefix}.{number % 250 + 1}") for number in range(count)]
    return crowd, [await register(world, node) for node in crowd]


def suspend(world: World, node: Node, kind: str = "suspended") -> None:
    """Write what the consequences of a node's verdicts write when its mismatches cannot be chance."""
    now = world.house.now_ms()
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(consequences).values(
                consequence_seq=1,
                consequence_id="s1",
                node_id=node.node_id,
                kind=kind,
                contribution_id="",
                epoch_id=1,
                created_at_ms=now,
            )
        )
        connection.execute(
            sa.insert(standings).values(
                node_id=node.node_id,
                standing="{}",
                frozen=kind == "suspended",
                suspended=kind == "suspended",
                updated_at_ms=now,
            )
        )


# --- neighbourhoods ---------------------------------------------------------------------------------------------------


async def test_a_flood_from_one_prefix_gets_three_places_and_a_queue(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(100)
    crowd, answers = await newcomers(world, 12)
    assert [answer["state"] for answer in answers] == ["active"] * 3 + ["queued"] * 9
    assert [answer["position"] for answer in answers] == [0, 0, 0, *range(1, 10)]
    asked = [await ask(world, node, 2) for node in crowd]
    assert [len(answer["leases"]) for answer in asked] == [2] * 3 + [0] * 9
    assert [answer["position"] for answer in asked] == [0, 0, 0, *range(1, 10)]


async def test_a_neighbour_elsewhere_is_not_touched_by_a_flood(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(10)
    await newcomers(world, 6)
    (outsider,), (answer,) = await newcomers(world, 1, prefix="127.80.2")
    assert answer["state"] == "active"
    assert len((await ask(world, outsider, 2))["leases"]) == 2


async def test_a_place_is_free_when_one_leaves_and_the_first_in_the_queue_gets_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(40)
    crowd, _ = await newcomers(world, 5)
    with world.house.state.write() as connection:
        left = sa.update(nodes).where(nodes.c.node_id == crowd[1].node_id)
        connection.execute(left.values(state="left", left_at_ms=world.house.now_ms()))
    assert (await ask(world, crowd[4]))["state"] == "queued"  # the other was there before
    assert (await ask(world, crowd[3]))["state"] == "active"
    assert (await ask(world, crowd[4]))["position"] == 1


async def test_who_was_silent_for_a_day_gives_the_place_away_and_queues_on_return(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(40)
    crowd, _ = await newcomers(world, 4)
    world.clock.ahead_ms += DAY_MS // 2
    for node in crowd[1:]:
        await ask(world, node)
    world.clock.ahead_ms += DAY_MS // 2 + 1
    assert (await ask(world, crowd[3]))["state"] == "active"
    back = await ask(world, crowd[0])
    assert (back["state"], back["position"], back["leases"]) == ("queued", 1, [])


async def test_moving_into_a_full_prefix_means_queueing_there(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(40)
    await newcomers(world, 3)
    (mover,), _ = await newcomers(world, 1, prefix="127.80.2")
    assert (await ask(world, mover))["state"] == "active"
    mover.address = "127.80.1.77"
    assert (await ask(world, mover))["state"] == "queued"
    mover.address = "127.80.2.77"
    assert (await ask(world, mover))["state"] == "active"


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    world = World(tmp_path)
    await newcomers(world, RULES.nodes_per_prefix_max)
    with world.house.state.write() as connection:
        for number in range(NODES_QUEUED_PER_PREFIX_MAX):
            connection.execute(
                sa.insert(nodes).values(
                    node_id=f"{number:064x}",
                    role="contributor",
                    payout_address=PAYOUT,
                    agent="",
                    region="",
                    prefix="127.80.1.0/24",
                    state="queued",
                    registered_at_ms=world.house.now_ms(),
                    seen_at_ms=world.house.now_ms(),
                )
            )
    with pytest.raises(WindrowError, match="wait for a place"):
        await newcomers(world, 1)


async def test_validators_take_no_place_and_need_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.validator.address = "127.80.1.9"
    await newcomers(world, 3)
    assert (await register(world, world.validator))["state"] == "active"
    with world.house.state.write() as connection:
        enrol_validators(connection, {})  # the operator dismissed it
    back = await register(world, world.validator)
    assert (back["role"], back["state"]) == ("contributor", "queued")


@given(active=st.integers(0, 10), ahead=st.integers(0, 50))
def test_places_and_queue_add_up(active: int, ahead: int) -> None:
    said = admission(RULES, active, ahead)
    assert (said.state == "active") == (active + ahead < RULES.nodes_per_prefix_max)
    if said.state == "queued":
        assert said.position == ahead + 1 - max(0, RULES.nodes_per_prefix_max - active) >= 1


# --- after a suspension -----------------------------------------------------------------------------------------------


async def test_a_suspended_node_gets_no_work_and_its_prefix_takes_no_new_identity_for_thirty_days(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.seed(40)
    (cheat, neighbour), _ = await newcomers(world, 2)
    suspend(world, cheat)
    for attempt in (ask(world, cheat), register(world, cheat)):
        with pytest.raises(WindrowError) as refusal:
            await attempt
        assert refusal.value.code == "node_suspended"
    assert len((await ask(world, neighbour, 2))["leases"]) == 2  # a shared address is no guilt
    with pytest.raises(WindrowError) as refusal:
        await newcomers(world, 1)
    assert refusal.value.code == "prefix_quarantined"
    assert refusal.value.facts["until_ms"] > world.house.now_ms() + 29 * DAY_MS
    assert (await newcomers(world, 1, prefix="127.80.2"))[1][0]["state"] == "active"
    world.clock.ahead_ms += RULES.prefix_quarantine_ms + 1
    assert (await newcomers(world, 1))[1][0]["state"] == "active"


async def test_a_newcomer_cannot_walk_around_a_quarantine(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(40)
    (cheat,), _ = await newcomers(world, 1)
    (fresh,), _ = await newcomers(world, 1, prefix="127.80.2")
    suspend(world, cheat)
    fresh.address = "127.80.1.5"
    assert (await ask(world, fresh))["state"] == "queued"
    cheat.address = "127.80.3.5"  # nor carry its own quarantine to somebody else's prefix
    with pytest.raises(WindrowError, match="suspended"):
        await register(world, cheat)
    assert (await newcomers(world, 1, prefix="127.80.3"))[1][0]["state"] == "active"


async def test_a_suspension_in_shadow_mode_or_taken_back_quarantines_nobody(tmp_path: Path) -> None:
    world = World(tmp_path)
    (cheat,), _ = await newcomers(world, 1)
    suspend(world, cheat, kind="would_suspend")
    assert (await newcomers(world, 1))[1][0]["state"] == "active"
    with world.house.state.write() as connection:
        connection.execute(sa.update(consequences).values(kind="suspended"))
        restored = {"consequence_seq": 2, "consequence_id": "r1", "kind": "restored", "undoes": "s1"}
        row = {"node_id": cheat.node_id, "contribution_id": "", "epoch_id": 1, "created_at_ms": 1}
        connection.execute(sa.insert(consequences).values(**row, **restored))
    assert (await newcomers(world, 1))[1][0]["state"] == "active"


@given(suspended=st.none() | st.integers(0, 10**13), now=st.integers(0, 10**13))
def test_a_quarantine_ends(suspended: int | None, now: int) -> None:
    ends = quarantine_ends_ms(RULES, suspended, now)
    assert ends == 0 or now < ends == (suspended or 0) + RULES.prefix_quarantine_ms


@pytest.mark.parametrize("state", ["left", "revoked"])
async def test_who_left_or_was_revoked_does_nothing_here_any_more(tmp_path: Path, state: str) -> None:
    world = World(tmp_path)
    world.seed(10)
    (gone,), _ = await newcomers(world, 1)
    lease = (await world.take(gone, 1))[0]
    with world.house.state.write() as connection:
        connection.execute(sa.update(nodes).values(state=state))
    refused = []
    for attempt in (
        ask(world, gone),
        register(world, gone),
        gone.submit(world.doors.submissions, [gone.report(lease, Outcome.NOT_FOUND)]),
    ):
        with pytest.raises(WindrowError) as refusal:
            await attempt
        refused.append(refusal.value.code)
    assert refused == ["node_left"] * 3


async def test_who_is_leaving_hands_in_what_it_holds_and_gets_no_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(10)
    (leaving,), _ = await newcomers(world, 1)
    lease = (await world.take(leaving, 1))[0]
    with world.house.state.write() as connection:
        connection.execute(sa.update(nodes).values(state="leaving"))
    asked = await ask(world, leaving)
    assert (asked["state"], asked["leases"]) == ("leaving", [])
    (answer,) = await leaving.submit(world.doors.submissions, [leaving.report(lease, Outcome.NOT_FOUND)])
    assert answer["ok"]


# --- the young --------------------------------------------------------------------------------------------------------

PREFIXES = st.lists(st.integers(0, 255).map(lambda n: f"198.18.{n}.0/24"), max_size=40, unique=True)


@given(prefixes=PREFIXES, seed=st.binary(min_size=32, max_size=32))
def test_a_lottery_favours_nobody_by_order_or_number_of_asks(prefixes: list[str], seed: bytes) -> None:
    drawn = lottery(seed, prefixes)
    assert drawn == lottery(seed, [*reversed(prefixes), *prefixes[:3]][: len(prefixes)])
    assert sorted(drawn) == sorted(prefixes)


@given(
    prefixes=PREFIXES.filter(bool),
    asks=st.lists(st.tuples(st.integers(0, 1_000), st.integers(1, 60), st.booleans()), max_size=150),
    established=st.integers(0, 200_000),
    seed=st.binary(min_size=32, max_size=32),
)
def test_the_young_never_get_more_than_their_part_of_the_day_nor_a_prefix_more_than_its_quota(
    prefixes: list[str], asks: list[tuple[int, int, bool]], established: int, seed: bytes
) -> None:
    young: Counter[str] = Counter()
    for which, wish, crowded in asks:
        prefix = prefixes[which % len(prefixes)]
        day = Day(established + young.total(), young.total(), young[prefix])
        left = young_leases_left(RULES, day, prefix, prefixes if crowded else (), seed)
        young[prefix] += min(wish, left)
        assert young.total() <= young_budget(RULES, established + young.total())
        assert max(young.values(), default=0) <= prefix_quota(RULES)


def test_every_prefix_wins_about_as_often_over_many_days() -> None:
    prefixes = [f"198.18.{n}.0/24" for n in range(20)]
    wins: Counter[str] = Counter()
    for day in range(600):
        wins.update(lottery(day.to_bytes(32, "big"), prefixes)[:5])
    assert min(wins.values()) > 100  # 150 expected of each
    assert max(wins.values()) < 200


async def test_a_flood_of_newcomers_takes_no_more_than_the_day_s_part_and_the_established_work_on(
    tmp_path: Path,
) -> None:
    rules = TrustRules(young_leases_per_day=24, young_lease_share_ppm=50_000, probation_documents=6)
    world = World(tmp_path, rules=rules)
    world.seed(90)
    old = await world.node()
    for _ in range(2):
        leases = await world.take(old, 6)
        records = [old.contribution(lease, words_of(int(lease.url.rpartition("p")[2]))) for lease in leases]
        await old.submit(world.doors.submissions, records)
        await world.settle({record.url: record.text for record in records})
    world.clock.ahead_ms += DAY_MS  # the next day; `old` has its bond
    taken = 0
    for number in range(20):
        (node,), _ = await newcomers(world, 1, prefix=f"127.70.{number}")
        taken += len((await ask(world, node))["leases"])
    assert 0 < taken <= 24
    assert len(await world.take(old, 20)) > 10


async def test_without_sybil_limits_a_flood_takes_everything(tmp_path: Path) -> None:
    """The attack, so that the defence is known to be one."""
    world = World(tmp_path, rules=TrustRules(young_leases_per_day=24, off=("sybil_limits",)))
    world.seed(200)
    crowd, answers = await newcomers(world, 8)
    assert {answer["state"] for answer in answers} == {"active"}
    assert sum([len((await ask(world, node))["leases"]) for node in crowd]) == 160
