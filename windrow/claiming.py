"""`windrow claim`: check the proof on this machine, then have the relayer send the claim.

Rules: nothing is claimed that this machine has not proven to itself; the relayer can pay only the account named, so no
key is needed here.

Does not: sign or hold keys. Usage: `claim_rewards("", node_home, coordinator, "")`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from contributor_node.coordinator.earnings_proof import check_proof
from contributor_node.identity import read_pin
from windrow.coordinator_http import get_json, post_json
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address


def claim_rewards(
    account: str, node_home: Path | None, coordinator: str, coordinator_id: str, asset: str = "WIND"
) -> dict[str, Any]:
    """Return what is owed by the newest epoch of an asset, and what was paid now.

    Raises WindrowError `bad_config` when it is not known whose claim or which coordinator is meant, `not_found` when
    no epoch owes the account anything, `bad_proof`, and what the chain refuses.
    """
    pin = read_pin(node_home) if node_home is not None else None
    signer = coordinator_id or (pin.coordinator_id if pin else "")
    if not signer:
        missing = f"the node in {node_home} has met no coordinator yet" if node_home else "give --node-home"
        raise WindrowError(
            "bad_config", f"{missing}, or give --coordinator-id from GET /v1/network as you trust it"
        )
    payee = checksum_address(account or _payout_of(node_home))
    network = pin.network if pin else str(get_json(coordinator, "/v1/network")["network"])
    answer = get_json(coordinator, f"/v1/epochs/latest/proof/{payee}?{urlencode({'asset': asset})}")
    now_ms = time.time_ns() // 1_000_000
    owed = check_proof(answer, payee, coordinator_id=signer, network=network, now_ms=now_ms, asset=asset)
    paid = post_json(coordinator, "/v1/claims", {"account": payee, "asset": asset})
    return {
        "account": payee,
        "asset": asset,
        "epoch_id": owed.epoch_id,
        "amount_wei": str(owed.amount_wei),
        "root": owed.root,
        "paid_wei": str(paid["paid_wei"]),
        "tx_hash": paid["tx_hash"],
        "status": "paid" if paid["tx_hash"] else "already claimed",
    }


def _payout_of(node_home: Path | None) -> str:
    from contributor_node.owner.settings import load_settings
    from contributor_node.work_cycle import read_status

    if node_home is None:
        raise WindrowError("bad_config", "give --account, or --node-home")
    payout = (
        str(read_status(node_home).get("payout", "")) or load_settings({"home": str(node_home)}).values.payout
    )
    if not payout:
        raise WindrowError("bad_config", f"the node in {node_home} has no payout address yet")
    return payout
