"""Signed payments from the moment they are taken until the sale that they make is settled, or can be none any more.

Rules: a payment is written down before its transfer is sent, with all that sending it again needs, so that neither a
kill nor a reorganisation of the chain loses it. Sending again is safe: an authorization is used once on chain, and who
has the export by another sale is not charged. A state follows from what the chain shows, by the table `STEPS`; an end
is decided by settled blocks alone. What is settled is forgotten; what is void says why for a while, without its
signature.

Does not: check payments (`marketplace.x402` does), record sales, or write a signature into a log.

Usage::

    payments = TakenPayments(house)
    payments.take(chain, export_id, transfer, signature)     # then `bring_in`, and `look` now and then

Source: EIP-3009 (single use, `validBefore`).
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
import structlog

from chain.typed_data import Authorization
from storage.house import House
from storage.state import insert_once
from storage.tables.contributions import nonces
from storage.tables.tills import taken_payments
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import VOID_PAYMENTS_KEPT_MS

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient
    from chain.market import Purchase

log = structlog.get_logger(__name__)
OPEN: Final = ("taken", "sent", "in_block")
# Any open payment may be sent (again), or be found on chain: a home can be a restored backup, or have been killed.
STEPS: Final[dict[tuple[str, str], str]] = {
    (state, event): after
    for state in OPEN
    for event, after in (("send", "sent"), ("stand", "in_block"), ("settle", "settled"), ("end", "void"))
}
# One thread at a time brings payments in: two could charge a buyer twice.
BRINGING_IN: Final = threading.Lock()
REFUSED: Final = ("chain_rejected", "unknown_payment")  # what the chain's no is; anything else is no answer
_T: Final = taken_payments.c
# What a refusal of the chain says of a payment; another is `chain_rejected`.
_REFUSED: Final = {
    "ERC20InsufficientBalance": "balance_gone",
    "ERC3009InvalidAuthorizationTime": "authorization_expired",
    "ListingClosed": "version_retired",
}
# The same by tokens that answer with sentences, as USDC does.
_SAID: Final = {
    "transfer amount exceeds balance": "balance_gone",
    "authorization is expired": "authorization_expired",
}


class TakenPayments:
    """The open payments of one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def take(self, chain: ChainClient, export_id: str, transfer: Authorization, signature: str) -> Any | None:
        """Write a payment down before it is sent and return its row; None where its nonce was heard before.

        `signature` is 0x hex.
        """
        payer, nonce = transfer.payer.lower(), "0x" + transfer.nonce.hex()
        now_ms, market = self._house.now_ms(), chain.market_key()
        row = {
            "payment_key": f"{market}/{payer}/{nonce}",
            "market": market,
            "export_id": export_id,
            "payer": payer,
            "value": transfer.value_wei,
            "valid_after_s": transfer.valid_after_s,
            "valid_before_s": transfer.valid_before_s,
            "nonce": nonce,
            "signature": signature,
            "state": "taken",
            "reason": "",
            "tx_hash": "",
            "taken_at_ms": now_ms,
            "changed_at_ms": now_ms,
        }
        with self._house.state.write() as connection:
            if not (_hear(connection, transfer) and insert_once(connection, taken_payments, **row)):
                return None
            return connection.execute(
                sa.select(taken_payments).where(_T.payment_key == row["payment_key"])
            ).one()

    def hear(self, transfer: Authorization) -> bool:
        """Note the nonce of a payment that pays for nothing; return whether it was heard for the first time."""
        with self._house.state.write() as connection:
            return _hear(connection, transfer)

    def of_buyer(self, chain: ChainClient, export_id: str, payer: str) -> list[Any]:
        """Return the open payments of an account for an export (rows), oldest first."""
        return self._open(chain, _T.export_id == export_id, _T.payer == payer.lower())

    def look(self, chain: ChainClient, settler_key: LocalAccount) -> int:
        """Hold every open payment against the chain, send again what is gone, and return how many states changed.

        Blocking. One that the chain refuses is in no other's way. Raises WindrowError `chain_unreachable` or
        `chain_pending`.
        """
        with BRINGING_IN:
            self._forget()
            return sum(self._looked(chain, settler_key, row) for row in self._open(chain))

    def bring_in(self, chain: ChainClient, settler_key: LocalAccount, row: Any) -> bool:
        """Make the sale of one open payment, or find it; return whether its state changed. Hold `BRINGING_IN`.

        Raises WindrowError `chain_rejected`, `unknown_payment` (used elsewhere), `chain_unreachable` or
        `chain_pending`; the payment is then still open.
        """
        chain.sender.wait_idle(settler_key.address)
        transfer = _transfer(row, chain.market.address)
        sale = chain.market.sale_paid_by(row.payer, transfer.nonce)
        if sale is None:
            each_asset = chain.of_each_asset()
            had = [each for one in each_asset if (each := one.market.purchase_of(row.payer, row.export_id))]
            if had:
                settled = min(each.block for each in had) <= chain.settled_head()
                return settled and self._end(row, "already_bought")
            reason = _void_by_now(chain, row, transfer)
            if reason:
                return self._end(row, reason)
            self._move(row, "send")
            sale = self._sent(chain, settler_key, row, transfer)
        return self._stands(chain, row, sale)

    def drop(self, row: Any) -> None:
        """Forget a payment that was refused before any file was given: its payer is told so, and signs another."""
        with self._house.state.write() as connection:
            of_it = _T.payment_key == row.payment_key
            connection.execute(sa.delete(taken_payments).where(of_it, _T.tx_hash == ""))

    def _looked(self, chain: ChainClient, settler_key: LocalAccount, row: Any) -> bool:
        standing = (
            each for each in chain.market.purchases_in(row.tx_hash) if each.buyer.lower() == row.payer
        )
        try:
            sale = next(standing, None)
            return self._stands(chain, row, sale) if sale else self.bring_in(chain, settler_key, row)
        except WindrowError as error:
            if error.code not in REFUSED:
                raise
            return False

    def _sent(
        self, chain: ChainClient, settler_key: LocalAccount, row: Any, transfer: Authorization
    ) -> Purchase:
        signature = bytes.fromhex(row.signature[2:])
        try:
            return chain.market.buy_with_transfer(settler_key, row.export_id, transfer, signature)
        except WindrowError as error:
            if error.code in REFUSED:
                self._refused(row, error)
            raise

    def _refused(self, row: Any, error: WindrowError) -> None:
        """Keep what the chain said; that the time is over is no news where another reason came first."""
        said = _reason(error)
        reason = row.reason if said == "authorization_expired" and row.reason else said
        if reason != row.reason:
            log.warning("payment_not_brought_in", payer=row.payer, export_id=row.export_id, reason=reason)
            self._change(row, reason=reason)

    def _stands(self, chain: ChainClient, row: Any, sale: Purchase) -> bool:
        if sale.block <= chain.settled_head():
            self._move(row, "settle")
            return True
        if row.state == "in_block" and row.tx_hash == sale.tx:
            return False
        self._move(row, "stand", tx_hash=sale.tx, reason="")
        return True

    def _end(self, row: Any, reason: str) -> bool:
        given = bool(row.tx_hash)
        log.warning(
            "payment_void", payer=row.payer, export_id=row.export_id, reason=reason, files_given=given
        )
        self._move(row, "end", reason=reason, signature="")
        return True

    def _move(self, row: Any, event: str, **changes: Any) -> None:
        """Take a payment one step along `STEPS`; that it is settled is said by `sales`, and its row goes."""
        with self._house.state.write() as connection:
            mine = sa.select(_T.state).where(_T.payment_key == row.payment_key)
            after = STEPS[connection.execute(mine).scalar_one(), event]
            of_it = _T.payment_key == row.payment_key
            if after == "settled":
                connection.execute(sa.delete(taken_payments).where(of_it))
                return
            changes |= {"state": after, "changed_at_ms": self._house.now_ms()}
            connection.execute(sa.update(taken_payments).where(of_it).values(**changes))

    def _change(self, row: Any, **changes: Any) -> None:
        with self._house.state.write() as connection:
            of_it = sa.update(taken_payments).where(_T.payment_key == row.payment_key)
            connection.execute(of_it.values(**changes))

    def _open(self, chain: ChainClient, *wanted: sa.ColumnElement[bool]) -> list[Any]:
        of_it = sa.select(taken_payments).where(_T.state.in_(OPEN), _T.market == chain.market_key(), *wanted)
        with self._house.state.read() as connection:
            return list(connection.execute(of_it.order_by(_T.taken_at_ms, _T.payment_key)))

    def _forget(self) -> None:
        over = sa.and_(_T.state == "void", _T.changed_at_ms < self._house.now_ms() - VOID_PAYMENTS_KEPT_MS)
        with self._house.state.read() as connection:
            if not connection.execute(sa.select(sa.exists().where(over))).scalar():
                return
        with self._house.state.write() as connection:
            connection.execute(sa.delete(taken_payments).where(over))


def payments_said(connection: sa.Connection) -> str:
    """Return in words how many payments are under way, and how many came to nothing for which reason."""
    rows = connection.execute(sa.select(_T.state, _T.reason)).all()
    void = Counter(row.reason for row in rows if row.state == "void")
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(void.items()))
    said = f"{len(rows) - void.total()} signed payments are not settled yet"
    return f"{said}; {void.total()} came to nothing: {reasons}" if void else said


def _reason(error: WindrowError) -> str:
    if error.code == "unknown_payment":
        return "authorization_used"
    in_words = (code for words, code in _SAID.items() if words in error.detail)
    return _REFUSED.get(error.facts.get("reverted", "")) or next(in_words, "chain_rejected")


def _hear(connection: sa.Connection, transfer: Authorization) -> bool:
    heard = {"node_id": transfer.payer.lower(), "nonce": "0x" + transfer.nonce.hex()}
    return insert_once(connection, nonces, **heard, expires_at_ms=transfer.valid_before_s * 1000 + 1000)


def _transfer(row: Any, market: str) -> Authorization:
    nonce = bytes.fromhex(row.nonce[2:])
    return Authorization(row.payer, market, row.value, row.valid_after_s, row.valid_before_s, nonce)


def _void_by_now(chain: ChainClient, row: Any, transfer: Authorization) -> str:
    """Return why settled blocks leave no way to make a sale of a payment; empty while there may be one."""
    settled = chain.settled_state()
    if settled is None:
        return ""
    if chain.token.authorization_used(row.payer, transfer.nonce, settled):
        last = chain.settled_head()
        here = chain.token.transferred(transfer, chain.deployment.block, last)
        return "" if here else "authorization_used"
    if chain.settled_time_s() >= transfer.valid_before_s:
        return row.reason or "authorization_expired"
    return ""
