"""The rules of pay once more, in plain dictionaries: what the accountant's ledger must equal to the wei.

Rules: written from the protocol's text and not from `rewards/`, of which it takes nothing but the numbers of the rates.
No database, no folds kept for speed: what is pending is looked at document by document.

Does not: make a chain of heads or a tree (`rewards/epochs/recompute.py` is the second opinion on those).

Usage: `second = SecondLedger(rules); second.close(epoch)`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from bench.ledger_model.history import Epoch
from rewards.rates import CURRENT
from windrow_protocol.trust_rules import TrustRules

MILLION: Final = 1_000_000


@dataclass
class Pending:
    """Pay that waits: for which place of the log, since when, and how much of it is fee and novelty."""

    cause: str
    seq: int
    received_at_ms: int
    fee: int
    novelty: int


@dataclass
class Account:
    """One node."""

    pending: list[Pending] = field(default_factory=list)
    bond: int = 0
    bonded: int = 0
    posted: int = 0
    settled: bool = False
    passed: list[int] = field(default_factory=list)

    @property
    def pending_wei(self) -> int:
        """All that waits."""
        return sum(each.fee + each.novelty for each in self.pending)


class SecondLedger:
    """Every node's money, and what all of it came from."""

    def __init__(self, rules: TrustRules) -> None:
        self._rules = rules
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.emission = 0
        self.fines = 0
        self._documents: dict[str, dict[str, Any]] = {}
        self._paid: set[str] = set()
        self._took: dict[str, list[tuple[str, str, int]]] = {}
        self._undone: set[str] = set()
        self._standings: dict[str, tuple[bool, bool]] = {}
        self._mean: tuple[int, int] = (0, 0)
        self._last_mean = CURRENT.fetch_fee_wei  # of the last epoch in which anything was paid

    def close(self, epoch: Epoch) -> None:
        """Price an epoch, apply its consequences, and release what has vested."""
        self._mean = (0, 0)
        room: defaultdict[str, int] = defaultdict(lambda: self._rules.domain_novelty_bytes_max)
        self._standings |= epoch.standings
        for document in epoch.documents:
            self._price(document, room)
        if self._mean[0]:
            self._last_mean = self._mean[1] // self._mean[0]
        for row in epoch.consequences:
            self._apply(row)
        for node_id, account in self.accounts.items():
            self._release(node_id, account, epoch.closed_at_ms)

    def _price(self, document: dict[str, Any], room: defaultdict[str, int]) -> None:
        self._documents[document["contribution_id"]] = document
        account = self.accounts[document["node_id"]]
        if document["verdict"] not in ("accepted", "unaudited"):
            return
        domain = ".".join(document["url"].split("/")[2].split(".")[-2:])
        novelty = 0
        if document["reason"] != "hard_host" and document["kind"] == "unique":
            wanted = min(
                document["unique_bytes"] * document["confirmed_ppm"] // MILLION, CURRENT.novelty_bytes_max
            )
            paid = min(wanted, room[domain])
            room[domain] -= paid
            novelty = paid * CURRENT.novelty_byte_wei
        self._earn(document, CURRENT.fetch_fee_wei, novelty)
        self._mean = (self._mean[0] + 1, self._mean[1] + CURRENT.fetch_fee_wei + novelty)
        if document["verdict"] == "accepted":
            account.passed.append(document["seq"])

    def _earn(self, document: dict[str, Any], fee: int, novelty: int) -> None:
        account = self.accounts[document["node_id"]]
        self.emission += fee + novelty
        self._paid.add(document["contribution_id"])
        if account.bonded < self._rules.probation_documents and not account.settled:
            account.bonded += 1
            account.bond += fee + novelty
            return
        account.pending.append(
            Pending(document["contribution_id"], document["seq"], document["received_at_ms"], fee, novelty)
        )

    def _apply(self, row: dict[str, Any]) -> None:
        kind, account = row["kind"], self.accounts[row["node_id"]]
        documents, earned = self._mean if self._mean[0] else (1, self._last_mean)
        if kind == "fined":
            self._take(row, earned * row["documents_ppm"] // (documents * MILLION))
        elif kind == "appeal_denied":
            self._take(row, 3 * CURRENT.fetch_fee_wei)
        elif kind == "suspended":
            self._take(row, account.pending_wei + account.bond)
        elif kind == "padding":
            cuts = [(each, each.novelty * row["share_ppm"] // MILLION) for each in account.pending]
            for each, cut in cuts:
                each.novelty -= cut
            self._fine(row, "pending", sum(cut for _, cut in cuts))
        elif kind in ("voided", "restored"):
            self._undo(row)
        elif kind == "begun_again":
            account.bonded = 0
        elif kind == "bond_kept":
            self._fine(row, "bond", account.bond)
            account.bond = 0
        elif kind == "left_settled":
            account.settled = True
        elif kind == "bond_returned":
            account.posted, account.bond = account.posted + account.bond, 0

    def _take(self, row: dict[str, Any], amount: int) -> None:
        account = self.accounts[row["node_id"]]
        left = amount
        for each in sorted(account.pending, key=lambda item: (-item.seq, item.cause)):
            for part in ("novelty", "fee"):
                cut = min(left, getattr(each, part))
                setattr(each, part, getattr(each, part) - cut)
                left -= cut
        self._fine(row, "pending", amount - left)
        from_bond = min(left, account.bond)
        account.bond -= from_bond
        self._fine(row, "bond", from_bond)

    def _fine(self, row: dict[str, Any], held: str, amount: int) -> None:
        self.fines += amount
        self._took.setdefault(row["consequence_id"], []).append((row["node_id"], held, amount))

    def _undo(self, row: dict[str, Any]) -> None:
        document = self._documents[row["contribution_id"]]
        if row["undoes"] not in self._undone:
            self._undone.add(row["undoes"])
            for node_id, held, amount in self._took.get(row["undoes"], []):
                self.fines -= amount
                if held == "bond":
                    self.accounts[node_id].bond += amount
                elif amount:
                    back = Pending(row["undoes"], document["seq"], document["received_at_ms"], amount, 0)
                    self.accounts[node_id].pending.append(back)
        if row["kind"] == "restored" and row["contribution_id"] not in self._paid:
            byte = CURRENT.novelty_byte_wei
            beyond_fee = self._last_mean - CURRENT.fetch_fee_wei
            bytes_paid = min(beyond_fee // byte, CURRENT.novelty_bytes_max)
            self._earn(document, CURRENT.fetch_fee_wei, bytes_paid * byte)

    def _release(self, node_id: str, account: Account, now_ms: int) -> None:
        frozen, suspended = self._standings.get(node_id, (False, False))
        if suspended:
            return
        still = []
        for each in account.pending:
            followed = sum(1 for seq in account.passed[-self._rules.vest_audits :] if seq > each.seq)
            old = each.received_at_ms <= now_ms - self._rules.vest_age_ms
            if account.settled or (not frozen and old and followed >= self._rules.vest_audits):
                account.posted += each.fee + each.novelty
            else:
                still.append(each)
        account.pending = still
