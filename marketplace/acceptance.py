"""Acceptance: an order's terms are held against the export while its price waits, and it becomes a sale or goes back.

Rules: judged before any download token exists, by statements of this module alone. A verdict is written down before
the chain is told, so that a kill in between is mended by `finish_orders`; it is never judged twice. A buyer has
`JUDGEMENTS_PER_DAY_MAX` failures a day: more orders are given back unjudged, because each failure tells a little of the
data. For the same reason only an order whose price still waits, and can still become a sale, is judged. Nobody is
asked: refunds need no human, and after a day the contract gives back what nobody judged.

Does not: take payments, deliver, or judge after the sale (then only the manifest's digests count).

Usage: `judgement = judge_order(house, chain, settler_key, JudgementRequest(tx_hash, terms))`.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import duckdb
import msgspec
import sqlalchemy as sa
import structlog
from msgspec import Meta

from marketplace.catalogue import Catalogue, Offer
from marketplace.orders import Bytes32
from marketplace.payment import exports_on_chain
from marketplace.terms import Terms, terms_sha256
from storage.house import House
from storage.outages import FilesAwayError
from storage.state import insert_once
from storage.tables.contributions import judgements
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    JUDGEMENT_MARGIN_S,
    JUDGEMENT_MEMORY_BYTES_MAX,
    JUDGEMENTS_PER_DAY_MAX,
)

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

    from chain.client import ChainClient
    from chain.market_orders import HeldOrder

log = structlog.get_logger(__name__)
DAY_MS: Final = 86_400_000
_BOUNDS: Final[dict[str, str | int | float | list[str]]] = {
    "threads": 1,
    "memory_limit": f"{JUDGEMENT_MEMORY_BYTES_MAX}B",
}  # the house works on beside it
_ENDING: Final = threading.Lock()  # one thread at a time tells the chain, or it would be told twice
_DUPLICATE_COLUMNS: Final = ("content_sha256", "dup_cluster_id")


class Finding(msgspec.Struct, frozen=True):
    """One assertion: what was wanted, what is so, whether it holds."""

    assertion: str
    wanted: str
    found: str
    holds: bool


class JudgementRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """POST /market/judgements: the transaction that placed the order, and the text of its terms."""

    tx_hash: Bytes32
    terms: Terms


class Judgement(msgspec.Struct, frozen=True):
    """How an order ended.

    `reason` is `terms_met`, `terms_not_met`, `version_retired`, `too_many_tries` or `not_waiting`.
    """

    order_id: Annotated[int, Meta(ge=1)]
    accepted: bool
    reason: str
    findings: list[Finding]
    tx_hash: str


def examine(offer: Offer, terms: Terms, now_ms: int) -> list[Finding]:
    """Hold terms against an export's own Parquet; what is not said of a row does not hold of it.

    Raises WindrowError `export_corrupt`, or FilesAwayError.
    """
    shards = [file.path for file in offer.manifest.files if file.path.startswith("data/")]
    columns = {column.name: column.type for column in offer.manifest.columns}
    found = [*_amounts(offer, terms), *_schema(terms, columns)]
    if not shards:
        return found
    try:
        with (
            tempfile.TemporaryDirectory(prefix="windrow-terms-") as spilled,
            duckdb.connect(config={**_BOUNDS, "temp_directory": spilled}) as engine,
            offer.files.scanned(shards) as rows,
        ):
            engine.execute("SET enable_external_access = false")
            engine.register("export", rows)
            return [*found, *_measured(engine, terms, columns, now_ms)]
    except FilesAwayError:
        raise
    except (duckdb.Error, OSError) as error:
        raise WindrowError("export_corrupt", f"{offer.manifest.subject}: {error}"[:200]) from error


def _amounts(offer: Offer, terms: Terms) -> Iterator[Finding]:
    for name, count in (("rows", offer.manifest.rows), ("tokens", offer.manifest.tokens)):
        least, most = getattr(terms, f"{name}_min"), getattr(terms, f"{name}_max")
        if least is not None:
            yield Finding(f"{name}_min", str(least), str(count), count >= least)
        if most is not None:
            yield Finding(f"{name}_max", str(most), str(count), count <= most)


def _schema(terms: Terms, columns: dict[str, str]) -> Iterator[Finding]:
    for name, kind in sorted(terms.columns.items()):
        found = columns.get(name, "no such column")
        yield Finding(f"columns.{name}", kind, found, found == kind)


def _measured(
    engine: duckdb.DuckDBPyConnection, terms: Terms, columns: dict[str, str], now_ms: int
) -> Iterator[Finding]:
    def one(needs: str, expression: str) -> Any:
        if needs not in columns:
            return None
        return (engine.execute(f"SELECT {expression} FROM export").fetchone() or (None,))[0]

    if terms.duplicate_rate_max is not None:
        rates = [one(each, f"1 - count(DISTINCT {each}) / count(*)") for each in _DUPLICATE_COLUMNS]
        known = [rate for rate in rates if rate is not None]
        yield _share("duplicate_rate_max", terms.duplicate_rate_max, max(known, default=None), most=True)
    if terms.language_shares_min:
        counted = dict(engine.execute("SELECT language, count(*) FROM export GROUP BY language").fetchall())
        rows = sum(counted.values())
        for code, least in sorted(terms.language_shares_min.items()):
            yield _share(f"language_shares_min.{code}", least, counted.get(code, 0) / rows, most=False)
    if terms.age_days_max is not None:
        oldest = one(
            "fetched_at", "CASE WHEN count(fetched_at) = count(*) THEN epoch_ms(min(fetched_at)) END"
        )
        days = None if oldest is None else (now_ms - oldest) / DAY_MS
        yield _share("age_days_max", terms.age_days_max, days, most=True)
    if terms.licences_only:
        found = one("license_detected", "list(DISTINCT coalesce(license_detected, 'unknown'))")
        other = None if found is None else sorted(set(found) - set(terms.licences_only))
        said = "no such column" if other is None else ", ".join(other[:5]) or "nothing else"
        yield Finding("licences_only", ", ".join(terms.licences_only), said, other == [])
    if terms.no_optouts:
        signals = one("optout_signals", "count(*) FILTER ((len(optout_signals) = 0) IS NOT TRUE)")
        not_allowed = "(robots_state IN ('allowed', 'no_robots')) IS NOT TRUE"
        denied = one("robots_state", f"count(*) FILTER ({not_allowed})")
        against = None if signals is None or denied is None else signals + denied
        said = "no such column" if against is None else f"{against} rows"
        yield Finding("no_optouts", "0 rows", said, against == 0)


def _share(name: str, bound: float, found: float | None, *, most: bool) -> Finding:
    holds = found is not None and (found <= bound if most else found >= bound)
    return Finding(name, f"{bound:g}", "no such column" if found is None else f"{found:.6g}", holds)


def judge_order(
    house: House, chain: ChainClient, settler_key: LocalAccount, request: JudgementRequest
) -> Judgement:
    """Judge an order once and end it on chain; asked again, return how it ended. Blocking.

    Raises WindrowError `unknown_payment`, `bad_terms` (not the ones that were paid under), `export_corrupt`,
    `chain_rejected`, `chain_pending` (not settled yet) or `chain_unreachable`.
    """
    placed = ((one, one.orders.ordered_in(request.tx_hash)) for one in chain.of_each_asset())
    chain, held = next(((one, held) for one, held in placed if held), (chain, None))
    if held is None:
        raise WindrowError("unknown_payment", f"{request.tx_hash} places no order here")
    if held.block > chain.settled_head():  # before that its number may come to be another buyer's order
        raise WindrowError(
            "chain_pending", f"order {held.order_id} is judged when block {held.block} is settled"
        )
    if terms_sha256(request.terms) != held.terms_sha256:
        raise WindrowError("bad_terms", "the order was placed under other terms")
    key = _key(chain, held)
    with house.state.read() as connection:
        known = connection.execute(sa.select(judgements).where(judgements.c.order_key == key)).one_or_none()
    if known is None:
        _write_verdict(house, key, held, *_verdict(house, chain, held, request.terms))
    finish_orders(house, chain, settler_key)
    with house.state.read() as connection:
        row = connection.execute(sa.select(judgements).where(judgements.c.order_key == key)).one()
    if not row.tx_hash:
        raise WindrowError("chain_rejected", f"the chain does not let order {row.order_id} end now")
    findings = msgspec.json.decode(row.findings, type=list[Finding])
    return Judgement(row.order_id, row.accepted, row.reason, findings, row.tx_hash)


def _verdict(house: House, chain: ChainClient, held: HeldOrder, terms: Terms) -> tuple[str, list[Finding]]:
    last_s = held.refundable_at_s - JUDGEMENT_MARGIN_S
    if chain.time_s() >= last_s or not chain.orders.is_open(held.order_id):
        return "not_waiting", []  # what holds would be told for nothing: there may be no sale any more
    since = house.now_ms() - DAY_MS
    tries = sa.select(sa.func.count()).where(
        judgements.c.buyer == held.buyer,
        judgements.c.reason == "terms_not_met",
        judgements.c.judged_at_ms > since,
    )
    with house.state.read() as connection:
        failed = connection.execute(tries).scalar() or 0
        row = exports_on_chain(connection).get(held.export_sha256)
    if failed >= JUDGEMENTS_PER_DAY_MAX:
        return "too_many_tries", []
    if row is None or row.manifest_sha256 != held.manifest_sha256:
        return "terms_not_met", [Finding("export", "an export of this house", "another manifest", False)]
    if row.retired:  # nobody is given it any more: the price goes back now, and not in a day
        return "version_retired", []
    findings = examine(Catalogue(house).offer_of(row.export_id), terms, house.now_ms())
    met = bool(findings) and all(finding.holds for finding in findings)
    return ("terms_met" if met else "terms_not_met"), findings


def _write_verdict(house: House, key: str, held: HeldOrder, reason: str, findings: list[Finding]) -> None:
    row = {
        "order_key": key,
        "order_id": held.order_id,
        "buyer": held.buyer,
        "export_sha256": held.export_sha256,
        "accepted": reason == "terms_met",
        "reason": reason,
        "findings": msgspec.json.encode(findings).decode(),
        "tx_hash": "",
        "judged_at_ms": house.now_ms(),
    }
    with house.state.write() as connection:
        insert_once(connection, judgements, **row)


def finish_orders(house: House, chain: ChainClient, settler_key: LocalAccount) -> int:
    """Tell the chain every verdict that it was not told yet, or forgot; return how many were ended.

    Where the chain can be reorganised, the verdicts of the last day are held against it again.

    An order that the chain no longer lets be settled (a day went by, or its listing was closed) is given back. One that
    it lets end in no way is left for the next time, and stands in nobody's way. Raises WindrowError `chain_unreachable`
    or `chain_pending`.
    """
    mine = f"{chain.market_key()}/"
    waiting = sa.select(judgements).where(
        judgements.c.tx_hash == "", judgements.c.order_key.startswith(mine, autoescape=True)
    )
    with _ENDING:
        with house.state.read() as connection:
            rows = list(connection.execute(waiting.order_by(judgements.c.order_id)))
            if chain.depth_blocks:
                told = sa.select(judgements).where(
                    judgements.c.tx_hash != "",
                    judgements.c.judged_at_ms > house.now_ms() - DAY_MS,
                    judgements.c.order_key.startswith(mine, autoescape=True),
                )
                rows += [row for row in connection.execute(told) if chain.orders.is_open(row.order_id)]
        return sum(_finished(house, chain, settler_key, row) for row in rows)


def _finished(house: House, chain: ChainClient, settler_key: LocalAccount, row: Any) -> bool:
    try:
        ended = _end(chain, settler_key, row)
    except WindrowError as error:
        if error.code != "chain_rejected":
            raise
        log.warning("order_not_ended", order=row.order_id, detail=error.detail)
        return False
    with house.state.write() as connection:
        changed = sa.update(judgements).where(judgements.c.order_key == row.order_key)
        connection.execute(changed.values(**ended))
    return True


def _end(chain: ChainClient, settler_key: LocalAccount, row: Any) -> dict[str, Any]:
    if row.accepted:
        try:
            return {"tx_hash": chain.orders.settle(settler_key, row.order_id).tx}
        except WindrowError as error:
            if error.code != "chain_rejected":
                raise
    try:
        tx = chain.orders.refund(settler_key, row.order_id)
    except WindrowError as error:
        if error.code != "chain_rejected" or row.accepted:
            raise
        # The buyer waived the terms meanwhile: there is a sale, and nothing left to give back.
        return {"tx_hash": chain.orders.settle(settler_key, row.order_id).tx, "accepted": True}
    return {"tx_hash": tx, "accepted": False}


def _key(chain: ChainClient, held: HeldOrder) -> str:
    return f"{chain.market_key()}/{held.order_id}"
