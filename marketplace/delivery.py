"""Delivery: a payment and the payer's signed order give a short-lived token; the token gives files with byte ranges.

Rules: who pays proves it with the order's signature; each order is used once, a new one costs nothing, so a failed
download is retried free. A token is signed by the coordinator and bound to buyer and export. A path is served only if
the manifest lists it (or it is the manifest): nothing from a request ever names a file.

Does not: take payments, refund, or remember downloads.

Usage: `ticket = Delivery(house).order(order, chain)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from marketplace.catalogue import Catalogue, Offer
from marketplace.orders import Order, OrderDomain, signer_of_order
from marketplace.payment import record_purchases, standing_sale
from storage.env import RangedFile
from storage.house import House
from storage.state import insert_once
from storage.tables.contributions import nonces, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import SALE_PURPOSE
from windrow_protocol.limits import DOWNLOAD_TOKEN_LIFE_MS, ORDER_LIFE_S_MAX
from windrow_protocol.signing import verify

if TYPE_CHECKING:
    from chain.client import ChainClient

DOWNLOAD_PURPOSE = "download"


@dataclass(frozen=True)
class Ticket:
    """What a good order gives: a token for downloads until it expires, the sale it rests on, and its signed receipt."""

    token: str
    expires_at_ms: int
    sale_id: str
    offer: Offer
    receipt: str


class Delivery:
    """Hands out what was paid for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._catalogue = Catalogue(house)

    def order(self, order: Order, chain: ChainClient) -> Ticket:
        """Check an order and return a download token; blocking when the chain must be asked.

        Raises WindrowError `wrong_network`, `signature_expired`, `wrong_schema`, `unsigned`, `bad_signature`,
        `not_the_payer`, `unknown_payment`, `replayed` or `chain_unreachable`.
        """
        self._check_frame(order)
        domain = OrderDomain(chain.deployment.chain_id, chain.deployment.market)
        if signer_of_order(order, domain).lower() != order.buyer.lower():
            raise WindrowError("not_the_payer", "the order names another buyer than the one who signed it")
        sale = self._sale(order)
        if sale is None:
            for one in chain.of_each_asset():
                record_purchases(self._house, one)
            sale = self._sale(order) or self._standing(order, chain)
        if sale is None:
            raise WindrowError("unknown_payment", f"{order.tx_hash} does not pay for {order.export_id}")
        if sale.buyer.lower() != order.buyer.lower():
            raise WindrowError("not_the_payer", f"paid by {sale.buyer}")
        self._spend(order)
        return self.ticket(sale)

    def file(self, token: str, path: str) -> RangedFile:
        """Return the file that a token and a listed path name. Raises WindrowError as `verify`, or `not_found`."""
        statement = verify(
            token,
            signer=self._house.coordinator_id,
            network=self._house.network,
            purpose=DOWNLOAD_PURPOSE,
            now_ms=self._house.now_ms(),
        )
        offer = self._catalogue.offer_of(str((statement.content or {}).get("export_id")))
        return offer.file(path)

    def _check_frame(self, order: Order) -> None:
        now_s = self._house.now_ms() // 1000
        if order.network != self._house.network:
            raise WindrowError("wrong_network", f"{order.network} instead of {self._house.network}")
        if order.expires_at_s < now_s:
            raise WindrowError("signature_expired", server_time_ms=self._house.now_ms())
        if order.expires_at_s > now_s + ORDER_LIFE_S_MAX:
            raise WindrowError("wrong_schema", f"an order may live at most {ORDER_LIFE_S_MAX} s")

    def _sale(self, order: Order) -> Any | None:
        wanted = sa.select(sales).where(
            sales.c.tx_hash == order.tx_hash, sales.c.export_id == order.export_id
        )
        with self._house.state.read() as connection:
            found = connection.execute(wanted).all()
        mine = [row for row in found if row.buyer.lower() == order.buyer.lower()]
        return next(iter(mine or found), None)

    def _standing(self, order: Order, chain: ChainClient) -> Any | None:
        """Return the sale that stands in a block which may still be reorganised."""
        bought = [
            standing_sale(self._house, one, each)
            for one in chain.of_each_asset()
            for each in one.market.purchases_in(order.tx_hash)
        ]
        found = [sale for sale in bought if sale is not None and sale.export_id == order.export_id]
        mine = [sale for sale in found if sale.buyer.lower() == order.buyer.lower()]
        return next(iter(mine or found), None)

    def _spend(self, order: Order) -> None:
        kept_until_ms = order.expires_at_s * 1000 + 1000
        with self._house.state.write() as connection:
            used = {"node_id": order.buyer.lower(), "nonce": order.nonce, "expires_at_ms": kept_until_ms}
            if not insert_once(connection, nonces, **used):
                raise WindrowError("replayed", "an order's nonce is used once")

    def ticket(self, sale: Any) -> Ticket:
        """Return a download token and the receipt of a sale (a row of `sales`); whose it is was checked before."""
        offer = self._catalogue.delivered_for(sale.export_id)
        content = {"export_id": offer.manifest.export_id, "sale_id": sale.sale_id}
        token = self._house.sign(DOWNLOAD_PURPOSE, sale.buyer, content, life_ms=DOWNLOAD_TOKEN_LIFE_MS)
        receipt = self._house.sign(SALE_PURPOSE, sale.sale_id, _receipt(sale, offer))
        ends_at_ms = self._house.now_ms() + DOWNLOAD_TOKEN_LIFE_MS
        return Ticket(token, ends_at_ms, sale.sale_id, offer, receipt)


def _receipt(sale: Any, offer: Offer) -> dict[str, Any]:
    """Return what a receipt of sale says; the transaction says the same on chain."""
    amounts = {name: str(getattr(sale, name)) for name in ("price", "royalties", "fees", "burned")}
    return {
        "export_id": offer.manifest.export_id,  # a retired version's successor, where that was bought
        "manifest_sha256": offer.manifest_sha256,
        "buyer": sale.buyer,
        "asset": sale.asset,
        **amounts,
        "tx_hash": sale.tx_hash,
        "sold_at_ms": sale.sold_at_ms,
    }
