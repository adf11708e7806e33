"""Posting with its folds: what moves a node's money moves its stake and its pending documents in the same breath.

Rules: one transaction, one book; every move is a step of the table in `vesting` or a row of amount 0. A penalty takes
what is pending first, the newest documents first, then the bond; what it took comes back to where it lay, once. What a
penalty left nothing of stays pending with nothing, since its document has not vested.

Does not: price, decide who is fined or what vests, or open transactions.

Usage::

    books = Books(connection, rules)
    books.earn(document, priced)
    posted = books.close()

Source: docs/protocol.md, "Pay" and "Consequences".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from rewards.ledger import ASSET, Transfer, post, posted_account
from rewards.rates import Priced
from rewards.stakes import Stakes
from storage.tables.contributions import ledger
from storage.tables.pay import pending_pay
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import PPM, TrustRules

FINES: Final = "fines"
_LOOKED_AT_ONCE: Final = 64  # pending documents, by a penalty: most take a few


@dataclass(frozen=True, slots=True)
class Document:
    """A contribution that is paid: who handed it in, where in the log, when it was judged, and by which terms."""

    contribution_id: str
    node_id: str
    seq: int
    received_at_ms: int
    judged_at_ms: int
    terms_version: int  # of pay, that entries about it name


@dataclass(frozen=True, slots=True)
class Penalty:
    """Why money moves: a consequence's id, whom it concerns, its kind as the reason, its time and terms."""

    consequence_id: str
    node_id: str
    reason: str
    at_ms: int
    terms_version: int


class Books:
    """The entries and folds of one transaction."""

    def __init__(self, connection: sa.Connection, rules: TrustRules) -> None:
        self._connection = connection
        self._rules = rules
        self._waiting: list[Transfer] = []
        self._earned: list[dict[str, Any]] = []  # rows of pending_pay that are not written yet
        self._released: list[str] = []  # and the causes of those to be deleted
        self.stakes = Stakes(connection)

    def close(self) -> int:
        """Post what was moved, write the folds, and return how many entries that were.

        Raises WindrowError `unbalanced` when an entry was there already: the folds would count it twice.
        """
        posted = post(self._connection, self._waiting)
        if posted != len(self._waiting):
            raise WindrowError("unbalanced", f"{len(self._waiting) - posted} entries were posted before")
        self._waiting = []
        self._write_pending()
        self.stakes.save()
        return posted

    def move(
        self,
        debit: str,
        credit: str,
        amount: int,
        *,
        cause: str,
        rule: str,
        reason: str,
        at_ms: int,
        version: int,
    ) -> None:
        """Move an amount between accounts, and with it the stakes of the nodes they belong to."""
        for account, change in ((debit, -amount), (credit, amount)):
            kind, _, node_id = account.partition(":")
            if kind == "pending":
                self.stakes.of(node_id).pending += change
            elif kind == "bond":
                self.stakes.of(node_id).bond += change
        transfer = Transfer(debit, credit, amount, cause, rule, reason, at_ms, rule_version=version)
        self._waiting.append(transfer)

    def earn(self, document: Document, lines: Iterable[Priced], *, slot: str = "") -> None:
        """Credit a priced document: to the node's bond in its probation, else to what is pending.

        `slot` goes before each line's rule, so that a document refused at first can be paid later.
        """
        priced = list(lines)
        earned = sum(line.amount_wei for line in priced)
        held = self._held(document.node_id) if earned else "pending"
        for line in priced:
            self.move(
                "emission",
                f"{held}:{document.node_id}",
                line.amount_wei,
                cause=document.contribution_id,
                rule=slot + line.rule,
                reason=line.reason,
                at_ms=document.judged_at_ms,
                version=document.terms_version,
            )
        if held == "bond":
            self.stakes.of(document.node_id).bonded += 1
        elif earned:
            novelty = sum(line.amount_wei for line in priced if line.rule == "novelty")
            self._wait(document, document.contribution_id, earned - novelty, novelty)

    def take(self, penalty: Penalty, amount: int) -> int:
        """Take up to an amount, pending first and then the bond, and return how much that was."""
        stake = self.stakes.of(penalty.node_id)
        from_pending = min(amount, stake.pending)
        from_bond = min(amount - from_pending, stake.bond)
        self._shrink_newest(penalty.node_id, from_pending)
        self._to_fines(penalty, "pending", from_pending)
        if from_bond:
            self._to_fines(penalty, "bond", from_bond)
        return from_pending + from_bond

    def take_bond(self, penalty: Penalty) -> None:
        """Take all that lies in the node's bond."""
        self._to_fines(penalty, "bond", self.stakes.of(penalty.node_id).bond)

    def take_document(self, penalty: Penalty, contribution_id: str) -> None:
        """Take what one document of the node has pending; nothing happens when it has nothing."""
        self._write_pending()
        row = (pending_pay.c.cause == contribution_id) & (pending_pay.c.node_id == penalty.node_id)
        item = self._connection.execute(sa.select(pending_pay).where(row)).one_or_none()
        if item is not None and item.fee + item.novelty:
            self._connection.execute(sa.update(pending_pay).where(row).values(fee=0, novelty=0))
            self._to_fines(penalty, "pending", item.fee + item.novelty)

    def take_novelty(self, penalty: Penalty, share_ppm: int) -> None:
        """Take a share of what a node's pending documents earned for new text."""
        self._write_pending()
        items = sa.select(pending_pay.c.cause, pending_pay.c.novelty).where(
            pending_pay.c.node_id == penalty.node_id
        )
        taken = 0
        for item in self._connection.execute(items).all():
            part = item.novelty * share_ppm // PPM
            if part:
                row = pending_pay.c.cause == item.cause
                self._connection.execute(
                    sa.update(pending_pay).where(row).values(novelty=item.novelty - part)
                )
                taken += part
        self._to_fines(penalty, "pending", taken)

    def give_back(self, undone_id: str, at: Document) -> None:
        """Return what a penalty took to where it lay; it vests as the document at whose place `at` stands.

        A penalty comes back once: the entries are named by the penalty that is undone.
        """
        of_penalty = (ledger.c.cause == undone_id) & (ledger.c.asset == ASSET)
        taken = sa.select(ledger.c.debit, ledger.c.amount).where(of_penalty, ledger.c.credit == FINES)
        undone = sa.select(ledger.c.entry_seq).where(of_penalty, ledger.c.debit == FINES).limit(1)
        if self._connection.execute(undone).first() is not None:
            return
        for entry in self._connection.execute(taken).all():
            kind, _, node_id = entry.debit.partition(":")
            self.move(
                FINES,
                entry.debit,
                entry.amount,
                cause=undone_id,
                rule=f"undone:{kind}",
                reason="came_back",
                at_ms=at.judged_at_ms,
                version=at.terms_version,
            )
            if kind == "pending" and entry.amount:
                self._wait(at, undone_id, entry.amount, 0, node_id=node_id)

    def release(self, item: Any, payout: str, at_ms: int, version: int) -> None:
        """Post what is pending of one document (a row of `pending_pay`) to its owner."""
        self._released.append(item.cause)
        if item.fee + item.novelty:
            self.move(
                f"pending:{item.node_id}",
                posted_account(payout),
                item.fee + item.novelty,
                cause=item.cause,
                rule="release",
                reason="released",
                at_ms=at_ms,
                version=version,
            )

    def _held(self, node_id: str) -> str:
        stake = self.stakes.of(node_id)
        young = stake.bonded < self._rules.probation_documents and not stake.settled
        return "bond" if young and self._rules.on("probation") else "pending"

    def _wait(
        self, document: Document, cause: str, fee: int, novelty: int, *, node_id: str | None = None
    ) -> None:
        self._earned.append(
            {
                "cause": cause,
                "node_id": node_id or document.node_id,
                "seq": document.seq,
                "received_at_ms": document.received_at_ms,
                "earned_at_ms": document.judged_at_ms,
                "fee": fee,
                "novelty": novelty,
            }
        )

    def _write_pending(self) -> None:
        """Write what was earned and delete what was released, before anybody looks at what is pending."""
        if self._earned:
            self._connection.execute(sa.insert(pending_pay), self._earned)
        if self._released:
            self._connection.execute(sa.delete(pending_pay).where(pending_pay.c.cause.in_(self._released)))
        self._earned, self._released = [], []

    def _shrink_newest(self, node_id: str, amount: int) -> None:
        """Take an amount from a node's pending documents, the newest first."""
        self._write_pending()
        left = amount
        while left:
            items = self._newest(node_id)
            if not items:
                raise WindrowError("unbalanced", f"{left} wei of {node_id} are pending for no document")
            for item in items:
                novelty = min(left, item.novelty)
                fee = min(left - novelty, item.fee)
                left -= novelty + fee
                if novelty + fee:
                    self._connection.execute(
                        sa.update(pending_pay)
                        .where(pending_pay.c.cause == item.cause)
                        .values(fee=item.fee - fee, novelty=item.novelty - novelty)
                    )

    def _newest(self, node_id: str) -> list[Any]:
        """Return some of the newest documents of which anything is left."""
        statement = (
            sa.select(pending_pay)
            .where(pending_pay.c.node_id == node_id)
            .where(sa.or_(pending_pay.c.fee != 0, pending_pay.c.novelty != 0))
            .order_by(pending_pay.c.seq.desc(), pending_pay.c.cause)
            .limit(_LOOKED_AT_ONCE)
        )
        return list(self._connection.execute(statement))

    def _to_fines(self, penalty: Penalty, kind: str, amount: int) -> None:
        self.move(
            f"{kind}:{penalty.node_id}",
            FINES,
            amount,
            cause=penalty.consequence_id,
            rule=f"taken:{kind}",
            reason=penalty.reason,
            at_ms=penalty.at_ms,
            version=penalty.terms_version,
        )
