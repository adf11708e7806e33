"""The five files of an epoch: what is published so that anyone can compute its root again.

    tree.json       OpenZeppelin's `standard-v1` dump
    ledger.ndjson   every entry up to the epoch, with the chain of heads
    economics.json  every version of the economic parameters that entries may name
    epoch.json      the header: what was frozen, the root, the digests of the three files above, and the chain
    epoch.jws       the same header, signed by the coordinator (purpose `epoch`, subject the epoch's number)

Rules: bytes follow from the frozen epoch alone, so writing them again writes the same. A file is believed only when its
digest is the header's.

Does not: decide amounts, change states, or talk to a chain.

Usage: `tree = read_tree(house.home, epoch_id=1, tree_sha256=…)`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa

from rewards.ledger import entries
from storage.pay_terms import terms_upto
from storage.tables.contributions import ledger
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree

TREE, LEDGER, TERMS, HEADER, SIGNED = (
    "tree.json",
    "ledger.ndjson",
    "economics.json",
    "epoch.json",
    "epoch.jws",
)
NAMES: Final = (TREE, LEDGER, TERMS, HEADER, SIGNED)
CONTENT_TYPES: Final = {
    TREE: "application/json",
    LEDGER: "application/x-ndjson",
    TERMS: "application/json",
    HEADER: "application/json",
    SIGNED: "application/jose",
}


def epoch_folder(home: Path, epoch_id: int) -> Path:
    """Return where an epoch's files lie."""
    return home / "epochs" / str(epoch_id)


def sha256_hex(data: bytes) -> str:
    """Return a digest in lower hex."""
    return hashlib.sha256(data).hexdigest()


def tree_bytes(tree: MerkleTree) -> bytes:
    """Return the tree's dump as published."""
    return json.dumps(tree.dump(), separators=(",", ":")).encode() + b"\n"


def ledger_bytes(connection: sa.Connection, upto_seq: int) -> bytes:
    """Return the entries up to one as published."""
    return "".join(entry.ndjson() for entry in entries(connection, upto_seq)).encode()


def terms_bytes(connection: sa.Connection, upto_seq: int) -> bytes:
    """Return every version of the terms that an entry up to one may name, as published."""
    newest = sa.select(sa.func.max(ledger.c.rule_version)).where(ledger.c.entry_seq <= upto_seq)
    versions = terms_upto(connection, connection.execute(newest).scalar() or 0)
    told = {"terms": [each.published() for each in versions]}
    return json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """Return the header as published: sorted keys, readable."""
    return json.dumps(header, indent=2, sort_keys=True).encode() + b"\n"


def read_tree(home: Path, epoch_id: int, tree_sha256: str) -> MerkleTree:
    """Return a published tree. Raises WindrowError `bad_proof` when the file is missing or not the one published."""
    return _read_tree(epoch_folder(home, epoch_id) / TREE, tree_sha256)


def read_leaves(home: Path, epoch_id: int, tree_sha256: str) -> Mapping[str, int]:
    """Return a published tree's amounts in wei by account. Raises as `read_tree` does."""
    return _read_leaves(epoch_folder(home, epoch_id) / TREE, tree_sha256)


@lru_cache(maxsize=2)
def _read_leaves(path: Path, tree_sha256: str) -> Mapping[str, int]:
    return MappingProxyType({account: amount for account, amount, _ in _read_tree(path, tree_sha256).leaves})


@lru_cache(maxsize=2)
def _read_tree(path: Path, tree_sha256: str) -> MerkleTree:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WindrowError("bad_proof", f"epoch {path.parent.name}: {path.name} cannot be read") from error
    if sha256_hex(data) != tree_sha256:
        raise WindrowError("bad_proof", f"epoch {path.parent.name}: {path.name} was changed")
    return MerkleTree.load(json.loads(data))
