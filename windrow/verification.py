"""`windrow verify`: the marketplace's offline check, and the chain's word on the root where an RPC is given.

Rules: without `--rpc` nothing is asked of any network, and what the chain would say stays *not checked*.

Does not: check by itself. Usage: `verify_folder(folder, None, "", "")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketplace.provenance import verify_export
from marketplace.row_story import tell_row
from windrow_protocol.errors import WindrowError


def verify_folder(export: Path, epochs: Path | None, rpc: str, coordinator_id: str) -> dict[str, Any]:
    """Return `{ok, checks, …}`. Raises WindrowError `not_found`, `chain_unreachable` or `wrong_chain`."""
    if not export.is_dir():
        raise WindrowError("not_found", f"the folder {export}")
    if epochs is None:
        epochs = _published_beside(export)
    result = verify_export(
        export,
        epochs=epochs,
        coordinator_id=coordinator_id or None,
        root_accepted=(lambda header: _accepted_on_chain(rpc, header)) if rpc else None,
    )
    return result.as_dict()


def verify_row(export: Path, row_id: str, epochs: Path | None, rpc: str) -> dict[str, Any]:
    """Return `{ok, row, checks}` of one row. Raises WindrowError as `verify_folder`."""
    checks = tell_row(
        export,
        row_id,
        epochs=epochs or _published_beside(export),
        root_accepted=(lambda header: _accepted_on_chain(rpc, header)) if rpc else None,
    )
    return {
        "ok": all(check.state != "failed" for check in checks),
        "row": row_id,
        "checks": [{"name": each.name, "state": each.state, "detail": each.detail} for each in checks],
    }


def _published_beside(export: Path) -> Path | None:
    """Return the epochs of the house that an export still lies in, if it does."""
    folder = export.resolve().parent.parent.parent / "epochs"
    return folder if not (export / "proofs").is_dir() and folder.is_dir() else None


def _accepted_on_chain(rpc: str, header: Mapping[str, Any]) -> bool:
    """Say whether the distributor that an epoch names ever accepted its root."""
    from chain.bound import BoundContract
    from chain.distributor import DistributorOps
    from chain.rpc import connect
    from chain.sender import Sender

    w3 = connect(rpc, int(header["chain_id"]))
    sender = Sender(w3)
    token = BoundContract(w3, sender, "WindToken", str(header["token"]))
    contract = BoundContract(w3, sender, "RewardDistributor", str(header["distributor"]))
    contract.check()
    distributor = DistributorOps(contract, token, lambda: 0)
    if distributor.root() == header["root"]:
        return True
    newest = int(w3.eth.block_number)
    return any(each.root == header["root"] for each in distributor.accepted_roots(0, newest))
