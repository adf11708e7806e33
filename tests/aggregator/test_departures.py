"""Leaving through the doors: a cheat's pending fakes are drawn, an honest node gets what is pending and its bond."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from real_house import Node, words_of
from trust_world import NO_LOTTERY, TrustWorld

from aggregator.verification.consequences.departures import receive_departure
from rewards.accountant import run_accountant
from rewards.ledger import balances
from storage.tables.contributions import nodes
from storage.tables.trust import audit_secrets, audits, departures, second_looks
from windrow_protocol.audit_draw import leave_place
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import DAY_MS, TrustRules

# Nothing is drawn and nothing vests by itself, so that everything a node did is pending when it leaves.
UNAUDITED = TrustRules(
    probation_documents=0,
    audit_rate_min_ppm=0,
    audit_rate_max_ppm=0,
    vest_age_ms=100 * DAY_MS,
    vest_audits=3,
    off=NO_LOTTERY,
)


async def worked(world: TrustWorld, pages: int, fakes: int = 0) -> Node:
    """Return a node with so many pending documents, of which some are inventions."""
    node = await world.node()
    for number in range(pages):
        url = f"http://site{number}.example/"
        world.pages[url] = words_of(number)
        await world.hand_in(node, url, words_of(3_000 + number if number < fakes else number))
        if number + 1 == world.house.rules.probation_documents:
            await world.look()  # probation ends when so many have passed their audit
    await world.look_and_pay()
    return node


async def left(world: TrustWorld, node: Node) -> list[Any]:
    """Have a node leave, its epoch closed and everything looked at; return what was drawn."""
    await world.leave(node)
    world.close_epoch()
    run_accountant(world.house)
    await world.look()
    return world.rows(second_looks, node, second_looks.c.opened_at_ms)


def account(world: TrustWorld, kind: str) -> int:
    with world.house.state.read() as connection:
        return sum(
            amount for name, amount in balances(connection).items() if f"{name}:".startswith(f"{kind}:")
        )


def state_of(world: TrustWorld, table: sa.Table, node: Node) -> str:
    with world.house.state.read() as connection:
        return str(
            connection.execute(sa.select(table.c.state).where(table.c.node_id == node.node_id)).scalar()
        )


async def next_epoch(world: TrustWorld) -> None:
    """Close one more audit epoch, for which somebody else does some work, and let the accountant read it."""
    other = await world.node()
    await world.work(other, 8_000 + len(world.pages), 1)
    await world.look_and_pay()
    world.close_epoch()
    run_accountant(world.house)


async def test_a_cheat_cannot_leave_with_its_fakes(tmp_path) -> None:
    world = TrustWorld(tmp_path, msgspec.structs.replace(UNAUDITED, vest_audits=6))
    node = await worked(world, pages=6, fakes=6)
    drawn = await left(world, node)
    assert [row.result for row in drawn] == ["mismatch"] * 6
    kinds = [kind for kind, _ in world.followed(node)]
    assert (kinds.count("replaced"), kinds.count("strike"), kinds.count("fined")) == (6, 1, 5)
    await next_epoch(world)
    assert account(world, "posted") == 0
    assert account(world, f"pending:{node.node_id}") == 0


async def test_an_honest_node_gets_what_is_pending_and_later_its_bond(tmp_path) -> None:
    rules = msgspec.structs.replace(UNAUDITED, probation_documents=2, leave_settle_ms=DAY_MS)
    world = TrustWorld(tmp_path, rules)
    node = await worked(world, pages=7)
    drawn = await left(world, node)
    assert [row.result for row in drawn] == ["match"] * 3
    assert ("left_settled", "") in world.followed(node)
    assert state_of(world, nodes, node) == "left"
    await next_epoch(world)
    assert account(world, "posted") > 0
    assert account(world, "bond") > 0
    world.clock.ahead_ms += 7 * DAY_MS
    await world.look()
    assert ("bond_returned", "") in world.followed(node)
    assert state_of(world, departures, node) == "returned"
    before = account(world, "posted")
    await next_epoch(world)
    assert account(world, "posted") > before


async def test_who_lost_all_to_a_fine_leaves_without_the_bond_until_it_has_passed_enough_audits(
    tmp_path,
) -> None:
    """Else what an identity earns between two fines is its to keep, however much it fakes."""
    rules = TrustRules(probation_documents=4, canary_young_audits=4, vest_audits=30, off=NO_LOTTERY)
    world = TrustWorld(tmp_path, rules)
    caught, reformed = await world.node(), await world.node()
    for node, first, honest in ((caught, 0, 2), (reformed, 100, 4)):
        await world.work(node, first + 20, 1)
        await world.look_and_pay()
        for number in range(first, first + 2):
            url = f"http://fake{number}.example/"
            world.pages[url] = words_of(number)
            await world.hand_in(node, url, words_of(3_000 + number))
        await world.look_and_pay()
        world.close_epoch()  # told of the fine, the accountant books it before what comes after
        run_accountant(world.house)
        await world.work(node, first + 10, honest)
        await world.look_and_pay()
        await world.leave(node)
    world.close_epoch()
    run_accountant(world.house)
    await world.look()
    owed = account(world, f"bond:{caught.node_id}"), account(world, f"bond:{reformed.node_id}")
    fined = account(world, "fines")
    world.clock.ahead_ms += 8 * DAY_MS
    await world.look()
    ends = [[kind for kind, _ in world.followed(node)] for node in (caught, reformed)]
    assert [kinds.count("begun_again") for kinds in ends] == [1, 1]
    assert [kinds[-1] for kinds in ends] == ["bond_kept", "bond_returned"]
    await next_epoch(world)
    assert min(owed) > 0
    assert account(world, "fines") == fined + owed[0]
    assert account(world, "posted") >= owed[1]


async def test_on_a_quiet_network_the_bond_is_paid_without_anybody_working(tmp_path) -> None:
    rules = msgspec.structs.replace(UNAUDITED, probation_documents=2)
    world = TrustWorld(tmp_path, rules)
    node = await worked(world, pages=7)
    await left(world, node)
    world.close_epoch()  # the truths of the departure were committed in it
    world.clock.ahead_ms += 7 * DAY_MS
    await world.look()
    assert ("bond_returned", "") in world.followed(node)
    assert account(world, "bond") > 0
    run_accountant(world.house)
    assert account(world, "bond") == 0


async def test_a_page_that_changed_since_is_not_held_against_who_leaves(tmp_path) -> None:
    world = TrustWorld(tmp_path, UNAUDITED)
    node = await world.node()
    frame = words_of(1, 40)
    for number in range(3):
        url = f"http://news{number}.example/"
        await world.hand_in(node, url, f"{frame} {words_of(100 + number, 80)}")
        world.pages[url] = f"{frame} {words_of(200 + number, 80)}"
    await world.look_and_pay()
    drawn = await left(world, node)
    assert [row.result for row in drawn] == ["no_evidence"] * 3
    assert world.followed(node) == [("left_settled", "")]


async def test_validators_that_never_come_keep_nobody_waiting(tmp_path) -> None:
    world = TrustWorld(tmp_path, UNAUDITED)
    node = await worked(world, pages=4)
    await world.leave(node)
    world.close_epoch()
    run_accountant(world.house)
    while world.pipeline.verify():
        pass
    assert state_of(world, departures, node) == "settling"
    world.clock.ahead_ms += UNAUDITED.leave_settle_ms
    while world.pipeline.verify():
        pass
    assert world.followed(node) == [("left_settled", "")]


async def test_an_epoch_that_is_never_closed_keeps_nobody_waiting(tmp_path) -> None:
    world = TrustWorld(tmp_path, UNAUDITED)
    node = await worked(world, pages=4)
    await world.leave(node)
    await world.look()
    assert state_of(world, departures, node) == "drawing"
    world.clock.ahead_ms += UNAUDITED.leave_settle_ms // 2
    await world.look()
    assert [kind for kind, _ in world.followed(node)] == ["left_settled"]


async def test_anybody_can_draw_again_from_the_revealed_secrets(tmp_path) -> None:
    """Not from anything that node or coordinator could try out."""
    world = TrustWorld(tmp_path, UNAUDITED)
    node = await worked(world, pages=8)
    secrets = {f"{number:064x}": f"{number + 77:064x}" for number in (2, 1)}
    with world.house.state.write() as connection:
        for validator_id, secret in secrets.items():
            connection.execute(
                sa.insert(audit_secrets).values(
                    epoch_id=1,
                    validator_id=validator_id,
                    commitment="",
                    committed="",
                    from_seq=0,
                    secret=secret,
                    committed_at_ms=0,
                    seen_at_ms=0,
                )
            )
    drawn = await left(world, node)
    revealed = "\n".join(secrets[validator_id] for validator_id in sorted(secrets))
    seed = hashlib.sha256(revealed.encode()).digest()
    pending = world.rows(audits, node, audits.c.seq)
    again = sorted(pending, key=lambda row: leave_place(seed, row.lease_id, row.content_sha256))
    assert {row.contribution_id for row in drawn} == {row.contribution_id for row in again[:3]}
    assert {row.rate_ppm for row in drawn} == {3 * 1_000_000 // 8}


async def test_who_leaves_gets_no_more_leases_and_cannot_change_its_mind(tmp_path) -> None:
    world = TrustWorld(tmp_path, UNAUDITED)
    node = await worked(world, pages=1)
    first = await world.leave(node)
    assert await world.leave(node) == first
    assert first["bond_due_at_ms"] - first["settle_by_ms"] == 5 * DAY_MS
    with pytest.raises(AssertionError, match="no lease"):
        await world.hand_in(node, "http://more.example/", words_of(77))


async def test_a_stranger_and_a_revoked_node_cannot_leave(tmp_path) -> None:
    world = TrustWorld(tmp_path, UNAUDITED)
    with pytest.raises(WindrowError) as stranger:
        await world.leave(Node(world.house))
    assert stranger.value.code == "unknown_node"
    node = await world.node()
    with world.house.state.write() as connection:
        connection.execute(sa.update(nodes).values(state="revoked"))
    with pytest.raises(WindrowError) as revoked:
        await world.leave(node)
    assert revoked.value.code == "node_left"
    with world.house.state.write() as connection, pytest.raises(WindrowError):
        receive_departure(world.house, connection, node.node_id)
