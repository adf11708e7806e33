"""What wallets allow: counts nodes as one owner's, changes where a node's pay goes, revokes a lost node.

    scope     what follows
    work      the node counts as the wallet's: its owner's nodes share no page, and no truth of each other
    payout    rewards go to the delegation's payout address from now on
    revoke    the node's key is lost: nothing it signs counts any more

Rules: only a node's own wallet may speak for it: its owner once it has one, before that the address it is paid to.
A delegation counts once, on its own network and before it expires; its nonce is spent with its effect, and kept
until it could not be used anyway. An owner stays known after that: nobody escapes being counted together by letting
it expire.

Does not: check who sends it (a relay may), move pay that was posted, or know the chain.

Usage: `accepted = accept_delegation(house, connection, delegation)`.

Source: docs/protocol.md, "Keys"; EIP-712.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.roster import known_member
from storage.house import House
from storage.state import insert_once
from storage.tables.contributions import nodes, nonces
from storage.tables.trust import delegations
from windrow_protocol.delegation import signer_of_delegation
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, DELEGATION_LIFE_MS_MAX, NONCE_CHARS_MAX
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import Delegation


def accept_delegation(house: House, connection: sa.Connection, delegation: Delegation) -> dict[str, Any]:
    """Do what a wallet allows and return the node's owner, payout address and state.

    Raises WindrowError `wrong_network`, `signature_expired`, `unsigned`, `bad_delegation`, `bad_payout_address`,
    `unknown_node`, `node_left` or `replayed`.
    """
    now = house.now_ms()
    _check_terms(house, delegation, now)
    payout = checksum_address(delegation.payout_address)
    member = known_member(connection, delegation.node_id)
    wallet = signer_of_delegation(delegation)
    if wallet != (member.owner or member.payout_address):
        raise WindrowError("bad_delegation", f"{wallet} is not the wallet of this node")
    kept_until_ms = delegation.expires_at_ms + CLOCK_SKEW_MS_MAX
    if not insert_once(
        connection, nonces, node_id=wallet, nonce=delegation.nonce, expires_at_ms=kept_until_ms
    ):
        raise WindrowError("replayed")
    _keep(connection, delegation, wallet, payout, now)
    changes = _changes(delegation, wallet, payout, now)
    connection.execute(sa.update(nodes).where(nodes.c.node_id == delegation.node_id).values(**changes))
    return {
        "node_id": delegation.node_id,
        "owner": wallet,
        "payout_address": changes.get("payout_address", member.payout_address),
        "state": changes.get("state", member.state),
    }


def _check_terms(house: House, delegation: Delegation, now_ms: int) -> None:
    if delegation.network != house.network:
        raise WindrowError("wrong_network", f"{delegation.network[:64]} instead of {house.network}")
    if delegation.expires_at_ms <= now_ms:
        raise WindrowError("signature_expired", "the delegation", server_time_ms=now_ms)
    if delegation.expires_at_ms > now_ms + DELEGATION_LIFE_MS_MAX:
        raise WindrowError("bad_delegation", f"it may live at most {DELEGATION_LIFE_MS_MAX} ms")
    if not delegation.nonce or len(delegation.nonce) > NONCE_CHARS_MAX:
        raise WindrowError("wrong_schema", f"a nonce has 1 to {NONCE_CHARS_MAX} characters")


def _changes(delegation: Delegation, wallet: str, payout: str, now_ms: int) -> dict[str, Any]:
    changes: dict[str, Any] = {"owner": wallet}
    if "payout" in delegation.scopes:
        changes["payout_address"] = payout
    if "revoke" in delegation.scopes:
        changes |= {"state": "revoked", "left_at_ms": now_ms}
    return changes


def _keep(connection: sa.Connection, delegation: Delegation, wallet: str, payout: str, now_ms: int) -> None:
    """Keep the newest delegation of a node, signature included, as evidence of what its wallet allowed."""
    connection.execute(sa.delete(delegations).where(delegations.c.node_id == delegation.node_id))
    connection.execute(
        sa.insert(delegations).values(
            node_id=delegation.node_id,
            owner=wallet,
            payout_address=payout,
            scopes=" ".join(delegation.scopes),
            expires_at_ms=delegation.expires_at_ms,
            signature=delegation.signature,
            received_at_ms=now_ms,
        )
    )
