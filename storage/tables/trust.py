"""The tables of verification and its consequences, in the same database as the others.

Rules: `draws`, `consequences` and `appeals` are logs; `standings` and `host_standings` are folds kept for speed and can
be made again from the verdicts. Shares are parts per million.

Does not: hold rules about states (each state machine is a table of its own room).

Usage: `from storage.tables.trust import consequences`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables.contributions import Uint256, metadata

__all__ = ["metadata"]  # with these tables in it


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


# One row for each answer to a lease that may be drawn: a contribution, or a refusal (which is no row of contributions).
audits = sa.Table(
    "audits",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, unique=True),  # its place in the log
    sa.Column("lease_id", sa.Text, nullable=False, unique=True),
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # fetched, or which refusal
    sa.Column("content_sha256", sa.Text, nullable=False),  # of the text; of the record where there is none
    sa.Column("epoch_id", sa.Integer, nullable=False),  # that was open when it was committed
    sa.Column("rate_ppm", sa.Integer, nullable=False),  # that somebody audits it
    sa.Column("share_ppm", sa.Integer, nullable=False),  # at which each validator draws it
    sa.Column("value_ppm", sa.BigInteger, nullable=False),  # its worth over that of a mean document
    sa.Column("state", sa.Text, nullable=False),  # drawing | wanted | ready | decided
    sa.Column("truth_excess_ppm", sa.Integer, nullable=True),  # of its truths over each other, once decided
    sa.Column("weighed", sa.Text, nullable=True),  # JSON of verification.weighing.Weighed, once decided
    _time("opened_at_ms"),
    sa.Index("audits_open", "state", "epoch_id", "seq"),
    sa.Index("audits_of_node", "node_id", "state"),
)
# One row for each truth that somebody is asked for.
truth_requests = sa.Table(
    "truth_requests",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False, default=""),  # whose it is to fetch; empty: anybody's
    sa.Column("state", sa.Text, nullable=False, index=True),  # wanted | leased | answered | failed
    sa.Column("lease_id", sa.Text, index=True),
    _time("opened_at_ms"),
)
# One row for each answer that says of its page that it is another one than it was for long.
turned_pages = sa.Table(
    "turned_pages",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),  # which says so
    sa.Column("url_id", sa.Text, nullable=False, index=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("render", sa.Text, nullable=False),
    sa.Column("epoch_id", sa.Integer, nullable=False, index=True),  # until whose end it may be leased again
)
audit_epochs = sa.Table(
    "audit_epochs",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),  # open | revealing | sealed | closed
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=True),
    _time("opened_at_ms"),  # 0 until a clock has seen it
    _time("ended_at_ms", nullable=True),
    _time("sealed_at_ms", nullable=True),
    sa.Column("rules", sa.Text, nullable=False, default=""),  # JSON of the TrustRules it began with
    sa.Column("terms_version", sa.Integer, nullable=False, default=1),  # of pay; 0 until a clock has seen it
    sa.Column("audits_sha256", sa.Text, nullable=False, default=""),  # of the published file
    sa.Column("header_sha256", sa.Text, nullable=False, default=""),
)
audit_secrets = sa.Table(
    "audit_secrets",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("commitment", sa.Text, nullable=False),
    sa.Column("from_seq", sa.BigInteger, nullable=False),  # it draws entries after this place of the log
    sa.Column("committed", sa.Text, nullable=False),  # JSON of the signed request
    sa.Column("secret", sa.Text, nullable=False, default=""),  # hex, after it was revealed
    sa.Column("revealed", sa.Text, nullable=False, default=""),  # JSON of the signed request
    sa.Column("drawn_seq", sa.BigInteger, nullable=False, default=0),  # it has drawn up to here
    _time("committed_at_ms"),
    _time("seen_at_ms"),
    _time("revealed_at_ms", nullable=True),
)
# Texts of an earlier time, or of another page, that a verdict rests on: they stay until it is told.
rested_on = sa.Table(
    "rested_on",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # the text's place in the log
    sa.Column("contribution_id", sa.Text, primary_key=True),  # which the verdict is about
)

draws = sa.Table(
    "draws",
    metadata,
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("lease_id", sa.Text, primary_key=True),
    sa.Column("epoch_id", sa.Integer, nullable=False, index=True),
    sa.Column("doubled", sa.Boolean, nullable=False),
    _time("drawn_at_ms"),
    sa.Index("draws_of_lease", "lease_id"),
)
# An epoch's audits are paid with one audit fee for each truth counted in rows whose share is not 0; the shares of an
# epoch sum to a million at most, and what they leave is not paid.
dividends = sa.Table(
    "dividends",
    metadata,
    sa.Column("epoch_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("validator_id", sa.Text, primary_key=True),
    sa.Column("operator", sa.Text, nullable=False),
    sa.Column("audits", sa.Integer, nullable=False),  # truths of its own that verdicts used
    sa.Column("share_ppm", sa.Integer, nullable=False),  # of what the epoch's audits are paid with
    # code: why there is no share, or `single_operator`
    sa.Column("reason", sa.Text, nullable=False, default=""),
)

standings = sa.Table(
    "standings",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("standing", sa.Text, nullable=False),  # JSON of verification.standing.Standing
    sa.Column("frozen", sa.Boolean, nullable=False, default=False),
    sa.Column("suspended", sa.Boolean, nullable=False, default=False),
    _time("updated_at_ms"),
)
host_standings = sa.Table(
    "host_standings",
    metadata,
    sa.Column("host_key", sa.Text, primary_key=True),
    sa.Column("standing", sa.Text, nullable=False),  # JSON of verification.hosts.HostStanding
    sa.Column("hard", sa.Boolean, nullable=False, default=False),
    _time("updated_at_ms"),
)
domain_standings = sa.Table(  # registrable domains; closed ones shut validators out
    "domain_standings",
    metadata,
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("standing", sa.Text, nullable=False),  # JSON of verification.hosts.HostStanding
    sa.Column("closed", sa.Boolean, nullable=False, default=False, index=True),
    _time("updated_at_ms"),
)
# What the folds saw of each audit: standings can be made again from these rows alone.
audit_outcomes = sa.Table(
    "audit_outcomes",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("outcome_seq", sa.BigInteger, nullable=False, unique=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("host_key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),  # match | mismatch
    sa.Column("state", sa.Text, nullable=False, default="counted"),  # counted | voided | restored
    sa.Column("pooled", sa.Integer, nullable=False, default=0),  # 1: its mismatch is one of its region's
    sa.Column("epoch_id", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),  # JSON of verification.standing.AuditOutcome
)
region_rates = sa.Table(
    "region_rates",
    metadata,
    sa.Column("region", sa.Text, primary_key=True),
    sa.Column("audits", sa.BigInteger, nullable=False),
    sa.Column("mismatches", sa.BigInteger, nullable=False),  # that count against somebody
)
document_counts = sa.Table(
    "document_counts",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("documents", sa.BigInteger, nullable=False),
    # an audit, since its bond was last emptied
    sa.Column("passed", sa.BigInteger, nullable=False, default=0),
    sa.Column("day", sa.BigInteger, nullable=False),  # since 1970-01-01 UTC
    sa.Column("today", sa.BigInteger, nullable=False),
    sa.Column("yesterday", sa.BigInteger, nullable=False),
)
consequences = sa.Table(
    "consequences",
    metadata,
    sa.Column("consequence_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("consequence_id", sa.Text, nullable=False, unique=True),  # follows from kind and cause
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    # replaced | escalated | cleared | strike | fined | padding | suspended | would_suspend
    # | voided | restored | appeal_denied | left_settled | bond_returned | begun_again | bond_kept
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("contribution_id", sa.Text, nullable=False, index=True),  # its cause; empty where there is none
    # a fine, in millionths of a mean document
    sa.Column("documents_ppm", sa.BigInteger, nullable=False, default=0),
    sa.Column("share_ppm", sa.Integer, nullable=False, default=0),  # by how much pending novelty shrinks
    sa.Column("undoes", sa.Text, nullable=False, default=""),  # the consequence that this one takes back
    sa.Column("epoch_id", sa.Integer, nullable=False),
    _time("created_at_ms"),
)
appeals = sa.Table(
    "appeals",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),  # one appeal for each verdict
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, index=True),  # waiting | fetching | granted | denied
    sa.Column("reason", sa.Text, nullable=False, default=""),
    _time("received_at_ms"),
    _time("decided_at_ms", nullable=True),
)
departures = sa.Table(
    "departures",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False, index=True),  # drawing | settling | settled | returned
    sa.Column("epoch_id", sa.Integer, nullable=False),  # whose revealed secrets draw what is checked
    _time("asked_at_ms"),
    _time("settle_by_ms"),
    _time("bond_due_at_ms"),
)
# What control hosts saw of leased control pages: one row for each that anybody asked for while its lease was open.
egress_challenges = sa.Table(
    "egress_challenges",
    metadata,
    sa.Column("lease_id", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False),
    sa.Column("seen", sa.Text, nullable=False),  # here | other_family | elsewhere
    sa.Column("seen_from", sa.Text, nullable=False),  # the /24 or /48 that asked
    _time("seen_at_ms"),
    sa.Index("egress_of_node", "node_id", "seen_at_ms"),
    sa.Index("egress_of_place", "seen_from", "seen_at_ms"),
)
# What is looked at once more, by truths fetched for it alone: appealed verdicts, and what a departing node has pending.
second_looks = sa.Table(
    "second_looks",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),  # appeal | leave
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False, index=True),  # fetching | decided
    sa.Column("first_ordinal", sa.Integer, nullable=False),  # of its truth requests
    sa.Column("rate_ppm", sa.Integer, nullable=False),  # with which it was drawn
    sa.Column("result", sa.Text, nullable=False, default=""),
    _time("opened_at_ms"),
    _time("give_up_at_ms"),
)
delegations = sa.Table(
    "delegations",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),
    sa.Column("payout_address", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),  # words joined by blanks
    _time("expires_at_ms"),
    sa.Column("signature", sa.Text, nullable=False),
    _time("received_at_ms"),
)
host_paces = sa.Table(
    "host_paces",
    metadata,
    sa.Column("host", sa.Text, primary_key=True),  # without a port where it is 80 or 443
    _time("last_slot_ms"),
    sa.Column("crawl_delay_ms", sa.BigInteger, nullable=False),
    sa.Column("doubts", sa.Integer, nullable=False),  # reports in a row of a shorter crawl-delay
    sa.Column("failures", sa.Integer, nullable=False),  # in a row
    _time("paused_until_ms"),
)
# What each prefix was given on each day; young: to identities whose bond is not complete; unranked: of domains that
# the list of known ones lacks.
lease_days = sa.Table(
    "lease_days",
    metadata,
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),  # since 1970-01-01 UTC
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("given", sa.BigInteger, nullable=False),
    sa.Column("young", sa.BigInteger, nullable=False),
    sa.Column("unranked", sa.BigInteger, nullable=False, default=0),
    _time("young_asked_at_ms"),
)
node_stakes = sa.Table(
    "node_stakes",
    metadata,
    sa.Column("node_id", sa.Text, primary_key=True),
    sa.Column("pending", Uint256, nullable=False),
    sa.Column("bond", Uint256, nullable=False),
)
