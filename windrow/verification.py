"""`windrow verify`: the marketplace's offline check, and the chain's word on the root, by an RPC or by a saved header.

Rules: without `--rpc` nothing is asked of any network, and what the chain would say stays *not checked* unless a saved
header proves it.

Does not: check by itself. Usage: `verify_folder(folder, None, RootSource(), "")`; `save_header(folder, None, rpc, …)`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marketplace.provenance import PROOFS_FOLDER, verify_export
from marketplace.row_story import tell_row
from windrow_protocol.errors import WindrowError


@dataclass(frozen=True)
class RootSource:
    """Where the chain's word on a root comes from: a node's JSON-RPC, or a saved header, or nowhere.

    `block_hash` is the header's hash as the caller knows it from elsewhere, if they do.
    """

    rpc: str = ""
    saved: Path | None = None
    block_hash: str = ""

    def asked(self) -> Callable[[Mapping[str, Any]], str] | None:
        """Return the question about an epoch's header. Raises WindrowError `bad_usage`."""
        if self.rpc and self.saved:
            raise WindrowError("bad_usage", "give --rpc or --header, not both")
        if self.block_hash and not self.saved:
            raise WindrowError("bad_usage", "--block-hash is of the block in --header")
        if self.rpc:
            return lambda header: _accepted_on_chain(self.rpc, header)
        return self._proven if self.saved else None

    def _proven(self, epoch: Mapping[str, Any]) -> str:
        """Follow the saved header to the epoch's root. Raises WindrowError `bad_proof`, `not_found`."""
        from chain.saved_roots import proven_root, read_saved_root

        assert self.saved is not None
        chain_id, distributor = _named(epoch)
        found = proven_root(read_saved_root(self.saved), chain_id, distributor)
        header = found.header
        if self.block_hash and self.block_hash.lower() != header.hash:
            raise WindrowError(
                "bad_proof", f"the saved header is of block {header.hash}, not {self.block_hash}"
            )
        when = datetime.fromtimestamp(min(header.time_s, 2**37), UTC).isoformat(timespec="seconds")
        place = f"block {header.number} of {when}"
        if found.root != epoch["root"]:
            raise WindrowError("bad_proof", f"at {place} the distributor's root was {found.root}")
        believed = "as you said" if self.block_hash else "compare it with a source you trust"
        return f"the distributor's root was {found.root} at {place}, whose hash is {header.hash} ({believed})"


def verify_folder(
    export: Path, epochs: Path | None, source: RootSource, coordinator_id: str
) -> dict[str, Any]:
    """Return `{ok, checks, …}`. Raises WindrowError `not_found`, `bad_usage`, `chain_unreachable` or `wrong_chain`."""
    if not export.is_dir():
        raise WindrowError("not_found", f"the folder {export}")
    result = verify_export(
        export,
        epochs=epochs or _published_beside(export),
        coordinator_id=coordinator_id or None,
        root_on_chain=source.asked(),
    )
    return result.as_dict()


def verify_row(export: Path, row_id: str, epochs: Path | None, source: RootSource) -> dict[str, Any]:
    """Return `{ok, row, checks}` of one row. Raises WindrowError as `verify_folder`."""
    checks = tell_row(
        export, row_id, epochs=epochs or _published_beside(export), root_on_chain=source.asked()
    )
    return {
        "ok": all(check.state != "failed" for check in checks),
        "row": row_id,
        "checks": [{"name": each.name, "state": each.state, "detail": each.detail} for each in checks],
    }


def save_header(
    export: Path, epochs: Path | None, rpc: str, block: int | None, out: Path | None
) -> dict[str, Any]:
    """Save a block's header with the proof of the newest epoch's root; return `{path, root, block, block_hash, …}`.

    By default into the export's `proofs/`. Raises WindrowError `not_found`, `bad_proof`, and what the chain raises.
    """
    from chain.rpc import connect
    from chain.saved_roots import FILE_NAME, proven_root, save_root

    epoch = _newest_epoch(epochs or _published_beside(export) or export / PROOFS_FOLDER)
    chain_id, distributor = _named(epoch)
    saved = save_root(connect(rpc, chain_id), distributor, str(epoch["root"]), block)
    path = out or export / PROOFS_FOLDER / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(saved.as_bytes())
    header = proven_root(saved, chain_id, distributor).header
    return {
        "path": str(path),
        "epoch_id": epoch["epoch_id"],
        "root": epoch["root"],
        "chain_id": chain_id,
        "block": header.number,
        "block_hash": header.hash,
    }


def _newest_epoch(folder: Path) -> Mapping[str, Any]:
    """Return the header of the newest epoch in a folder. Raises WindrowError `not_found`, `bad_proof`."""
    if not (folder / "epoch.json").is_file():
        numbered = [each for each in folder.glob("*/epoch.json") if each.parent.name.isdecimal()]
        if not numbered:
            raise WindrowError("not_found", f"{folder} holds no epoch")
        folder = max(numbered, key=lambda each: int(each.parent.name)).parent
    try:
        content = json.loads((folder / "epoch.json").read_bytes())
        return {name: content[name] for name in ("epoch_id", "root", "chain_id", "distributor")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WindrowError("bad_proof", f"{folder}: epoch.json is no header of an epoch") from error


def _named(epoch: Mapping[str, Any]) -> tuple[int, str]:
    """Return the chain and the distributor that an epoch's header names. Raises WindrowError `bad_proof`."""
    from web3 import Web3

    chain_id, distributor = epoch.get("chain_id"), epoch.get("distributor")
    if not isinstance(chain_id, int) or not Web3.is_address(distributor):
        raise WindrowError("bad_proof", "the epoch names no distributor on a chain")
    return chain_id, Web3.to_checksum_address(str(distributor))


def _published_beside(export: Path) -> Path | None:
    """Return the epochs of the house that an export still lies in, if it does."""
    folder = export.resolve().parent.parent.parent / "epochs"
    return folder if not (export / PROOFS_FOLDER).is_dir() and folder.is_dir() else None


def _accepted_on_chain(rpc: str, epoch: Mapping[str, Any]) -> str:
    """Say that the distributor an epoch names accepted its root. Raises WindrowError `bad_proof` when it did not."""
    from chain.bound import BoundContract
    from chain.distributor import DistributorOps
    from chain.rpc import connect
    from chain.sender import Sender

    chain_id, place = _named(epoch)
    w3 = connect(rpc, chain_id)
    sender = Sender(w3)
    token = BoundContract(w3, sender, "WindToken", str(epoch["token"]))
    contract = BoundContract(w3, sender, "RewardDistributor", place)
    contract.check()
    distributor, root = DistributorOps(contract, token, lambda: 0), epoch["root"]
    newest = int(w3.eth.block_number)
    known = distributor.root() == root or any(
        each.root == root for each in distributor.accepted_roots(0, newest)
    )
    if not known:
        raise WindrowError("bad_proof", f"the distributor never accepted root {root}")
    return f"the distributor accepted root {root}"
