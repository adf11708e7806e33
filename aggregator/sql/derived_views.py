"""Views that are questions over other views, asked so often that they have names.

Rules: as in `views`; what they are made of is read whenever their name stands in a statement, and they are computed
where the statement runs, under its limits. Sums of wei stay exact.

Does not: read the state. Usage: `DERIVED["network_daily"].query`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aggregator.sql.view_table import REAL, TIME, WEI, WHOLE


@dataclass(frozen=True)
class DerivedColumn:
    """One column: its name, DuckDB type and meaning."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class DerivedView:
    """One question over other views; its query gives the columns in this order."""

    name: str
    meaning: str
    columns: tuple[DerivedColumn, ...]
    over: tuple[str, ...]
    query: str


_NETWORK_DAILY: Final = DerivedView(
    "network_daily",
    "what the network did on each day (UTC) on which anything happened, the latest first",
    (
        DerivedColumn("day", TIME, "its first moment"),
        DerivedColumn("nodes_active", WHOLE, "nodes that answered a lease of work"),
        DerivedColumn("nodes_verified", WHOLE, "nodes of which a text was found equal to a truth"),
        DerivedColumn("leases_over", WHOLE, "leases of work that were answered or expired"),
        DerivedColumn("fetches", WHOLE, "pages fetched, by validators and for control too"),
        DerivedColumn("bytes_wire", WHOLE, "bytes over the lines of all nodes, as they report"),
        DerivedColumn("documents_accepted", WHOLE, "texts accepted, or taken without an audit"),
        DerivedColumn("tokens_accepted", WHOLE, "tokens of those"),
        DerivedColumn("fetches_per_document", REAL, "fetches for each of those"),
        DerivedColumn("minted", WEI, "pay from emission less what was taken back, in wei"),
        DerivedColumn("minted_per_document", REAL, "of that for each accepted text, in wei"),
        DerivedColumn("minted_per_million_tokens", REAL, "of that for a million accepted tokens, in wei"),
        DerivedColumn("sales", WHOLE, "sales, in whatever token"),
        DerivedColumn("sold", WEI, "prices of those paid in WIND, in wei"),
        DerivedColumn("royalties", WEI, "of those, to the rows' owners, in wei"),
        DerivedColumn("burned", WEI, "of those, destroyed, in wei"),
    ),
    ("leases", "verdicts", "contributions", "ledger", "sales"),
    """
    WITH fetched AS (
        SELECT date_trunc('day', closed_at) AS day,
            count(DISTINCT node_id) FILTER (kind = 'work' AND state = 'answered') AS nodes_active,
            count(*) FILTER (kind = 'work') AS leases_over,
            count(*) FILTER (outcome = 'fetched') AS fetches,
            sum(bytes_wire) AS bytes_wire
        FROM leases WHERE closed_at IS NOT NULL GROUP BY day
    ), judged AS (
        SELECT date_trunc('day', decided_at) AS day,
            count(DISTINCT verdicts.node_id) FILTER (verdict = 'accepted') AS nodes_verified,
            count(*) AS documents_accepted,
            sum(token_count) AS tokens_accepted
        FROM verdicts JOIN contributions USING (contribution_id)
        WHERE verdict IN ('accepted', 'unaudited') GROUP BY day
    ), paid AS (
        SELECT date_trunc('day', created_at) AS day,
            sum(CASE WHEN debit = 'emission' THEN amount ELSE -amount END) AS minted
        FROM ledger WHERE 'emission' IN (debit, credit) GROUP BY day
    ), bought AS (
        SELECT date_trunc('day', sold_at) AS day,
            count(*) AS sales,
            sum(price) FILTER (asset = 'WIND') AS sold,
            sum(royalties) FILTER (asset = 'WIND') AS royalties,
            sum(burned) AS burned
        FROM sales GROUP BY day
    ), days AS (
        SELECT day FROM fetched UNION SELECT day FROM judged UNION SELECT day FROM paid UNION SELECT day FROM bought
    )
    SELECT day::TIMESTAMP AS day,
        coalesce(nodes_active, 0)::BIGINT AS nodes_active,
        coalesce(nodes_verified, 0)::BIGINT AS nodes_verified,
        coalesce(leases_over, 0)::BIGINT AS leases_over,
        coalesce(fetches, 0)::BIGINT AS fetches,
        coalesce(bytes_wire, 0)::BIGINT AS bytes_wire,
        coalesce(documents_accepted, 0)::BIGINT AS documents_accepted,
        coalesce(tokens_accepted, 0)::BIGINT AS tokens_accepted,
        fetches / nullif(documents_accepted, 0)::DOUBLE AS fetches_per_document,
        coalesce(minted, 0)::DECIMAL(38, 0) AS minted,
        minted / nullif(documents_accepted, 0)::DOUBLE AS minted_per_document,
        minted * 1e6 / nullif(tokens_accepted, 0)::DOUBLE AS minted_per_million_tokens,
        coalesce(sales, 0)::BIGINT AS sales,
        coalesce(sold, 0)::DECIMAL(38, 0) AS sold,
        coalesce(royalties, 0)::DECIMAL(38, 0) AS royalties,
        coalesce(burned, 0)::DECIMAL(38, 0) AS burned
    FROM days LEFT JOIN fetched USING (day) LEFT JOIN judged USING (day) LEFT JOIN paid USING (day)
        LEFT JOIN bought USING (day)
    WHERE day IS NOT NULL ORDER BY day DESC
    """,
)
DERIVED: Final[dict[str, DerivedView]] = {view.name: view for view in (_NETWORK_DAILY,)}
