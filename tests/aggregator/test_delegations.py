"""Delegations: only a node's own wallet speaks for it, once, on its network, before the end it signed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from aggregator_world import World
from eth_account import Account
from eth_account.messages import encode_typed_data
from real_house import NETWORK, Node

from aggregator.requests import forget_nonces
from storage.env import Request
from storage.tables.contributions import nodes
from storage.tables.trust import delegations
from windrow_protocol.delegation import delegation_message, sign_delegation, signer_of_delegation
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DELEGATION_LIFE_MS_MAX, DELEGATIONS_PER_MINUTE_MAX
from windrow_protocol.messages import Delegation, LeaseRequest, Outcome, Registration

WALLET, OTHER, COLD = (Account.from_key(bytes([n]) * 32) for n in (1, 2, 3))
HOUR_MS = 3_600_000


def unsigned(world: World, node: Node, *scopes: str, **changes: Any) -> Delegation:
    values: dict[str, Any] = {
        "network": NETWORK,
        "node_id": node.node_id,
        "payout_address": COLD.address,
        "scopes": list(scopes or ("work",)),
        "expires_at_ms": world.house.now_ms() + HOUR_MS,
        "nonce": "n1",
        "signature": "",
    }
    return Delegation(**{**values, **changes})


async def post(world: World, delegation: Any) -> Any:
    request = Request("POST", "/v1/delegations", msgspec.json.encode(delegation), peer="127.99.0.1")
    return msgspec.json.decode((await world.doors.delegations(request)).body)


async def refused(world: World, delegation: Any) -> str:
    with pytest.raises(WindrowError) as refusal:
        await post(world, delegation)
    return refusal.value.code


async def register(world: World, node: Node, payout: str = WALLET.address) -> Any:
    return await node.ask(world.doors.register, "register", Registration(payout_address=payout))


async def node_of(world: World, payout: str = WALLET.address, address: str = "") -> Node:
    node = Node(world.house, **({"address": address} if address else {}))
    await register(world, node, payout)
    return node


def row_of(world: World, node: Node) -> Any:
    with world.house.state.read() as connection:
        return connection.execute(sa.select(nodes).where(nodes.c.node_id == node.node_id)).one()


async def test_the_wallet_becomes_the_owner_and_changes_where_pay_goes(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    assert (await post(world, sign_delegation(WALLET, unsigned(world, node)))) == {
        "node_id": node.node_id,
        "owner": WALLET.address,
        "payout_address": WALLET.address,
        "state": "active",
    }
    second = sign_delegation(WALLET, unsigned(world, node, "work", "payout", nonce="n2"))
    assert (await post(world, second))["payout_address"] == COLD.address
    assert row_of(world, node).payout_address == COLD.address
    # Both the old and the new spelling of its wish are the node's; the wallet's word stands.
    for wish in (WALLET.address, COLD.address):
        assert (await register(world, node, wish))["payout_address"] == COLD.address
    with world.house.state.read() as connection:
        kept = connection.execute(sa.select(delegations)).one()
    assert (kept.owner, kept.scopes, kept.signature) == (WALLET.address, "work payout", second.signature)


async def test_an_owner_stays_the_owner_when_pay_goes_to_another_address(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    await post(world, sign_delegation(WALLET, unsigned(world, node, "payout")))
    assert (
        await refused(world, sign_delegation(COLD, unsigned(world, node, "payout", nonce="n2")))
        == "bad_delegation"
    )
    home = unsigned(world, node, "payout", payout_address=WALLET.address, nonce="n3")
    assert (await post(world, sign_delegation(WALLET, home)))["payout_address"] == WALLET.address


async def test_another_wallet_cannot_take_a_node_or_its_pay(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    for scopes in (["work"], ["payout"], ["revoke"]):
        theft = unsigned(world, node, *scopes, payout_address=OTHER.address)
        assert await refused(world, sign_delegation(OTHER, theft)) == "bad_delegation"
    assert (row_of(world, node).owner, row_of(world, node).payout_address) == ("", WALLET.address)


@pytest.mark.parametrize(
    "changes",
    [
        {"node_id": "0" * 64},
        {"payout_address": OTHER.address},
        {"scopes": ["work", "revoke"]},
        {"nonce": "another"},
        {"expires_at_ms": 2**52},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_a_word_changed_after_signing_is_another_signer_s(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    world = World(tmp_path)
    node, victim = await node_of(world), await node_of(world)
    if "node_id" in changes:
        changes = {"node_id": victim.node_id}
    signed = sign_delegation(WALLET, unsigned(world, node, "payout"))
    forged = msgspec.structs.replace(signed, **changes)
    assert await refused(world, forged) == "bad_delegation"
    assert row_of(world, node).payout_address == row_of(world, victim).payout_address == WALLET.address


async def test_a_delegation_counts_on_its_own_network_before_its_end_and_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    elsewhere = sign_delegation(WALLET, unsigned(world, node, network="windrow-other"))
    assert await refused(world, elsewhere) == "wrong_network"
    lived = sign_delegation(WALLET, unsigned(world, node, expires_at_ms=world.house.now_ms() - 1))
    assert await refused(world, lived) == "signature_expired"
    for_ever = unsigned(world, node, expires_at_ms=world.house.now_ms() + DELEGATION_LIFE_MS_MAX + HOUR_MS)
    assert await refused(world, sign_delegation(WALLET, for_ever)) == "bad_delegation"
    signed = sign_delegation(WALLET, unsigned(world, node))
    await post(world, signed)
    assert await refused(world, signed) == "replayed"
    back = sign_delegation(WALLET, unsigned(world, node, "payout", nonce="n2"))
    await post(world, back)
    world.clock.ahead_ms += HOUR_MS + 1
    with world.house.state.write() as connection:
        forget_nonces(connection, world.house.now_ms())
    assert await refused(world, back) == "signature_expired"  # whether its nonce is remembered or not


async def test_a_revoked_node_is_lost_for_whoever_holds_its_key(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(10)
    node = await node_of(world)
    lease = (await world.take(node, 1))[0]
    said = await post(world, sign_delegation(WALLET, unsigned(world, node, "revoke")))
    assert said["state"] == "revoked"
    assert row_of(world, node).left_at_ms is not None
    report = node.report(lease, Outcome.NOT_FOUND)
    for attempt in (
        node.ask(world.doors.leases, "lease_request", LeaseRequest(count=1)),
        node.submit(world.doors.submissions, [report]),
        register(world, node),
    ):
        with pytest.raises(WindrowError) as refusal:
            await attempt
        assert refusal.value.code == "node_left"
    again = sign_delegation(WALLET, unsigned(world, node, "work", nonce="n2"))
    assert await refused(world, again) == "node_left"


async def test_one_owner_s_nodes_count_as_one_for_placement(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(3)
    first, second, stranger = await node_of(world), await node_of(world), await node_of(world, OTHER.address)
    for number, node in enumerate((first, second)):
        await post(world, sign_delegation(WALLET, unsigned(world, node, nonce=f"own {number}")))
    taken = await world.take(first, 3)
    await first.submit(world.doors.submissions, [first.report(lease, Outcome.TIMEOUT) for lease in taken])
    world.clock.ahead_ms += 600_000
    assert (len(taken), await world.take(second, 3)) == (3, [])
    assert len(await world.take(stranger, 3)) == 3


async def test_malformed_delegations_are_refused_with_a_reason(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    good = sign_delegation(WALLET, unsigned(world, node))
    expected = {
        "unsigned": {"signature": ""},
        "bad_delegation": {"signature": "0x" + "11" * 65},
        "bad_payout_address": {"payout_address": "0x12"},
        "unknown_node": {"node_id": "ab" * 32},
        "wrong_schema": {"nonce": ""},
    }
    for code, changes in expected.items():
        assert await refused(world, msgspec.structs.replace(good, **changes)) == code
    for odd in ({"scopes": []}, {"scopes": ["mint"]}, {"extra": 1}, {"expires_at_ms": -1}):
        assert await refused(world, {**msgspec.to_builtins(good), **odd}) == "wrong_schema"
    for signature in ("0x", "zz", "0x" + "00" * 65, good.signature + "00"):
        assert await refused(world, msgspec.structs.replace(good, signature=signature)) == "bad_delegation"


async def test_one_address_cannot_keep_the_house_busy_with_signatures(tmp_path: Path) -> None:
    world = World(tmp_path)
    node = await node_of(world)
    nonsense = unsigned(world, node, network="other")
    codes = [await refused(world, nonsense) for _ in range(DELEGATIONS_PER_MINUTE_MAX + 1)]
    assert codes[-2:] == ["wrong_network", "too_many_requests"]


def test_the_message_is_plain_eip_712() -> None:
    """Encoded by the library from the JSON alone, as any wallet would."""
    node_id = "cd" * 32
    said = Delegation("net", node_id, COLD.address, ["work", "revoke"], 1_800_000_000_000, "once", "")
    message = delegation_message(said)
    assert message["message"] == {
        "network": "net",
        "nodeKey": "0x" + node_id,
        "payoutAddress": COLD.address,
        "scopes": ["work", "revoke"],
        "expiresAt": 1_800_000_000_000,
        "nonce": "once",
    }
    signature = WALLET.sign_message(encode_typed_data(full_message=message)).signature
    signed = msgspec.structs.replace(said, signature="0x" + bytes(signature).hex())
    assert signer_of_delegation(signed) == WALLET.address
    assert signed == sign_delegation(WALLET, said)
