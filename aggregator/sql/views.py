"""The views an operator may ask: their names, columns, types and meaning. This table is the contract.

Rules: a view or column is never renamed or removed, only added; a test holds names and types. Times are TIMESTAMP in
UTC, amounts DECIMAL(38,0) in wei so that sums are exact. Personal text is in no view. `documents` is the lake itself,
column by column, so its times are the lake's milliseconds.

Does not: run queries or open files (see `child`).

Usage: `VIEWS["contributions"].select`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aggregator.sql.lake_views import LAKE_VIEWS
from aggregator.sql.trust_views import TRUST_VIEWS
from aggregator.sql.view_table import REAL, TEXT, TIME, WEI, WHOLE, YESNO, Column, Growth, View
from storage.tables import contributions as t
from storage.tables.annotations import ANNOTATION_COLUMNS

_c, _v, _d, _a = t.contributions.c, t.verdicts.c, t.duplicates.c, t.annotations.c
_b = t.boilerplate.c
_n, _l, _e = t.nodes.c, t.leases.c, t.ledger.c
# A URL as leased is in its canonical form: no user, lower case, IPv6 in brackets.
HOST_OF_URL: Final = r"regexp_extract(url, '^[a-z]+://(\[[^\]]*\]|[^/:?#]*)', 1)"

_VIEWS = (
    View(
        "contributions",
        "every text handed in for a lease, truths of validators apart, with what was judged of it",
        (
            Column("contribution_id", TEXT, "id made by the node", _c.contribution_id),
            Column("seq", WHOLE, "place in the append-only log", _c.seq),
            Column("node_id", TEXT, "who handed it in", _c.node_id),
            Column("lease_id", TEXT, "the lease it answers", _c.lease_id),
            Column("url", TEXT, "URL as leased", _c.url),
            Column("final_url", TEXT, "URL after redirects", _c.final_url),
            Column("http_status", WHOLE, "status of the page", _c.http_status),
            Column("content_type", TEXT, "type of the page", _c.content_type),
            Column("fetched_at", TIME, "when the node fetched it", _c.fetched_at_ms),
            Column("received_at", TIME, "when it was acknowledged", _c.received_at_ms),
            Column("robots_state", TEXT, "what robots.txt said", _c.robots_state),
            Column("text_sha256", TEXT, "digest of the text", _c.text_sha256),
            Column("text_bytes", WHOLE, "length of the text in UTF-8 bytes", _c.text_bytes),
            Column("title", TEXT, "the page's title", _c.title),
            Column(
                "language", TEXT, "ISO 639 code, `und` when unknown; null before it is judged", _a.language
            ),
            Column("token_count", WHOLE, "tokens of the pinned tokenizer", _a.token_count),
            Column("license_detected", TEXT, "licence found in the text", _a.license_detected),
            Column("training_allowed", YESNO, "no signal forbids training", _a.training_allowed),
            Column("url_host", TEXT, "host of the URL as leased, without its port", HOST_OF_URL),
            Column("given_verdict", TEXT, "as in `verdicts`; null before it is decided", _v.verdict),
            Column("given_reason", TEXT, "its reason code", _v.reason),
            Column(
                "novelty",
                TEXT,
                "the kind of `duplicates`; null before it is judged, and where it was rejected",
                _d.kind,
            ),
            Column("novelty_bytes", WHOLE, "bytes that were new", _d.unique_bytes),
        ),
        t.contributions.outerjoin(t.annotations, _a.contribution_id == _c.contribution_id)
        .outerjoin(t.verdicts, _v.contribution_id == _c.contribution_id)
        .outerjoin(t.duplicates, _d.contribution_id == _c.contribution_id),
        _c.kind == "work",
        Growth(_c.seq, "judged"),
    ),
    View(
        "verdicts",
        "what verification decided, one row for each contribution decided",
        (
            Column("contribution_id", TEXT, "about which contribution", _v.contribution_id),
            Column("node_id", TEXT, "whose", _v.node_id),
            Column("verdict", TEXT, "accepted, unaudited, rejected or no_evidence", _v.verdict),
            Column("reason", TEXT, "reason code", _v.reason),
            Column("similarity", REAL, "two-sided shingle similarity with the truth, 0 to 1", _v.similarity),
            Column("decided_at", TIME, "when", _v.decided_at_ms),
            Column("confirmed_ppm", WHOLE, "share of its shingles that a truth has too", _v.confirmed_ppm),
            Column("epoch_id", WHOLE, "audit epoch with whose close it is told to the node", _v.epoch_id),
        ),
        t.verdicts,
        grows=Growth(_v.decided_seq, "appended"),
    ),
    View(
        "duplicates",
        "novelty of each accepted contribution against everything ever seen",
        (
            Column("contribution_id", TEXT, "about which contribution", _d.contribution_id),
            Column("kind", TEXT, "unique, exact, near, or hard (of a host that cannot be checked)", _d.kind),
            Column("cluster_id", TEXT, "the cluster, named by its first contribution", _d.cluster_id),
            Column(
                "first_contribution_id", TEXT, "whose text it repeats, or itself", _d.first_contribution_id
            ),
            Column("similarity", REAL, "Jaccard of five-word shingles with that text", _d.similarity),
            Column("unique_bytes", WHOLE, "bytes that were new", _d.unique_bytes),
        ),
        t.duplicates,
        grows=Growth(_d.seq, "judged"),
    ),
    View(
        "boilerplate",
        "lines of each judged text that two other pages of its host had before; texts are kept whole",
        (
            Column("contribution_id", TEXT, "about which contribution", _b.contribution_id),
            Column("lines", TEXT, "numbers of such lines, from 1, as a JSON list", _b.lines),
            Column("paragraphs", TEXT, "those of paragraphs repeated as a whole", _b.paragraphs),
            Column("line_bytes", WHOLE, "bytes of such lines", _b.line_bytes),
        ),
        t.boilerplate,
        grows=Growth(_b.seq, "judged"),
    ),
    View(
        "nodes",
        "every registered node",
        (
            Column("node_id", TEXT, "its public key", _n.node_id),
            Column("role", TEXT, "contributor or validator", _n.role),
            Column("payout_address", TEXT, "where its rewards go", _n.payout_address),
            Column("region", TEXT, "as it says", _n.region),
            Column("registered_at", TIME, "since when", _n.registered_at_ms),
            Column("state", TEXT, "active, queued, leaving, left or revoked", _n.state),
            Column("operator", TEXT, "whose validator it is; empty for a contributor", _n.operator),
        ),
        t.nodes,
    ),
    View(
        "leases",
        "every lease and what became of it",
        (
            Column("lease_id", TEXT, "its id", _l.lease_id),
            Column("url", TEXT, "what was to be fetched", _l.url),
            Column("node_id", TEXT, "by whom", _l.node_id),
            Column("kind", TEXT, "work, audit, canary or turned", _l.kind),
            Column("render", TEXT, "http or browser", _l.render),
            Column("state", TEXT, "leased, answered or expired", _l.state),
            Column("outcome", TEXT, "outcome in the protocol's vocabulary", _l.outcome),
            Column("http_status", WHOLE, "status as reported", _l.http_status),
            Column("bytes_wire", WHOLE, "bytes over the line as reported", _l.bytes_wire),
            Column("issued_at", TIME, "when it was given", _l.issued_at_ms),
            Column("closed_at", TIME, "when it was answered or expired", _l.closed_at_ms),
        ),
        t.leases,
    ),
    View(
        "ledger",
        "double entry: each row moves an amount from one account to another",
        (
            Column("entry_seq", WHOLE, "place in the ledger", _e.entry_seq),
            Column("entry_id", TEXT, "id that follows from its cause", _e.entry_id),
            Column("debit", TEXT, "account it is taken from", _e.debit),
            Column("credit", TEXT, "account it goes to", _e.credit),
            Column("asset", TEXT, "which token", _e.asset),
            Column("amount", WEI, "how much, in wei; 0 for a refusal", _e.amount),
            Column("cause", TEXT, "contribution, sale or claim", _e.cause),
            Column("reason", TEXT, "reason code", _e.reason),
            Column("rule_version", WHOLE, "version of the rates", _e.rule_version),
            Column("created_at", TIME, "when", _e.created_at_ms),
        ),
        t.ledger,
        grows=Growth(_e.entry_seq, "appended"),
    ),
    View(
        "epochs",
        "every epoch and its root",
        (
            Column("epoch_id", WHOLE, "its number", t.epochs.c.epoch_id),
            Column("state", TEXT, "frozen, published, proposed or accepted", t.epochs.c.state),
            Column("entry_seq", WHOLE, "last ledger entry it covers", t.epochs.c.entry_seq),
            Column("root", TEXT, "Merkle root of cumulative amounts", t.epochs.c.root),
            Column("total", WEI, "sum of all leaves in wei", t.epochs.c.total),
            Column("closed_at", TIME, "when it was frozen", t.epochs.c.closed_at_ms),
        ),
        t.epochs,
    ),
    View(
        "payouts",
        "every claim that the chain paid",
        (
            Column("epoch_id", WHOLE, "epoch whose root proved it", t.payouts.c.epoch_id),
            Column("account", TEXT, "who was paid", t.payouts.c.account),
            Column("asset", TEXT, "in which token", t.payouts.c.asset),
            Column("cumulative", WEI, "claimed in all so far, in wei", t.payouts.c.cumulative),
            Column("paid", WEI, "paid by this claim, in wei", t.payouts.c.paid),
            Column("tx_hash", TEXT, "the transaction", t.payouts.c.tx_hash),
            Column("paid_at", TIME, "when it was recorded", t.payouts.c.paid_at_ms),
        ),
        t.payouts,
    ),
    View(
        "consents",
        "every consent given for personal data; never the data",
        (
            Column("consent_receipt_id", TEXT, "digest of the receipt", t.consents.c.consent_receipt_id),
            Column("contribution_id", TEXT, "the donation it covers", t.consents.c.contribution_id),
            Column("source", TEXT, "where the items come from", t.consents.c.source),
            Column("purpose", TEXT, "what for", t.consents.c["purpose"]),
            Column("items", WHOLE, "how many items", t.consents.c["items"]),
            Column("given_at", TIME, "when it was given", t.consents.c.given_at_ms),
        ),
        t.consents,
    ),
    View(
        "exports",
        "every published version of a dataset",
        (
            Column("dataset", TEXT, "its name", t.exports.c.dataset),
            Column("version", TEXT, "its version", t.exports.c.version),
            Column("export_id", TEXT, "its id on chain", t.exports.c.export_id),
            Column("manifest_sha256", TEXT, "digest of its manifest", t.exports.c.manifest_sha256),
            Column("rows", WHOLE, "rows", t.exports.c["rows"]),
            Column("tokens", WHOLE, "tokens", t.exports.c.tokens),
            Column("bytes", WHOLE, "bytes of its files", t.exports.c.bytes),
            Column("price", WEI, "price in wei", t.exports.c.price),
            Column("created_at", TIME, "when it was published", t.exports.c.created_at_ms),
        ),
        t.exports,
    ),
    View(
        "sales",
        "every sale the chain shows",
        (
            Column("sale_id", TEXT, "its id", t.sales.c.sale_id),
            Column("dataset", TEXT, "what was sold", t.sales.c.dataset),
            Column("version", TEXT, "which version", t.sales.c.version),
            Column("buyer", TEXT, "who paid", t.sales.c.buyer),
            Column("price", WEI, "paid, in that token's smallest unit", t.sales.c.price),
            Column("royalties", WEI, "to the rows' owners, in the same", t.sales.c.royalties),
            Column("fees", WEI, "to the operator, in the same", t.sales.c.fees),
            Column("burned", WEI, "destroyed by the sale, in the same", t.sales.c.burned),
            Column("tx_hash", TEXT, "the transaction", t.sales.c.tx_hash),
            Column("sold_at", TIME, "time of its block", t.sales.c.sold_at_ms),
            Column("asset", TEXT, "in which token it was paid", t.sales.c.asset),
        ),
        t.sales,
    ),
)
VIEWS: Final[dict[str, View]] = {view.name: view for view in (*_VIEWS, *TRUST_VIEWS, *LAKE_VIEWS)}
GROWING: Final = {name: view for name, view in VIEWS.items() if view.grows is not None}


@dataclass(frozen=True)
class DocumentColumn:
    """One column of the view `documents`: its name, DuckDB type and meaning."""

    name: str
    kind: str
    meaning: str


def _listed(lines: str) -> list[DocumentColumn]:
    parts = [line.partition(" | ") for line in lines.strip().splitlines()]
    return [DocumentColumn(head.split()[0], head.split()[1], meaning) for head, _, meaning in parts]


_DOCUMENTS = """
seq BIGINT | place in the append-only log
contribution_id VARCHAR | id made by the node
node_id VARCHAR | who handed it in
payout_address VARCHAR | where its rewards go
url VARCHAR | URL as leased
final_url VARCHAR | URL after redirects
fetched_at_ms BIGINT | when the node fetched it, in milliseconds since 1970
received_at_ms BIGINT | when it was acknowledged, in milliseconds since 1970
http_status INTEGER | status of the page
content_type VARCHAR | type of the page
robots_state VARCHAR | what robots.txt said
optout_signals VARCHAR[] | signals on the page against use for training
raw_sha256 VARCHAR | digest of the page as received
text_sha256 VARCHAR | digest of the text
title VARCHAR | the page's title
text VARCHAR | the text
extractor_version VARCHAR | what made text of the page
verdict VARCHAR | accepted, unaudited, or imported (never audited)
verdict_reason VARCHAR | reason code
similarity DOUBLE | similarity with the truth, 0 to 1
dup_kind VARCHAR | unique, exact, near, or hard (of a host that cannot be checked)
dup_cluster_id VARCHAR | the cluster, named by its first contribution
dup_first_id VARCHAR | whose text it repeats, or itself
dup_similarity DOUBLE | similarity with that text
unique_bytes BIGINT | bytes that were new
language VARCHAR | ISO 639 code, `und` when unknown
language_score DOUBLE | how sure the language is, 0 to 1
token_count BIGINT | tokens of the pinned tokenizer
license_detected VARCHAR | licence found in the text
training_allowed BOOLEAN | no signal forbids training
rights_reason VARCHAR | why it is or is not allowed
signals VARCHAR | quality numbers and counts of personal data, as a JSON object
source VARCHAR | lease (a node fetched it) or import; null before imports were possible
warc_sha256 VARCHAR | digest of the file it was imported from
warc_record_id VARCHAR | record of that file
"""
_BOILERPLATE = """
boilerplate_lines INTEGER[] | numbers of lines, from 1, that two other pages of the host had before
boilerplate_paragraphs INTEGER[] | those of paragraphs repeated as a whole
"""
DOCUMENT_COLUMNS: Final = (
    *_listed(_DOCUMENTS),
    *(DocumentColumn(column.name, column.kind, column.meaning) for column in ANNOTATION_COLUMNS),
    *_listed(_BOILERPLATE),
)
