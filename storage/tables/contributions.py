"""Every table of the house's state, on SQLite and PostgreSQL alike.

Rules: logs (`submissions`, `verdicts`, `ledger`, `sales`, `consents`) only grow; everything else can be rebuilt from
them. Times are integer milliseconds, amounts `Uint256`, digests lower hex. Documents live in segments, not here.

Does not: hold rules about states (each state machine is a table of its own room) or run queries.

Usage: `state = State.open(home)`; `connection.execute(sa.select(tables.nodes))`.
"""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = sa.MetaData()


class Uint256(TypeDecorator[int]):
    """A token amount. SQLite's NUMERIC would round it through a float, so there it is zero-padded text."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> TypeEngine[Any]:
        """Use NUMERIC(78) where it is exact, and text that sorts like the number elsewhere."""
        exact = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.NUMERIC(78) if exact else sa.Text())

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> Any:
        """Refuse what is no uint256. Raises ValueError."""
        if value is None:
            return None
        if not 0 <= value < 2**256:
            raise ValueError(f"{value} is not a uint256")
        return value if dialect.name == "postgresql" else f"{value:078d}"

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        """Return the exact integer."""
        return None if value is None else int(value)


def _time(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, **{"nullable": False, **options})


meta = sa.Table(
    "meta", metadata, sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False)
)
cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)

nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),  # contributor | validator
    sa.Column("payout_address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),  # the /24 or /48 it registered from
    # active | queued | leaving | left | revoked
    sa.Column("state", sa.Text, nullable=False, default="active"),
    sa.Column("owner", sa.Text, nullable=False, default=""),  # the wallet that delegated to it
    sa.Column("operator", sa.Text, nullable=False, default=""),  # whose validator it is
    sa.Column("has_browser", sa.Boolean, nullable=False, default=False),  # a validator that renders too
    _time("registered_at_ms"),
    _time("seen_at_ms", default=0),  # when it last registered or asked for leases
    _time("left_at_ms", nullable=True),
    sa.Index("nodes_of_prefix", "prefix", "state"),
)
nonces = sa.Table(
    "nonces",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, primary_key=True),
    _time("expires_at_ms", index=True),
)

frontier = sa.Table(
    "frontier",
    metadata,
    sa.Column("url_id", sa.Text, primary_key=True),  # SHA-256 of the canonical URL
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("host_key", sa.Text, nullable=False),
    sa.Column("render", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open | leased | done | given_up | withheld
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    _time("added_at_ms"),
    sa.Column("note", sa.Text, nullable=False, default=""),
    sa.Index("frontier_open", "state", "host_key", "added_at_ms", "url_id"),
)
frontier_hosts = sa.Table(
    "frontier_hosts",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, nullable=False, index=True),  # SHA-256 of the host key: an order nobody chose
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("lease_id", sa.Text, primary_key=True),
    sa.Column("url_id", sa.Text, nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("prefix", sa.Text, nullable=False, default=""),  # the /24 or /48 its node asked from
    sa.Column("kind", sa.Text, nullable=False),  # work | audit | canary | turned
    sa.Column("audit_of", sa.Text, index=True),  # the contribution that an audit lease is about
    sa.Column("state", sa.Text, nullable=False),  # leased | answered | expired
    sa.Column("render", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    _time("issued_at_ms"),
    _time("not_before_ms", default=0),
    _time("expires_at_ms"),
    sa.Column("outcome", sa.Text),
    sa.Column("needs_browser", sa.Boolean, nullable=False, default=False),  # as its node says
    sa.Column("http_status", sa.Integer),
    sa.Column("bytes_wire", sa.BigInteger, nullable=False, default=0),
    sa.Column("detail", sa.Text, nullable=False, default=""),
    sa.Column("offer", sa.Text, nullable=False, default=""),  # it went out in, until its node is heard of it
    _time("closed_at_ms", nullable=True),
    sa.Index("leases_open", "state", "expires_at_ms"),
    sa.Index("leases_of_node", "node_id", "state", "closed_at_ms"),
    sa.Index(
        "leases_held_at",
        "prefix",
        sqlite_where=sa.text("state = 'leased'"),
        postgresql_where=sa.text("state = 'leased'"),
    ),
    sa.Index(
        "leases_unheard",
        "node_id",
        sqlite_where=sa.text("offer != ''"),
        postgresql_where=sa.text("offer != ''"),
    ),
)

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("lease_id", sa.Text, nullable=False, unique=True),
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # contribution | report
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("record_sha256", sa.Text, nullable=False),
    sa.Column("head", sa.Text, nullable=False),
    _time("received_at_ms"),
    sa.Column("receipt", sa.Text, nullable=False),
)
contributions = sa.Table(
    "contributions",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("lease_id", sa.Text, nullable=False),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),  # work | truth | canary | turned | import
    sa.Column("audit_of", sa.Text, index=True),  # what a truth is about
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("final_url", sa.Text, nullable=False),
    sa.Column("http_status", sa.Integer, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    _time("fetched_at_ms"),
    _time("received_at_ms"),
    sa.Column("robots_state", sa.Text, nullable=False),
    sa.Column("optout_signals", sa.Text, nullable=False),  # JSON list
    sa.Column("raw_sha256", sa.Text, nullable=False),
    sa.Column("text_sha256", sa.Text, nullable=False),
    sa.Column("text_bytes", sa.BigInteger, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("extractor_version", sa.Text, nullable=False),
    sa.Index(
        "imports_of_url",
        "url",
        sqlite_where=sa.text("kind = 'import'"),
        postgresql_where=sa.text("kind = 'import'"),
    ),
)
verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),  # the contribution's place in the log
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),  # accepted | unaudited | rejected | no_evidence
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("similarity", sa.Float, nullable=False),
    sa.Column("confirmed_ppm", sa.Integer, nullable=False, default=1_000_000),  # of its shingles, by a truth
    # the audit epoch that was open when it was decided: the node is told when that one is closed
    sa.Column("epoch_id", sa.Integer, nullable=False, default=0),
    sa.Column("truth_sha256", sa.Text, nullable=False),  # JSON list
    _time("decided_at_ms"),
    sa.Column("jws", sa.Text, nullable=False),
    # Verdicts come out of the log's order; this is theirs, for readers with a cursor. One process commits.
    sa.Column(
        "decided_seq",
        sa.BigInteger,
        nullable=False,
        unique=True,
        default=sa.text("(SELECT coalesce(max(decided_seq), 0) + 1 FROM verdicts)"),
    ),
    sa.Index("verdicts_of_node", "node_id", "decided_seq"),
)
duplicates = sa.Table(
    "duplicates",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),  # unique | exact | near
    sa.Column("cluster_id", sa.Text, nullable=False, index=True),
    sa.Column("first_contribution_id", sa.Text, nullable=False),
    sa.Column("similarity", sa.Float, nullable=False),
    sa.Column("unique_bytes", sa.BigInteger, nullable=False),
)
annotations = sa.Table(
    "annotations",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("language_score", sa.Float, nullable=False),
    sa.Column("token_count", sa.BigInteger, nullable=False),
    sa.Column("license_detected", sa.Text, nullable=False),
    sa.Column("training_allowed", sa.Boolean, nullable=False),
    sa.Column("rights_reason", sa.Text, nullable=False),
    # JSON object: personal-data counts; the rest is in the lake
    sa.Column("signals", sa.Text, nullable=False),
)

boilerplate = sa.Table(
    "boilerplate",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),
    # JSON: numbers of lines that the host's other pages have too
    sa.Column("lines", sa.Text, nullable=False),
    sa.Column("paragraphs", sa.Text, nullable=False),  # JSON: those of paragraphs that they have whole
    sa.Column("line_bytes", sa.BigInteger, nullable=False),
)
host_blocks = sa.Table(
    "host_blocks",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    sa.Column("pages", sa.BigInteger, nullable=False),
    sa.Column("blocks", sa.LargeBinary, nullable=False),  # digests of lines and where they were seen
)

consents = sa.Table(
    "consents",
    metadata,
    sa.Column("consent_receipt_id", sa.Text, primary_key=True),
    sa.Column("contribution_id", sa.Text, nullable=False, unique=True),
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("items", sa.Integer, nullable=False),
    _time("given_at_ms"),
    _time("received_at_ms"),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger, nullable=False),
    sa.Column("consent_jws", sa.Text, nullable=False),
    sa.Column("receipt", sa.Text, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("entry_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    # follows from its cause: posted at most once
    sa.Column("entry_id", sa.Text, nullable=False, unique=True),
    sa.Column("debit", sa.Text, nullable=False, index=True),
    sa.Column("credit", sa.Text, nullable=False, index=True),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("amount", Uint256, nullable=False),
    sa.Column("cause", sa.Text, nullable=False, index=True),  # contribution, sale or claim id
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("rule_version", sa.Integer, nullable=False),
    _time("created_at_ms"),
    sa.Column("head", sa.Text, nullable=False),
)
epochs = sa.Table(
    "epochs",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),  # frozen | published | proposed | accepted
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("entry_seq", sa.BigInteger, nullable=False),  # frozen at this ledger entry
    sa.Column("ledger_head", sa.Text, nullable=False),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("total", Uint256, nullable=False),
    sa.Column("tree_sha256", sa.Text, nullable=False),
    _time("valid_at_s", nullable=True),
    _time("closed_at_ms"),
    sa.Column("header_jws", sa.Text, nullable=False),
)
payouts = sa.Table(
    "payouts",
    metadata,
    sa.Column("payout_id", sa.Text, primary_key=True),  # account and cumulative amount
    sa.Column("epoch_id", sa.Integer, nullable=False),
    sa.Column("account", sa.Text, nullable=False, index=True),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("cumulative", Uint256, nullable=False),
    sa.Column("paid", Uint256, nullable=False),
    sa.Column("tx_hash", sa.Text, nullable=False),
    _time("paid_at_ms"),
)
exports = sa.Table(
    "exports",
    metadata,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("export_id", sa.Text, nullable=False, unique=True),  # its SHA-256 is its name on chain
    sa.Column("manifest_sha256", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("price", Uint256, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("listed", sa.Boolean, nullable=False),
    _time("created_at_ms"),
    sa.Column("retired", sa.Text, nullable=False, default=""),  # wanted | done: what it held was taken back
)
sales = sa.Table(
    "sales",
    metadata,
    sa.Column("sale_id", sa.Text, primary_key=True),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("export_id", sa.Text, nullable=False, index=True),
    sa.Column("buyer", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("price", Uint256, nullable=False),
    sa.Column("royalties", Uint256, nullable=False),
    sa.Column("fees", Uint256, nullable=False),
    sa.Column("burned", Uint256, nullable=False, default=0),  # destroyed by the sale itself
    sa.Column("tx_hash", sa.Text, nullable=False),
    sa.Column("block", sa.BigInteger, nullable=False),
    _time("sold_at_ms"),
    sa.Column("market", sa.Text, nullable=False, default=""),  # chain id and contract; empty in older rows
)
judgements = sa.Table(
    "judgements",
    metadata,
    sa.Column("order_key", sa.Text, primary_key=True),  # chain, market and the market's own number
    sa.Column("order_id", sa.BigInteger, nullable=False),
    sa.Column("buyer", sa.Text, nullable=False, index=True),
    sa.Column("export_sha256", sa.Text, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    # terms_(not_)met | too_many_tries | version_retired | not_waiting
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("findings", sa.Text, nullable=False),  # JSON: each assertion, what was wanted and found
    sa.Column("tx_hash", sa.Text, nullable=False),  # empty until the chain was told
    _time("judged_at_ms"),
)
