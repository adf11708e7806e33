"""The checks that lead from an export's rows to a root: ledger entries, heads, balances, leaves, tree, epoch, chain.

Rules: written from the published format alone, without the code that pays: the chain of heads is followed line by line,
balances are folded here, and the tree is hashed again. A row's entry is the credit of its node, to what is pending or
to its bond; whether that was paid out by now is said too. A row missing from a ledger that was closed before the export
is *not checked*; missing from one that was closed after it, it is a fault.

Does not: fetch epochs, or ask a chain itself (the caller's callable does).

Usage: `Report().ask_all(SettlementChecks(export, epochs, root_on_chain, now_ms).questions())`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from marketplace.export_checks import ExportChecks
from marketplace.questions import Findings, NotChecked, Question
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import MerkleTree, checksum_address

TREE, LEDGER, HEADER, SIGNED = "tree.json", "ledger.ndjson", "epoch.json", "epoch.jws"
EPOCH_FILES: Final = (TREE, LEDGER, HEADER, SIGNED)
FIRST_HEAD: Final = "0" * 64
SOURCES: Final = ("emission", "buyers")  # the only accounts that give what they have not
NO_EPOCHS: Final = "no published epochs were given (a buyer's client fetches them into `proofs/`)"


class Header(msgspec.Struct, frozen=True):
    """What an epoch's header says, as far as it is checked here."""

    epoch_id: int
    network: str
    asset: str
    entry_seq: int
    ledger_head: str
    root: str
    total_wei: str
    tree_sha256: str
    ledger_sha256: str
    closed_at_ms: int


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a published ledger."""

    entry_seq: int
    entry_id: Annotated[str, Meta(pattern="^[0-9a-f]{64}$(?!\\n)")]
    debit: str
    credit: str
    asset: str
    amount: str
    cause: str
    reason: str
    rule_version: int
    created_at_ms: int
    head: str


@dataclass
class _Ledger:
    """What following the ledger gave."""

    head: str = FIRST_HEAD
    entries: int = 0
    allotted: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    credited: set[tuple[str, str]] = field(default_factory=set)  # contribution, node
    released: dict[tuple[str, str], str] = field(default_factory=dict)  # the same, and the address paid
    posted: set[str] = field(default_factory=set)  # ids of entries
    held: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))  # by asset


@dataclass
class SettlementChecks:
    """The questions about one export's pay."""

    export: ExportChecks
    epochs: Path | None
    root_on_chain: Callable[[Mapping[str, Any]], str] | None
    now_ms: int
    _folder: Path | None = None
    _header: Header | None = None
    _ledger: _Ledger | None = None
    _tree: MerkleTree | None = None

    def questions(self) -> list[Question]:
        """Return the questions in the order in which they build on each other."""
        return [
            ("epoch signature", self._signature),
            ("ledger", self._chain_of_heads),
            ("ledger entries", self._entries),
            ("tree and root", self._root),
            ("leaves", self._leaves),
            ("root on chain", self._on_chain),
        ]

    def lines_about(self, cause: str) -> list[Line]:
        """Return the checked ledger's entries about one contribution. Raises NotChecked."""
        folder, _ = self._signed()
        self._followed()
        with (folder / LEDGER).open("rb") as lines:
            return [each for data in lines if (each := msgspec.json.decode(data, type=Line)).cause == cause]

    def settled(self) -> tuple[Header, MerkleTree]:
        """Return the epoch's header and its tree, both checked. Raises NotChecked."""
        _, header = self._signed()
        if self._tree is None:
            raise NotChecked("there is no tree whose root was checked")
        return header, self._tree

    def _signature(self) -> str:
        folder = self._newest()
        signed = self.export.statement(_text(folder / SIGNED).strip(), "epoch", folder.name).content or {}
        try:
            shown = msgspec.json.decode(_bytes(folder / HEADER))
            header = msgspec.convert(signed, Header)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise WindrowError("bad_proof", f"epoch {folder.name}: {HEADER}: {error}"[:200]) from error
        if shown != signed or header.network != self.export.signed().network:
            raise WindrowError(
                "bad_proof", f"epoch {folder.name}: {HEADER} is not the header that was signed"
            )
        for name, digest in ((TREE, header.tree_sha256), (LEDGER, header.ledger_sha256)):
            if hashlib.sha256(_bytes(folder / name)).hexdigest() != digest:
                raise WindrowError("bad_proof", f"epoch {folder.name}: {name} is not the one that was signed")
        self._folder, self._header = folder, header
        return f"epoch {header.epoch_id} signed by the export's coordinator"

    def _newest(self) -> Path:
        """Return the folder of the newest epoch that is whole. Raises NotChecked."""
        if self.epochs is None or not self.epochs.is_dir():
            raise NotChecked(NO_EPOCHS)
        if (self.epochs / HEADER).is_file():
            return self.epochs.resolve()
        whole = [
            folder
            for folder in self.epochs.iterdir()
            if folder.name.isdecimal() and all((folder / name).is_file() for name in EPOCH_FILES)
        ]
        if not whole:
            raise NotChecked(NO_EPOCHS)
        return max(whole, key=lambda folder: int(folder.name))

    def _signed(self) -> tuple[Path, Header]:
        if self._folder is None or self._header is None:
            raise NotChecked("there is no epoch whose signature was checked")
        return self._folder, self._header

    def _chain_of_heads(self) -> str:
        folder, header = self._signed()
        ledger = _Ledger()
        with (folder / LEDGER).open("rb") as lines:
            for data in lines:
                _follow(ledger, data, header.asset)
        if (ledger.entries, ledger.head) != (header.entry_seq, header.ledger_head):
            raise WindrowError("bad_proof", "the ledger does not end where the epoch was frozen")
        self._ledger = ledger
        return (
            f"{ledger.entries} entries follow each other to the head that was signed, and give what was there"
        )

    def _followed(self) -> _Ledger:
        if self._ledger is None:
            raise NotChecked("there is no ledger whose chain was checked")
        return self._ledger

    def _entries(self) -> str:
        _, header = self._signed()
        ledger, rows = self._followed(), self.export.rows
        if rows is None:
            raise NotChecked("the rows could not be read")
        if not rows.names_owners:
            raise NotChecked(
                "these rows name nobody: the ledger has the sale, and months of history without names"
            )
        missing, owned, paid_out, moved = Findings(), 0, 0, 0
        for contribution_id, paid in rows.paid.items():
            if not paid.payout_address:
                continue
            owned += 1
            if (contribution_id, paid.node_id) not in ledger.credited:
                missing.add(f"row {contribution_id} was not credited to node {paid.node_id}")
            address = ledger.released.get((contribution_id, paid.node_id), "")
            paid_out += bool(address)
            moved += address not in ("", checksum_address(paid.payout_address))
        if missing.count and header.closed_at_ms < self.export.signed().created_at_ms:
            raise NotChecked(
                f"{missing.count} of {rows.count} rows are not in the ledger of epoch {header.epoch_id}, which was "
                "closed before this export was published; get a newer epoch"
            )
        missing.require_none("bad_proof")
        return (
            f"{owned} rows were each credited to their node, {paid_out} of them paid out by now, "
            f"{moved} to another address than their node has now; {rows.count - owned} belong to the treasury"
        )

    def _root(self) -> str:
        folder, header = self._signed()
        try:
            tree = MerkleTree.load(msgspec.json.decode(_bytes(folder / TREE)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise WindrowError("bad_proof", f"{TREE} is no JSON") from error
        if (tree.root, str(tree.total)) != (header.root, header.total_wei):
            raise WindrowError("bad_proof", "the tree does not give the root and total that were signed")
        self._tree = tree
        return f"{len(tree.leaves)} leaves hash to {tree.root}"

    def _leaves(self) -> str:
        ledger, tree = self._followed(), self._tree
        if tree is None:
            raise NotChecked("there is no tree whose root was checked")
        leaves = {account: amount for account, amount, _ in tree.leaves}
        folded = {account: amount for account, amount in ledger.allotted.items() if amount > 0}
        wrong = Findings()
        for account in sorted(leaves.keys() | folded.keys()):
            if leaves.get(account, 0) != folded.get(account, 0):
                wrong.add(
                    f"{account} has {leaves.get(account, 0)} wei, its entries say {folded.get(account, 0)}"
                )
        wrong.require_none("bad_proof")
        return f"{len(leaves)} leaves are the sums of their ledger entries"

    def _on_chain(self) -> str:
        folder, _ = self._signed()
        if self.root_on_chain is None:
            raise NotChecked("no RPC and no saved header was given")
        return self.root_on_chain(msgspec.json.decode(_bytes(folder / HEADER)))


def _follow(ledger: _Ledger, data: bytes, asset: str) -> None:
    """Check one line against the head before it, and fold it. Raises WindrowError `bad_proof`."""
    number = ledger.entries + 1
    try:
        line = msgspec.json.decode(data, type=Line)
        amount = int(line.amount)
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError, RecursionError) as error:
        raise WindrowError("bad_proof", f"ledger line {number}: {error}"[:200]) from error
    sealed = (
        *(ledger.head, str(line.entry_seq), line.entry_id, line.debit, line.credit, line.asset, str(amount)),
        *(line.cause, line.reason, str(line.rule_version), str(line.created_at_ms)),
    )
    head = hashlib.sha256("\n".join(sealed).encode()).hexdigest()
    if line.entry_seq != number or line.head != head or amount < 0:
        raise WindrowError("bad_proof", f"the chain of heads breaks at ledger line {number}")
    ledger.entries, ledger.head = number, head
    _require_given(ledger, line, amount)
    if line.asset == asset:
        _fold(ledger, line, amount)


def _require_given(ledger: _Ledger, line: Line, amount: int) -> None:
    """Heads follow whatever lines say: refuse what was posted before, and what nobody had to give."""
    if line.entry_id in ledger.posted:
        raise WindrowError("bad_proof", f"what ledger line {ledger.entries} posts was posted before")
    ledger.posted.add(line.entry_id)
    ledger.held[line.asset, line.debit] -= amount
    ledger.held[line.asset, line.credit] += amount
    if ledger.held[line.asset, line.debit] < 0 and line.debit not in SOURCES:
        raise WindrowError("bad_proof", f"after ledger line {ledger.entries} {line.debit} is below zero")


def _fold(ledger: _Ledger, line: Line, amount: int) -> None:
    (gave, giver), (took, taker) = _account(line.debit), _account(line.credit)
    if took in ("posted", "claimed"):
        ledger.allotted[taker] += amount
    if gave in ("posted", "claimed"):
        ledger.allotted[giver] -= amount
    if gave == "emission" and took in ("pending", "bond") and amount > 0:
        ledger.credited.add((line.cause, taker))
    if gave == "pending" and took == "posted":
        ledger.released[line.cause, giver] = taker


def _account(name: str) -> tuple[str, str]:
    kind, _, holder = name.partition(":")
    return kind, checksum_address(holder) if kind in ("posted", "claimed") else holder


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WindrowError("bad_proof", f"{path.name} is missing") from error


def _text(path: Path) -> str:
    return _bytes(path).decode("ascii", "replace")
