"""What a stranger may hand to whoever checks an export against a chain: a saved root, a header, nodes of tries.

Rules: as `parsers.py` says. The first byte chooses; nodes are given as an RLP list, and the root is the hash of the
first one, so that the fuzzer is past the first hash.

Does not: know a chain. Usage: `saved_root(b"\\0{…}")`.
"""

from __future__ import annotations

import re

import rlp  # type: ignore[import-untyped]
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from chain.saved_roots import proven_root, saved_root_of
from chain.state_proofs import proven_account, proven_word, read_header
from windrow_protocol.merkle import keccak256

PLACE = "0x" + "5a" * 20
SLOT = 3


def saved_root(data: bytes) -> None:
    """A file that proves a root, or one level of it."""
    kind, rest = data[:1], data[1:]
    if kind == b"\1":
        header = read_header(rest)
        assert header.hash == "0x" + keccak256(rest).hex()
        assert len(header.state_root) == 32
    elif kind in (b"\2", b"\3"):
        _nodes(kind, rest)
    else:
        saved = saved_root_of(rest)
        assert re.fullmatch(r"0x[0-9a-f]{64}", proven_root(saved, saved.chain_id, saved.distributor).root)


def _nodes(kind: bytes, raw: bytes) -> None:
    try:
        nodes = rlp.decode(raw, rlp.sedes.CountableList(rlp.sedes.binary))
    except (RLPException, RecursionError):
        return
    root = keccak256(nodes[0]) if nodes else bytes(32)
    if kind == b"\2":
        account = proven_account(root, PLACE, nodes)
        assert len(account.storage_root) == len(account.code_hash) == 32
    else:
        assert len(proven_word(root, SLOT, nodes)) == 32
