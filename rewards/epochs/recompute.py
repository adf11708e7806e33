"""The second opinion: an epoch's root from the published `ledger.ndjson` alone, written independently of the first.

Rules: shares no code with `rewards/ledger.py`, `rewards/epochs/closing.py` or the tree of
`windrow_protocol/merkle.py`; of that module it takes the Keccak hash and nothing else. It counts what flows in and
out of an account instead of folding balances, and builds the tree from the root down instead of from the leaves up.
Anyone may run it on a download. Any lines can be given heads that follow and a root that fits, so it also asks what
every honest ledger holds: nothing is posted twice, no account but the two sources gives what it has not, and what
passes through a sale leaves it.

Does not: open the database, trust the ledger's heads (it follows the chain again), or correct anything.

Usage::

    found = recompute(Path("ledger.ndjson").read_text(), asset="WIND")
    assert found.root == header["root"]

Source: EIP-55 is not needed here: addresses are compared as 20 bytes. OpenZeppelin `MerkleProof.sol` for the hashing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import keccak256

_SOURCES = ("emission", "buyers")
_PASSED_THROUGH = ("sales", "royalties")
_SEALED = (
    "entry_id",
    "debit",
    "credit",
    "asset",
    "amount",
    "cause",
    "reason",
    "rule_version",
    "created_at_ms",
)


@dataclass(frozen=True)
class Recomputed:
    """What the published lines say. `allotted` is wei by lower-case address; `root` is 0x and 64 hex digits."""

    entries: int
    head: str
    allotted: dict[str, int]
    total: int
    root: str


class _Held:
    """What each account of each asset holds, and which entries there were."""

    def __init__(self) -> None:
        self._posted: set[bytes] = set()
        self._amounts: defaultdict[tuple[str, str], int] = defaultdict(int)

    def move(self, row: dict[str, Any], place: int) -> None:
        """Count one line. Raises WindrowError `unbalanced`."""
        name, debit = bytes.fromhex(row["entry_id"]), (row["asset"], row["debit"])
        if name in self._posted:
            raise WindrowError("unbalanced", f"what line {place} posts was posted before")
        self._posted.add(name)
        amount = int(row["amount"])
        self._amounts[debit] -= amount
        self._amounts[row["asset"], row["credit"]] += amount
        if self._amounts[debit] < 0 and row["debit"] not in _SOURCES:
            raise WindrowError("unbalanced", f"after line {place} {row['debit']} is below zero")

    def require_empty(self) -> None:
        """Raise WindrowError `unbalanced` when a clearing account holds anything."""
        for (asset, account), amount in self._amounts.items():
            if account in _PASSED_THROUGH and amount:
                raise WindrowError("unbalanced", f"{account} holds {amount} {asset}")


def recompute(ledger_ndjson: str, asset: str) -> Recomputed:
    """Follow the heads, sum what each address was allotted, and hash the tree.

    Raises WindrowError `unbalanced` when the lines are no intact ledger, `nothing_to_settle` when nobody is owed.
    """
    place, head, held = 0, 64 * "0", _Held()
    flows: defaultdict[str, int] = defaultdict(int)
    for place, line in enumerate(_lines_of(ledger_ndjson), start=1):
        row = _parsed(line)
        head = _followed(row, place, head)
        held.move(row, place)
        if row["asset"] == asset:
            _count(flows, row)
    held.require_empty()
    allotted = {address: flow for address, flow in flows.items() if flow > 0}
    if not allotted:
        raise WindrowError("nothing_to_settle", "no address was allotted anything")
    ordered = sorted(_leaf(address, amount) for address, amount in allotted.items())
    root = _node(0, ordered)
    return Recomputed(place, head, allotted, sum(allotted.values()), "0x" + root.hex())


def _lines_of(text: str) -> Iterator[str]:
    """Yield the lines without making a second copy of all of them: a year's ledger is a large file."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _parsed(line: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
        if set(row) != {"entry_seq", "head", *_SEALED} or str(abs(int(row["amount"]))) != row["amount"]:
            raise ValueError
        if len(bytes.fromhex(row["entry_id"])) != 32:
            raise ValueError
    except (ValueError, TypeError) as error:
        raise WindrowError("unbalanced", f"not a line of a ledger: {line[:80]}") from error
    return row


def _followed(row: dict[str, Any], place: int, head: str) -> str:
    sealed = [head, str(place), *(str(row[name]) for name in _SEALED)]
    following = sha256("\n".join(sealed).encode()).hexdigest()
    if row["entry_seq"] != place or row["head"] != following:
        raise WindrowError("unbalanced", f"the chain of heads breaks at line {place}")
    return following


def _count(flows: defaultdict[str, int], row: dict[str, Any]) -> None:
    """Count what flowed to an address, posted or claimed, and what flowed away from it."""
    came, went = row["credit"].split(":"), row["debit"].split(":")
    amount = int(row["amount"])
    if came[0] in ("posted", "claimed"):
        flows[came[1].lower()] += amount
    if went[0] in ("posted", "claimed"):
        flows[went[1].lower()] -= amount


def _leaf(address: str, amount: int) -> bytes:
    words = address[2:].rjust(64, "0") + f"{amount:064x}"
    return keccak256(keccak256(bytes.fromhex(words)))


def _node(index: int, ordered: Sequence[bytes]) -> bytes:
    """Hash the node of a complete binary tree whose last nodes are the leaves, the smallest hash at the very end."""
    last = 2 * len(ordered) - 2
    if 2 * index + 1 > last:
        return ordered[last - index]
    return keccak256(b"".join(sorted((_node(2 * index + 1, ordered), _node(2 * index + 2, ordered)))))
