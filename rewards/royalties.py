"""Royalties: each sale's money goes through clearing to the owners of exactly the rows that were sold.

    buyers → sales            the price
    sales → treasury          the fees
    sales → burned            what the sale destroyed
    sales → royalties         the owners' part, then royalties → posted:<payout> for each owner

Rules: shares are counted in tokens, from the `shares.parquet` that the publisher wrote beside the immutable export; the
split is by largest remainder, ties by address, exact to the unit. A sale is one transaction: clearing accounts
never hold anything between two. Rows without an owner earn for the treasury. An export of opted-in history has no such
shares: its sale pays the months that its rows are from (`personal_pay`), as `export_months` names them.

Does not: decide prices, look at the chain, or write exports.

Usage: `entries = run_royalties(house)`.

Source: largest remainder (Hamilton) apportionment; docs/protocol.md, "Ledger, epochs, settlement".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
import structlog
from pyarrow import ArrowException

from rewards.ledger import BURNED, Transfer, post, posted_account
from rewards.personal.pay import pay_sale, sold_months
from storage.house import House
from storage.outages import FilesAwayError
from storage.published import PublishedFiles, published_files
from storage.tables.contributions import ledger, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import SHARES_NAME
from windrow_protocol.limits import ROYALTY_OWNERS_MAX
from windrow_protocol.merkle import checksum_address

TREASURY = "treasury"
log = structlog.get_logger(__name__)


def run_royalties(house: House) -> int:
    """Post every sale that is not posted yet and return how many entries that gave.

    A sale whose shares cannot be read is logged and stays for the next run; it holds up no other sale.
    """
    posted = 0
    with house.state.read() as connection:
        waiting = connection.execute(
            sa.select(sales)
            .where(~sa.exists().where(ledger.c.cause == sales.c.sale_id))
            .order_by(sales.c.block, sales.c.sale_id)
        ).all()
    for sale in waiting:
        try:
            posted += _post_sale(house, sale)
        except WindrowError as error:
            log.error("sale_not_posted", sale_id=sale.sale_id, reason=error.code, detail=error.detail)
    return posted


def _post_sale(house: House, sale: Any) -> int:
    """Post one sale: by tokens to the owners of its rows, or by months of history where it sold these."""
    with house.state.read() as connection:
        is_of_rows = sold_months(connection, sale.dataset, sale.version) is None
    transfers = price_transfers(sale)
    if is_of_rows:  # read before anything is written: the files may lie far away
        files = published_files(house.env.disk, house.home, sale.dataset, sale.version)
        transfers = sale_transfers(sale, read_shares(files))
    with house.state.write() as connection:
        posted = post(connection, transfers)
        if not is_of_rows:
            posted += pay_sale(
                house, connection, sale, sold_months(connection, sale.dataset, sale.version) or []
            )
        return posted


def split(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Divide an amount in proportion to weights, exact to the unit: leftover units go to the largest remainders.

    Equal remainders are served in the order of their ids. Raises ValueError when no weight is above zero.
    """
    whole = sum(weights.values())
    if amount < 0 or whole <= 0 or min(weights.values()) < 0:
        raise ValueError("a split needs an amount of at least 0, weights of at least 0 and one above")
    parts = {owner: amount * weight // whole for owner, weight in weights.items()}
    left = amount - sum(parts.values())
    by_remainder = sorted(
        weights, key=lambda owner: (-(amount * weights[owner] % whole), owner.lower(), owner)
    )
    for owner in by_remainder[:left]:
        parts[owner] += 1
    return parts


def read_shares(files: PublishedFiles) -> dict[str, int]:
    """Return the tokens of each owner of an export by payout address; `treasury` for rows without an owner.

    Raises WindrowError `not_found` when the file is absent, `export_corrupt` when it is no table of shares;
    FilesAwayError where it cannot be read for now.
    """
    try:
        table = files.small_table(SHARES_NAME, ["payout_address", "tokens"])
    except FileNotFoundError as error:
        raise WindrowError("not_found", f"{files.folder.name}/{SHARES_NAME}") from error
    except FilesAwayError:
        raise
    except (ArrowException, OSError) as error:
        raise WindrowError("export_corrupt", f"{SHARES_NAME}: {error}"[:200]) from error
    if table.num_rows > ROYALTY_OWNERS_MAX:
        raise WindrowError("too_large", f"{table.num_rows} owners, {ROYALTY_OWNERS_MAX} allowed")
    shares: dict[str, int] = {}
    for row in table.to_pylist():
        if row["tokens"] is None or row["tokens"] < 0:
            raise WindrowError("export_corrupt", f"{SHARES_NAME}: {row['tokens']} tokens")
        owner = checksum_address(row["payout_address"]) if row["payout_address"] else TREASURY
        shares[owner] = shares.get(owner, 0) + row["tokens"]
    return shares


def sale_transfers(sale: Any, shares: Mapping[str, int]) -> Iterator[Transfer]:
    """Yield the transfers of one sale (a row of `sales`) of rows that are paid by their tokens.

    Raises WindrowError `unbalanced` when royalties, fees and what was burned are not the price.
    """
    yield from price_transfers(sale)
    for owner, part in split(sale.royalties, shares if any(shares.values()) else {TREASURY: 1}).items():
        if owner == TREASURY:
            yield _transfer(sale, "royalties", TREASURY, part, "royalty:treasury", "royalty_unowned")
        else:
            yield _transfer(sale, "royalties", posted_account(owner), part, f"royalty:{owner}", "royalty")


def price_transfers(sale: Any) -> Iterator[Transfer]:
    """Yield what a sale's price is made of. Raises WindrowError `unbalanced`."""
    if sale.royalties + sale.fees + sale.burned != sale.price:
        parts = f"{sale.royalties} + {sale.fees} + {sale.burned}"
        raise WindrowError("unbalanced", f"{parts} is not {sale.price}")
    yield _transfer(sale, "buyers", "sales", sale.price, "price", "sale_price")
    yield _transfer(sale, "sales", TREASURY, sale.fees, "fees", "sale_fees")
    if sale.burned:
        yield _transfer(sale, "sales", BURNED, sale.burned, "burned", "sale_burned")
    yield _transfer(sale, "sales", "royalties", sale.royalties, "royalties", "sale_royalties")


def _transfer(sale: Any, debit: str, credit: str, amount: int, rule: str, reason: str) -> Transfer:
    return Transfer(
        debit, credit, amount, sale.sale_id, rule, reason, created_at_ms=sale.sold_at_ms, asset=sale.asset
    )
