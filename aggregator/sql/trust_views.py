"""The views of verification and its consequences, for the operator alone.

Rules: as in `views`. They show what nodes are not told before an audit epoch is closed; no view has a secret, a signed
request or a text in it.

Does not: run queries. Usage: `views.VIEWS` has them.
"""

from __future__ import annotations

from typing import Final

from aggregator.sql.view_table import TEXT, TIME, WHOLE, YESNO, Column, View
from storage.tables import trust as t

_a, _t, _c, _p = t.audits.c, t.truth_requests.c, t.consequences.c, t.appeals.c
_d, _s, _h, _e = t.dividends.c, t.standings.c, t.host_standings.c, t.audit_epochs.c

TRUST_VIEWS: Final = (
    View(
        "audits",
        "every answer that may be drawn for an audit: texts and refusals",
        (
            Column("contribution_id", TEXT, "about which answer", _a.contribution_id),
            Column("seq", WHOLE, "its place in the log", _a.seq),
            Column("lease_id", TEXT, "the lease it answers", _a.lease_id),
            Column("node_id", TEXT, "whose", _a.node_id),
            Column("outcome", TEXT, "fetched, or which refusal", _a.outcome),
            Column("epoch_id", WHOLE, "audit epoch in which it was committed", _a.epoch_id),
            Column("rate_ppm", WHOLE, "probability that somebody audits it", _a.rate_ppm),
            Column("share_ppm", WHOLE, "probability with which each validator draws it", _a.share_ppm),
            Column("value_ppm", WHOLE, "its worth over that of a mean document", _a.value_ppm),
            Column("state", TEXT, "drawing, wanted, ready or decided", _a.state),
            Column("opened_at", TIME, "when it was committed", _a.opened_at_ms),
        ),
        t.audits,
    ),
    View(
        "truths",
        "every truth that a validator was asked for",
        (
            Column("contribution_id", TEXT, "about which answer", _t.contribution_id),
            Column("ordinal", WHOLE, "the how-manieth", _t.ordinal),
            Column("operator", TEXT, "whose it is to fetch; empty: anybody's", _t.operator),
            Column("state", TEXT, "wanted, leased, answered or failed", _t.state),
            Column("lease_id", TEXT, "the lease that asked for it", _t.lease_id),
            Column("opened_at", TIME, "when it was asked for", _t.opened_at_ms),
        ),
        t.truth_requests,
    ),
    View(
        "consequences",
        "what followed from verdicts",
        (
            Column("consequence_seq", WHOLE, "place in their log", _c.consequence_seq),
            Column("consequence_id", TEXT, "id that follows from its cause", _c.consequence_id),
            Column("node_id", TEXT, "for whom", _c.node_id),
            Column("kind", TEXT, "replaced, escalated, fined, voided, restored and the like", _c.kind),
            Column("contribution_id", TEXT, "because of which contribution", _c.contribution_id),
            Column("documents_ppm", WHOLE, "a fine, in millionths of a mean document", _c.documents_ppm),
            Column("share_ppm", WHOLE, "by how much pending novelty shrinks", _c.share_ppm),
            Column("undoes", TEXT, "the consequence that it takes back", _c.undoes),
            Column("epoch_id", WHOLE, "audit epoch with whose close it is told to the node", _c.epoch_id),
            Column("created_at", TIME, "when", _c.created_at_ms),
        ),
        t.consequences,
    ),
    View(
        "appeals",
        "verdicts that nodes asked to be looked at again",
        (
            Column("contribution_id", TEXT, "about which contribution", _p.contribution_id),
            Column("node_id", TEXT, "whose", _p.node_id),
            Column("state", TEXT, "waiting, fetching, granted or denied", _p.state),
            Column("reason", TEXT, "why it was granted or denied", _p.reason),
            Column("received_at", TIME, "when it came", _p.received_at_ms),
            Column("decided_at", TIME, "when it was decided", _p.decided_at_ms),
        ),
        t.appeals,
    ),
    View(
        "dividends",
        "how the pay of an audit epoch's truths was divided among validators",
        (
            Column("epoch_id", WHOLE, "which audit epoch", _d.epoch_id),
            Column("validator_id", TEXT, "which validator", _d.validator_id),
            Column("operator", TEXT, "whose it is", _d.operator),
            Column("audits", WHOLE, "its truths that verdicts used", _d.audits),
            Column("share_ppm", WHOLE, "its share", _d.share_ppm),
            Column("reason", TEXT, "why there is none, or another remark", _d.reason),
        ),
        t.dividends,
    ),
    View(
        "standings",
        "what a node's audits add up to",
        (
            Column("node_id", TEXT, "which node", _s.node_id),
            Column("frozen", YESNO, "its vesting waits", _s.frozen),
            Column("suspended", YESNO, "it gets no leases", _s.suspended),
            Column("updated_at", TIME, "since when", _s.updated_at_ms),
        ),
        t.standings,
    ),
    View(
        "hosts",
        "what audits found out about hosts",
        (
            Column("host_key", TEXT, "scheme, name and port", _h.host_key),
            Column("hard", YESNO, "its pages cannot be checked, and earn the fetch fee only", _h.hard),
            Column("updated_at", TIME, "since when", _h.updated_at_ms),
        ),
        t.host_standings,
    ),
    View(
        "audit_epochs",
        "the stretches of the log whose draws are revealed and published together",
        (
            Column("epoch_id", WHOLE, "its number", _e.epoch_id),
            Column("state", TEXT, "open, revealing, sealed or closed", _e.state),
            Column("first_seq", WHOLE, "its first place in the log", _e.first_seq),
            Column("last_seq", WHOLE, "its last place in the log", _e.last_seq),
            Column("opened_at", TIME, "when it began; 1970 until somebody looked", _e.opened_at_ms),
            Column("ended_at", TIME, "when it ended", _e.ended_at_ms),
            Column("audits_sha256", TEXT, "digest of its published file", _e.audits_sha256),
        ),
        t.audit_epochs,
    ),
)
