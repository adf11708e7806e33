"""An epoch's root with a block's header that proves it: saved once from a node, checked for ever without one.

Rules: the file is bounded and its every field is refused unless it is what it says. That the contract at the address
is Windrow's distributor follows from the hash of its code in the account's proof. The header's hash is the one thing
that has to be believed, or compared with another source; the chain id in the file is what its writer says.

Does not: judge epochs (`marketplace/settlement_checks.py` does), or wait until a block is final.

Usage::

    saved = save_root(w3, distributor, root)          # asks the node
    found = proven_root(saved, chain_id, distributor)  # asks nobody: found.root, found.header.hash

Source: EIP-1186 (`eth_getProof`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from web3 import Web3
from web3.exceptions import Web3Exception
from web3.types import RPCEndpoint

from chain.abi import artifact
from chain.bound import BoundContract
from chain.distributor import DistributorOps
from chain.sender import Sender
from chain.state_proofs import (
    ReadHeader,
    header_bytes,
    proven_account,
    proven_word,
    read_header,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SAVED_ROOT_BYTES_MAX, TRIE_PROOF_NODES_MAX
from windrow_protocol.merkle import keccak256

FILE_NAME: Final = "root_proof.json"
_CONTRACT: Final = "RewardDistributor"

Hex = Annotated[str, msgspec.Meta(pattern=r"^0x([0-9a-f]{2})*$")]
Nodes = Annotated[tuple[Hex, ...], msgspec.Meta(max_length=TRIE_PROOF_NODES_MAX)]


class SavedRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A header, and the way from it to the word in which a distributor keeps its root. Bytes are 0x and hex."""

    format: Literal["windrow-root-1"]
    chain_id: int
    distributor: Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{40}$")]
    header: Hex
    code: Hex
    account_proof: Nodes
    storage_proof: Nodes

    def as_bytes(self) -> bytes:
        """Return the file's bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


class ProvenRoot(msgspec.Struct, frozen=True):
    """The root that claims were checked against at a block, 0x and 64 hex digits."""

    root: str
    header: ReadHeader


def read_saved_root(path: Path) -> SavedRoot:
    """Read a file. Raises WindrowError `not_found`, `bad_proof`."""
    try:
        with path.open("rb") as file:
            data = file.read(SAVED_ROOT_BYTES_MAX + 1)
    except OSError as error:
        raise WindrowError("not_found", f"{path} cannot be read") from error
    return saved_root_of(data)


def saved_root_of(data: bytes) -> SavedRoot:
    """Read a file's bytes. Raises WindrowError `bad_proof`."""
    if len(data) > SAVED_ROOT_BYTES_MAX:
        raise WindrowError("bad_proof", f"a saved root has at most {SAVED_ROOT_BYTES_MAX} bytes")
    try:
        return msgspec.json.decode(data, type=SavedRoot)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WindrowError("bad_proof", f"it is no saved root: {error}"[:200]) from error


def proven_root(saved: SavedRoot, chain_id: int, distributor: str) -> ProvenRoot:
    """Follow a saved header to the distributor's root, asking nobody. Raises WindrowError `bad_proof`."""
    if (saved.chain_id, saved.distributor.lower()) != (chain_id, distributor.lower()):
        raise WindrowError(
            "bad_proof", f"it is of {saved.distributor} on chain {saved.chain_id}, not {distributor}"[:160]
        )
    header = read_header(_raw(saved.header))
    account = proven_account(header.state_root, distributor, [_raw(node) for node in saved.account_proof])
    code, contract = _raw(saved.code), artifact(_CONTRACT)
    if keccak256(code) != account.code_hash:
        raise WindrowError("bad_proof", f"the code of {distributor} is not the one at that block")
    if not contract.is_code(code):
        raise WindrowError("bad_proof", f"{distributor} is no {_CONTRACT} that this version of Windrow knows")
    slot, nodes = contract.storage["root"], [_raw(node) for node in saved.storage_proof]
    return ProvenRoot("0x" + proven_word(account.storage_root, slot, nodes).hex(), header)


def save_root(w3: Web3, distributor: str, root: str, block: int | None = None) -> SavedRoot:
    """Ask a node for the proof of a root: at `block`, or where it holds now, or where it was accepted.

    Raises WindrowError `not_found` (the root was never accepted), `bad_proof` (the node's answer proves it not),
    `chain_rejected` (it keeps no proofs of that block), `chain_unreachable`.
    """
    number = _block_of(w3, distributor, root) if block is None else block
    told = _asked(w3, "eth_getBlockByNumber", hex(number), False)
    slot = f"0x{artifact(_CONTRACT).storage['root']:064x}"  # some nodes take no quantity here
    proof = _asked(w3, "eth_getProof", distributor, [slot], hex(number))
    code = _asked(w3, "eth_getCode", distributor, hex(number))
    try:
        content = {
            "format": "windrow-root-1",
            "chain_id": w3.eth.chain_id,
            "distributor": distributor,
            "header": "0x" + header_bytes(told).hex(),
            "code": code,
            "account_proof": proof["accountProof"],
            "storage_proof": proof["storageProof"][0]["proof"],
        }
        saved = msgspec.convert(content, SavedRoot)
    except (msgspec.ValidationError, KeyError, IndexError, TypeError) as error:
        raise WindrowError("bad_proof", f"the node's answer is no proof: {error}"[:200]) from error
    found = proven_root(saved, saved.chain_id, distributor)
    if found.root != root:
        raise WindrowError("bad_proof", f"at block {number} the distributor's root is {found.root}")
    return saved


def _block_of(w3: Web3, distributor: str, root: str) -> int:
    contract = BoundContract(w3, Sender(w3), _CONTRACT, distributor)
    contract.check()
    operations = DistributorOps(contract, contract, lambda: 0)
    newest = int(w3.eth.block_number)
    if operations.root(newest) == root:
        return newest
    for accepted in operations.accepted_roots(0, newest):
        if accepted.root == root:
            return accepted.block
    raise WindrowError("not_found", f"the distributor {distributor} never accepted root {root}")


def _asked(w3: Web3, method: str, *parameters: Any) -> Any:
    """Return a node's answer as it came: web3's own types leave out fields of headers."""
    try:
        answer = w3.provider.make_request(RPCEndpoint(method), list(parameters))
    except Web3Exception as error:
        raise WindrowError("chain_rejected", f"{method}: {error}"[:200]) from error
    if answer.get("result") is None:
        said = answer.get("error") or "no answer"
        raise WindrowError("chain_rejected", f"{method}: {said}"[:200])
    return answer["result"]


def _raw(digits: str) -> bytes:
    return bytes.fromhex(digits[2:])
