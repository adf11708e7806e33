"""Payments on chain: offers exports there, and writes every purchase found there into `sales` once.

Rules: the chain is the record of what was paid; `sales` is its fold. A sale's id follows from chain, market and the
market's own number, so reading a block twice gives one row. The export and its manifest must be ours, and royalties,
fees and what was burned must make up the price, before a sale counts. The cursor moves in the same transaction as the
sales. Only what is settled (`ChainClient.depth_blocks`) is written down, because royalties follow from it and are never
taken back; a purchase in a block above that opens the files already (`standing_sale`).

Does not: hold keys, deliver, or post royalties (rewards reads `sales`).

Usage::

    list_on_chain(house, chain, operator_key)
    sales = record_purchases(house, chain)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
import structlog

from marketplace.catalogue import Catalogue
from marketplace.sent_offers import forget_offer, note_offer, retired_offers
from storage.house import House
from storage.state import get_cursor, get_meta, insert_once, set_cursor, set_meta
from storage.tables.contributions import exports, sales

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient
    from chain.market import Purchase

log = structlog.get_logger(__name__)
LISTED_ON: Final = "market/listed_on"


@dataclass(frozen=True)
class Sale:
    """A row of `sales`; amounts in wei."""

    sale_id: str
    dataset: str
    version: str
    export_id: str
    buyer: str
    asset: str
    price: int
    royalties: int
    fees: int
    burned: int
    tx_hash: str
    block: int
    sold_at_ms: int
    market: str  # chain id and the market's address, lower hex


def sale_id_for(chain_id: int, market: str, number: int, tx_hash: str) -> str:
    """Return the id of one sale: the same for everybody who reads the same chain."""
    named = f"windrow/sale/{chain_id}/{market.lower()}/{number}/{tx_hash.lower()}"
    return "s" + hashlib.sha256(named.encode()).hexdigest()[:31]


def list_on_chain(
    house: House, chain: ChainClient, operator_key: LocalAccount, royalty_bps: int, burn_bps: int = 0
) -> list[str]:
    """Offer on chain every published version that is not marked as listed; again is the same as once.

    An offer keeps its shares: others hold for what is listed from then on.

    A kill between publishing, offering and marking is mended by the next call; on another market than the last one
    everything is offered again. Returns the export ids listed now.
    Raises WindrowError `chain_rejected` (offered for another price), `export_corrupt` or `chain_unreachable`.
    """
    market = chain.market_key()
    with house.state.write() as connection:
        if get_meta(connection, LISTED_ON) != market:  # a new market lists nothing yet
            connection.execute(sa.update(exports).values(listed=False))
        set_meta(connection, LISTED_ON, market)
        waiting = sa.select(exports.c.export_id).where(sa.not_(exports.c.listed), exports.c.retired == "")
        export_ids = connection.execute(waiting.order_by(exports.c.created_at_ms)).scalars().all()
        for export_id in export_ids:
            note_offer(connection, market, export_id)
    catalogue = Catalogue(house)
    for export_id in export_ids:
        offer = catalogue.offer_of(export_id)
        shares = (royalty_bps, burn_bps)
        chain.market.list_export(operator_key, export_id, offer.manifest_sha256, offer.price_wei, *shares)
        settled = chain.settled_state()
        if settled is not None and chain.market.listing(export_id, settled) is not None:
            _mark_listed(house, market, export_id, True)
    return list(export_ids)


def close_retired(house: House, chain: ChainClient, operator_key: LocalAccount) -> list[str]:
    """Close on chain what was retired and is, or may still be, listed there; again is the same as once.

    Returns what was closed now.
    """
    market = chain.market_key()
    with house.state.read() as connection:
        wanted = sa.select(exports.c.export_id).where(exports.c.listed, exports.c.retired != "")
        export_ids = retired_offers(connection, market) | set(connection.execute(wanted).scalars())
    for export_id in sorted(export_ids):
        if close_offer(chain, operator_key, export_id):
            _mark_listed(house, market, export_id, False)
    return sorted(export_ids)


def close_offer(chain: ChainClient, operator_key: LocalAccount, export_id: str) -> bool:
    """Close an offer if it is open, and return whether the chain has settled that it is closed."""
    chain.market.set_open(operator_key, export_id, False)
    settled = chain.settled_state()
    found = None if settled is None else chain.market.listing(export_id, settled)
    return found is not None and not found.is_open


def _mark_listed(house: House, market: str, export_id: str, is_listed: bool) -> None:
    with house.state.write() as connection:
        connection.execute(
            sa.update(exports).where(exports.c.export_id == export_id).values(listed=is_listed)
        )
        forget_offer(connection, market, export_id)


def record_purchases(house: House, chain: ChainClient) -> list[Sale]:
    """Read settled purchases not read yet, and return the new sales.

    Raises WindrowError `chain_unreachable`.
    """
    cursor = f"market/{chain.market_key()}"
    with house.state.read() as connection:
        first = max(get_cursor(connection, cursor) + 1, chain.deployment.block)
        known = exports_on_chain(connection)
    last = chain.settled_head()
    if last < first:
        return []
    times = _block_times(chain)
    found = [_sale(chain, known, each, times) for each in chain.market.purchases(first, last)]
    new = []
    with house.state.write() as connection:
        for sale in found:
            if sale is not None and insert_once(connection, sales, **asdict(sale)):
                new.append(sale)
        set_cursor(connection, cursor, last)
    return new


def standing_sale(house: House, chain: ChainClient, purchase: Purchase | None) -> Any | None:
    """Return a purchase's row of `sales`, or where it is not settled yet what that row would say now.

    None when it is no sale of an export of this house. A reorganisation may still give it another number.
    """
    if purchase is None:
        return None
    with house.state.read() as connection:
        wanted = sa.select(sales).where(sales.c.tx_hash == purchase.tx, sales.c.buyer == purchase.buyer)
        rows = connection.execute(wanted).all()
        known = exports_on_chain(connection)
    sold = known.get(purchase.export_sha256)
    recorded = (row for row in rows if sold is not None and row.export_id == sold.export_id)
    return next(recorded, None) or _sale(chain, known, purchase, _block_times(chain))


def differences_from_chain(house: House, chain: ChainClient) -> list[str]:
    """Return each recorded sale that the chain does not have as settled, and each settled one not recorded."""
    with house.state.read() as connection:
        known = exports_on_chain(connection)
        rows = connection.execute(sa.select(sales)).all()
    block, times = chain.deployment.block, _block_times(chain)
    last = chain.settled_head()
    purchases = chain.market.purchases(block, last) if block <= last else []
    found = {sale.sale_id: sale for each in purchases if (sale := _sale(chain, known, each, times))}
    here = chain.market_key()  # what another market sold is none of this chain's
    recorded = {row.sale_id: row for row in rows if row.market == here or row.sale_id in found}
    return [
        *(f"sale {each} is not on chain" for each in sorted(recorded.keys() - found.keys())),
        *(f"sale {each} is on chain and not recorded" for each in sorted(found.keys() - recorded.keys())),
        *(
            f"sale {each} is another one on chain"
            for each in sorted(found.keys() & recorded.keys())
            if asdict(found[each]) != recorded[each]._asdict() | {"market": here}
        ),
    ]


def exports_on_chain(connection: sa.Connection) -> dict[str, Any]:
    """Return the rows of `exports` by the name they have on chain."""
    from chain.market import export_sha256

    return {export_sha256(row.export_id): row for row in connection.execute(sa.select(exports))}


def sale_of_buyer(house: House, export_id: str, buyer: str) -> Any | None:
    """Return the row of `sales` by which somebody has an export, None when there is none."""
    with house.state.read() as connection:
        rows = connection.execute(sa.select(sales).where(sales.c.export_id == export_id)).all()
    return next((row for row in rows if row.buyer.lower() == buyer.lower()), None)


def _block_times(chain: ChainClient) -> Callable[[int], int]:
    known: dict[int, int] = {}

    def time_ms(block: int) -> int:
        if block not in known:
            known[block] = int(chain.w3.eth.get_block(block)["timestamp"]) * 1000
        return known[block]

    return time_ms


def _sale(
    chain: ChainClient, known: dict[str, Any], purchase: Purchase, time_ms: Callable[[int], int]
) -> Sale | None:
    """Return what a purchase is to us, or None (logged) when it is not a sale of an export of this house."""
    export = known.get(purchase.export_sha256)
    parts = purchase.royalties_wei + purchase.fees_wei + purchase.burned_wei
    whole = parts == purchase.price_wei
    if export is None or export.manifest_sha256 != purchase.manifest_sha256 or not whole:
        reason = "unknown_export" if export is None else "other_manifest" if whole else "unbalanced"
        log.warning("purchase_not_counted", tx=purchase.tx, reason=reason)
        return None
    deployment = chain.deployment
    return Sale(
        sale_id=sale_id_for(deployment.chain_id, deployment.market, purchase.sale_id, purchase.tx),
        dataset=export.dataset,
        version=export.version,
        export_id=export.export_id,
        buyer=purchase.buyer,
        asset=chain.asset.symbol,
        price=purchase.price_wei,
        royalties=purchase.royalties_wei,
        fees=purchase.fees_wei,
        burned=purchase.burned_wei,
        tx_hash=purchase.tx,
        block=purchase.block,
        sold_at_ms=time_ms(purchase.block),
        market=chain.market_key(),
    )
