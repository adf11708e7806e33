"""Orders under terms on chain: the price waits in the market until what the buyer asserts was judged.

Rules: an order ends once, as a sale or with all of its price given back; who asks again finds how it ended. Terms are
named by the SHA-256 of their text, lower hex without prefix. Amounts are wei, times seconds of chain time.

Does not: judge (`marketplace/acceptance.py` does), keep anything, or hold keys.

Usage::

    held = client.orders.order(buyer_key, export_id, terms_sha256)
    client.orders.settle(settler_key, held.order_id)        # or refund
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eth_typing import HexStr
from web3.exceptions import TransactionNotFound

from chain.bound import BoundContract
from chain.market import MarketOps, Purchase, export_sha256, is_hash
from chain.token import TokenOps
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order as the chain wrote it down when it was paid."""

    order_id: int
    buyer: str
    export_sha256: str
    manifest_sha256: str
    price_wei: int
    terms_sha256: str
    refundable_at_s: int
    tx: str
    block: int


class OrderOps:
    """The orders of one DatasetMarket."""

    def __init__(self, contract: BoundContract, token: TokenOps, market: MarketOps, created: int) -> None:
        self._contract = contract
        self._token = token
        self._market = market
        self._created_in_block = created

    def order(self, buyer_key: LocalAccount, export_id: str, terms_sha256: str) -> HeldOrder:
        """Pay under terms; an order of this buyer that waits under the same terms is found instead of made twice.

        Raises WindrowError `chain_rejected`: NotListed, ListingClosed, ERC20InsufficientBalance.
        """
        self._contract.sender.wait_idle(buyer_key.address)
        held = self.waiting(buyer_key.address, export_id, terms_sha256)
        if held is not None:
            return held
        offered = self._market.listing(export_id)
        if offered is not None and offered.is_open:
            self._token.approve(buyer_key, self._contract.address, offered.price_wei)
        key = bytes.fromhex(export_sha256(export_id))
        done = self._contract.write(buyer_key, "order", key, bytes.fromhex(terms_sha256))
        (event,) = self._contract.events_in("Ordered", done.receipt)
        return _held(event)

    def waiting(self, buyer: str, export_id: str, terms_sha256: str) -> HeldOrder | None:
        """The order of a buyer whose price waits under these terms."""
        placed = self._orders_of(buyer, export_id)
        return next(
            (each for each in placed if each.terms_sha256 == terms_sha256 and self.is_open(each.order_id)),
            None,
        )

    def was_refunded(self, order_id: int) -> bool:
        """Whether all of an order's price went back."""
        return not self.is_open(order_id) and self._event("Refunded", order_id) is not None

    def ordered_in(self, tx: str) -> HeldOrder | None:
        """The order that a transaction placed; None when it failed, is unknown, or placed none here."""
        if not is_hash(tx):
            return None
        try:
            receipt = self._contract.w3.eth.get_transaction_receipt(HexStr(tx))
        except TransactionNotFound:
            return None
        events = self._contract.events_in("Ordered", receipt) if receipt["status"] == 1 else []
        return _held(events[0]) if events else None

    def is_open(self, order_id: int) -> bool:
        """Whether an order's price still waits."""
        buyer: str = self._contract.read("orders", order_id)[0]
        return int(buyer, 16) != 0

    def settle(self, key: LocalAccount, order_id: int) -> Purchase:
        """Make the sale of an order; one that was made is found.

        Raises WindrowError `chain_rejected`: TooLate, ListingClosed, NotSettler, NoOrder (it was given back).
        """
        self._contract.sender.wait_idle(key.address)
        found = None if self.is_open(order_id) else self._event("Settled", order_id)
        if found is None:
            tx = self._contract.write(key, "settle", order_id).tx
        else:
            tx = "0x" + bytes(found["transactionHash"]).hex()
        purchases = self._market.purchases_in(tx)
        if len(purchases) != 1:
            raise WindrowError("unknown_payment", tx)
        return purchases[0]

    def refund(self, key: LocalAccount, order_id: int) -> str:
        """Give all of an order's price back and return the transaction; one that was given back is found.

        Raises WindrowError `chain_rejected`: TooEarly (not the settler), NoOrder (it became a sale).
        """
        self._contract.sender.wait_idle(key.address)
        found = None if self.is_open(order_id) else self._event("Refunded", order_id)
        if found is None:
            return self._contract.write(key, "refund", order_id).tx
        return "0x" + bytes(found["transactionHash"]).hex()

    def _event(self, name: str, order_id: int) -> Any | None:
        head = int(self._contract.w3.eth.block_number)
        return next(self._contract.events(name, self._created_in_block, head, {"orderId": order_id}), None)

    def _orders_of(self, buyer: str, export_id: str) -> list[HeldOrder]:
        head = int(self._contract.w3.eth.block_number)
        wanted = {"buyer": buyer, "exportId": bytes.fromhex(export_sha256(export_id))}
        return [_held(e) for e in self._contract.events("Ordered", self._created_in_block, head, wanted)]


def _held(event: Any) -> HeldOrder:
    arguments = event["args"]
    return HeldOrder(
        order_id=arguments["orderId"],
        buyer=arguments["buyer"],
        export_sha256=bytes(arguments["exportId"]).hex(),
        manifest_sha256=bytes(arguments["manifestHash"]).hex(),
        price_wei=arguments["price"],
        terms_sha256=bytes(arguments["terms"]).hex(),
        refundable_at_s=arguments["refundableAt"],
        tx="0x" + bytes(event["transactionHash"]).hex(),
        block=event["blockNumber"],
    )
