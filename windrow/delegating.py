"""`windrow node delegate`: a wallet says, in one signed message, which node works for it and where its pay goes.

Rules: the wallet's key is read from its own file, used once and kept nowhere; a key file inside a node's home is
refused, because that is where it must never lie. What is signed is shown in full.

Does not: decide whether the wallet may speak for the node (the coordinator does). Usage: `delegate(wish, key_file,
coordinator)`.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import msgspec

from windrow.coordinator_http import get_json, post_json
from windrow_protocol.delegation import sign_delegation
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DELEGATION_LIFE_MS_MAX
from windrow_protocol.merkle import checksum_address
from windrow_protocol.messages import Delegation
from windrow_protocol.trust_rules import DAY_MS

Scope = Literal["work", "payout", "revoke"]
SCOPES: Final = get_args(Scope)
DAYS_MAX: Final = DELEGATION_LIFE_MS_MAX // DAY_MS


@dataclass(frozen=True)
class Wish:
    """What the wallet is asked to sign; the node is named by its id or by its home."""

    scopes: tuple[str, ...]
    node_id: str = ""
    node_home: Path | None = None
    payout: str = ""
    days: int = 30


def delegate(wish: Wish, key_file: Path, coordinator: str) -> dict[str, Any]:
    """Sign and hand in a delegation; return what was signed and what the coordinator made of it.

    Raises WindrowError `bad_config`, `bad_usage`, `no_node_key`, `not_found`, `bad_payout_address`, or what the
    coordinator refuses.
    """
    from chain.keys import load_key

    _check(wish, key_file)
    key = load_key(key_file)
    unsigned = Delegation(
        network=str(get_json(coordinator, "/v1/network")["network"]),
        node_id=wish.node_id or _node_id_of(wish.node_home),
        payout_address=checksum_address(wish.payout or key.address),
        scopes=[scope for scope in SCOPES if scope in wish.scopes],
        expires_at_ms=time.time_ns() // 1_000_000 + wish.days * DAY_MS,
        nonce=secrets.token_hex(16),
        signature="",
    )
    signed = sign_delegation(key, unsigned)
    answer = post_json(coordinator, "/v1/delegations", signed)
    return {**msgspec.to_builtins(signed), "owner": answer["owner"], "state": answer["state"]}


def _check(wish: Wish, key_file: Path) -> None:
    if unknown := set(wish.scopes) - set(SCOPES):
        raise WindrowError("bad_usage", f"--scope {sorted(unknown)[0]}: it is {', '.join(SCOPES)}")
    if not wish.scopes:
        raise WindrowError("bad_usage", "give at least one --scope")
    if "payout" in wish.scopes and not wish.payout:
        raise WindrowError("bad_usage", "--scope payout needs --payout, the address rewards are to go to")
    if wish.payout and "payout" not in wish.scopes:
        raise WindrowError("bad_usage", "--payout changes nothing without --scope payout")
    if not 1 <= wish.days < DAYS_MAX:
        raise WindrowError("bad_usage", f"--days {wish.days}: it is 1 to {DAYS_MAX - 1}")
    home = wish.node_home
    if home is not None and key_file.resolve().is_relative_to(home.resolve()):
        raise WindrowError("bad_config", f"{key_file} lies in the node's home: keep a wallet's key elsewhere")


def _node_id_of(home: Path | None) -> str:
    from contributor_node.identity import KEY_FILE
    from windrow_protocol.signing import load_private_key, public_id

    if home is None:
        raise WindrowError("bad_usage", "name the node with --node-home or --node-id")
    try:
        return public_id(load_private_key((home / KEY_FILE).read_bytes()))
    except FileNotFoundError as error:
        raise WindrowError("no_node_key", str(home)) from error
