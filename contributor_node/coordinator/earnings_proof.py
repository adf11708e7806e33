"""Checks on this machine, without any network, that the coordinator owes what it says it owes.

Rules: the signed epoch header names the root; the leaf is this node's payout address and the amount; the proof must
lead from one to the other. Nothing of the answer is believed that these do not show.

Does not: ask the chain (whether that root is accepted there is a second question) or send a claim.

Usage: `owed = check_proof(answer, payout, coordinator_id=…, network=…, now_ms=…)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address, verify_proof
from windrow_protocol.signing import verify


@dataclass(frozen=True, slots=True)
class Owed:
    """What one epoch owes to one address in all, in its asset's smallest unit, earlier claims included."""

    epoch_id: int
    account: str
    amount_wei: int
    root: str


def check_proof(
    answer: Mapping[str, Any],
    payout: str,
    *,
    coordinator_id: str,
    network: str,
    now_ms: int,
    asset: str = "WIND",
) -> Owed:
    """Return what is owed of an asset. Raises WindrowError `bad_proof`, or what a bad signature raises."""
    account = checksum_address(payout)
    try:
        epoch_id, amount_wei = int(answer["epoch_id"]), int(answer["amount_wei"])
        proof, token = list(answer["proof"]), str(answer["epoch_jws"])
        named = checksum_address(str(answer["account"]))
    except (KeyError, TypeError, ValueError, OverflowError, WindrowError) as error:
        raise WindrowError("bad_proof", "the answer is malformed") from error
    if named != account:
        raise WindrowError("bad_proof", f"it is for {named}")
    header = verify(
        token, signer=coordinator_id, network=network, purpose="epoch", subject=str(epoch_id), now_ms=now_ms
    ).content
    if (header or {}).get("asset") != asset:
        raise WindrowError("bad_proof", f"epoch {epoch_id} is not of {asset}"[:120])
    root = str((header or {}).get("root", ""))
    if not all(isinstance(step, str) for step in proof) or not verify_proof(account, amount_wei, proof, root):
        raise WindrowError(
            "bad_proof", f"{amount_wei} wei for {account} do not lead to the root of epoch {epoch_id}"
        )
    return Owed(epoch_id, account, amount_wei, root)
