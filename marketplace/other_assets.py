"""Offers in other assets than the network's own: listed on the market contract of each, and closed there.

Rules: what a version costs in an asset stands in its signed manifest; a version without a price there is not offered
there. A listing counts when its block is settled, and is noted then; until then each call sends again what is gone.

Does not: offer in the network's own token (`marketplace.payment` does), or deploy contracts.

Usage: `list_beside(house, chain, operator_key, royalty_bps); close_beside(house, chain, operator_key)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from marketplace.catalogue import Catalogue
from marketplace.payment import close_offer
from marketplace.sent_offers import forget_offer, note_offer, retired_offers
from storage.house import House
from storage.state import insert_once
from storage.tables.contributions import exports
from storage.tables.tills import asset_listings

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient


def list_beside(house: House, chain: ChainClient, operator_key: LocalAccount, royalty_bps: int) -> list[str]:
    """Offer every version in each further asset it has a price in; again is the same as once.

    Returns the export ids whose listing was not settled before. Raises WindrowError as `list_on_chain`.
    """
    _, *others = chain.of_each_asset()
    return [one for other in others for one in _list(house, other, operator_key, royalty_bps)]


def _list(house: House, chain: ChainClient, key: LocalAccount, royalty_bps: int) -> list[str]:
    market, catalogue, offered = chain.market_key(), Catalogue(house), []
    noted = sa.exists().where(
        asset_listings.c.market == market, asset_listings.c.export_id == exports.c.export_id
    )
    with house.state.read() as connection:
        wanted = sa.select(exports.c.export_id).where(exports.c.retired == "", ~noted)
        waiting = connection.execute(wanted.order_by(exports.c.created_at_ms)).scalars().all()
    for export_id in waiting:
        offer = catalogue.offer_of(export_id)
        price = offer.price_in(chain.asset.symbol)
        if price is None:
            continue
        with house.state.write() as connection:
            note_offer(connection, market, export_id)
        chain.market.list_export(key, export_id, offer.manifest_sha256, price, royalty_bps)
        offered.append(export_id)
        settled = chain.settled_state()
        if settled is not None and chain.market.listing(export_id, settled) is not None:
            with house.state.write() as connection:
                insert_once(connection, asset_listings, market=market, export_id=export_id)
                forget_offer(connection, market, export_id)
    return offered


def close_beside(house: House, chain: ChainClient, operator_key: LocalAccount) -> list[str]:
    """Close in each further asset what was retired and is listed there. Returns the export ids closed now."""
    _, *others = chain.of_each_asset()
    return [one for other in others for one in _close(house, other, operator_key)]


def _close(house: House, chain: ChainClient, key: LocalAccount) -> list[str]:
    row, market = asset_listings.c, chain.market_key()
    retired = sa.exists().where(exports.c.export_id == row.export_id, exports.c.retired != "")
    with house.state.read() as connection:
        wanted = sa.select(row.export_id).where(row.market == market, retired)
        listed = retired_offers(connection, market) | set(connection.execute(wanted).scalars())
    for export_id in sorted(listed):
        if close_offer(chain, key, export_id):
            with house.state.write() as connection:
                gone = sa.delete(asset_listings).where(row.market == market)
                connection.execute(gone.where(row.export_id == export_id))
                forget_offer(connection, market, export_id)
    return sorted(listed)
