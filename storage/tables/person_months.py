"""The tables of pay for personal data: which months wait, jobs and results of judging them, marks, and pending pay.

Rules: `month_jobs`, `month_donations` and `month_results` are logs: a job is written once, and so is its result. What
is paid stands in the ledger; `personal_pending` is a fold of it, kept in the transaction that posts. Nothing here is
readable personal data: of a donation only the calendar month and the number of its items are known.

Does not: hold rules about pay (`rewards/`), or bodies.

Usage: `from storage.tables.person_months import month_jobs`; `State.open` creates them with the rest.
"""

import sqlalchemy as sa

from storage.tables.contributions import Uint256
from storage.tables.personal import metadata

__all__ = ["metadata"]  # with these tables in it

# What each donation that can be read holds of each month; gone with its key. Without times the month is empty.
personal_months = sa.Table(
    "personal_months",
    metadata,
    sa.Column("contribution_id", sa.Text, primary_key=True),
    sa.Column("month", sa.Text, primary_key=True),
    sa.Column("node_id", sa.Text, nullable=False, index=True),
    sa.Column("items", sa.Integer, nullable=False),
    sa.Column("received_at_ms", sa.BigInteger, nullable=False),
)
month_jobs = sa.Table(
    "month_jobs",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("nonce", sa.Text, nullable=False, unique=True),
    # the wallet that delegated, else the payout address
    sa.Column("person", sa.Text, nullable=False, index=True),
    sa.Column("payout_address", sa.Text, nullable=False),
    sa.Column("month", sa.Text, nullable=False),
    sa.Column("target_sha256", sa.Text, nullable=False),  # of the donations it is about
    sa.Column("asked_at_ms", sa.BigInteger, nullable=False),
    sa.Column("place", sa.Integer, nullable=False),  # among those asked for at the same moment
)
month_donations = sa.Table(
    "month_donations",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("contribution_id", sa.Text, primary_key=True, index=True),
    sa.Column("items", sa.Integer, nullable=False),
)
month_results = sa.Table(
    "month_results",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("verdict", sa.Text, nullable=False, index=True),  # genuine | refused
    sa.Column("reason", sa.Text, nullable=False),  # person_month, or the code of a refusal
    sa.Column("check_name", sa.Text, nullable=False),  # the check that doubted, for the operator
    sa.Column("items", sa.Integer, nullable=False),
    # of a full month that it is paid as, in millionths; what was judged before this was told apart is a whole one
    sa.Column("share_ppm", sa.Integer, nullable=False, server_default="1000000"),
    sa.Column("decided_at_ms", sa.BigInteger, nullable=False),
    sa.Column("jws", sa.Text, nullable=False),
)
# Keyed digests of the history that was paid: say nothing without the operator's key (see rewards/history_fingerprints).
month_marks = sa.Table(
    "month_marks",
    metadata,
    sa.Column("mark", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, nullable=False, index=True),
    sa.Column("until_ms", sa.BigInteger, nullable=True, index=True),  # none while the month is held
)
# When each paid month was active, sealed under the coordinator's key (see rewards/month_spans).
month_spans = sa.Table(
    "month_spans",
    metadata,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("month", sa.Text, nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=True, index=True),  # none while the month is held
)
personal_pending = sa.Table(
    "personal_pending",
    metadata,
    sa.Column("asset", sa.Text, primary_key=True),
    sa.Column("cause", sa.Text, primary_key=True),  # the sale, or the job itself where a budget pays
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("payout_address", sa.Text, nullable=False, index=True),
    sa.Column("amount", Uint256, nullable=False),
    sa.Column("held_at_ms", sa.BigInteger, nullable=False),
    sa.Column("pending_ms", sa.BigInteger, nullable=False, default=30 * 86_400_000),  # by the terms of then
)
# What each row of an export about people is from; never in the export itself, which would join it with others.
export_donations = sa.Table(
    "export_donations",
    metadata,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("row_id", sa.Text, primary_key=True),
    sa.Column("contribution_id", sa.Text, nullable=False, index=True),
)
# A log of what was spent of each person's privacy, before the answer that it buys; the person is a keyed digest.
privacy_spends = sa.Table(
    "privacy_spends",
    metadata,
    sa.Column("answer_id", sa.Text, primary_key=True),
    sa.Column("person_mark", sa.Text, primary_key=True, index=True),
    sa.Column("epsilon_micro", sa.BigInteger, nullable=False),
    sa.Column("spent_at_ms", sa.BigInteger, nullable=False),
)
privacy_answers = sa.Table(
    "privacy_answers",
    metadata,
    # keyed digest of exactly what was asked of exactly whom
    sa.Column("question_mark", sa.Text, primary_key=True),
    sa.Column("answer_id", sa.Text, nullable=False, unique=True),
    sa.Column("answer", sa.Text, nullable=False),  # JSON {group: count}, noise included
    sa.Column("answered_at_ms", sa.BigInteger, nullable=False),
)
# Whose months the rows of an export are; never in the export itself, which would join it with others.
export_months = sa.Table(
    "export_months",
    metadata,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("rows", sa.BigInteger, nullable=False),
)
