"""The view of opted-in history that recipes about people read: visits of genuine months, without whose they are.

    id, contributor_pseudonym, month, host, url, title, token_count

Rules: only what can be read now, is within its time, and is part of a month that was judged genuine. Ids and pseudonyms
are keyed by the dataset's own salt, so that neither leads from one dataset to another, or to a node. Of a time only the
month is left, and the order is that of the ids. What stands behind a row (`Source`) never enters the view.

Does not: choose rows, count people (the recipe does, and its checks), or write files.

Usage: `donated = read_donated(house, vault.read, salt)`; `open_engine(recipe, donated=donated.table)`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import sqlalchemy as sa

from aggregator.curation.tokens import count_tokens
from storage.house import House
from storage.tables.person_months import month_donations, month_jobs, month_results
from storage.tables.personal import personal_bodies
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DONATED_ROWS_MAX
from windrow_protocol.personal.messages import PersonalRecord, donation_read, month_of, visits_in

Read = Callable[[str], bytes]
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("contributor_pseudonym", pa.string()),
        ("month", pa.string()),
        ("host", pa.string()),
        ("url", pa.string()),
        ("title", pa.string()),
        ("token_count", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Source:
    """What a row is from: the donation that a withdrawal names, the month that is paid, if one is, and whose it is."""

    contribution_id: str
    job_id: str
    person: str


@dataclass(frozen=True)
class Donated:
    """The view, and by row id what stands behind each row."""

    table: pa.Table
    sources: dict[str, Source]


def read_donated(house: House, read: Read, salt: bytes) -> Donated:
    """Decrypt every visit that may be sold. Raises WindrowError `too_large`."""
    rows: list[dict[str, Any]] = []
    sources: dict[str, Source] = {}
    for found in _genuine(house):
        for record in _records(read, found):
            row_id = salted(salt, "row", record.item_id)
            if row_id in sources:
                continue
            sources[row_id] = Source(found.contribution_id, found.job_id, found.person)
            rows.append(
                {
                    "id": row_id,
                    "contributor_pseudonym": "w" + salted(salt, "person", found.person)[:20],
                    "month": found.month,
                    "host": urlsplit(record.url).hostname or "",
                    "url": record.url,
                    "title": record.title,
                    "token_count": count_tokens(record.title or record.url),
                }
            )
        if len(rows) > DONATED_ROWS_MAX:
            raise WindrowError("too_large", f"more than {DONATED_ROWS_MAX} visits")
    rows.sort(key=lambda row: row["id"])
    return Donated(pa.Table.from_pylist(rows, schema=SCHEMA), sources)


def salted(salt: bytes, kind: str, name: str) -> str:
    """Return a name within one dataset, 64 hex digits; without the salt it leads nowhere."""
    return hmac.new(salt, f"{kind}\n{name}".encode(), hashlib.sha256).hexdigest()


def _genuine(house: House) -> list[Any]:
    statement = (
        sa.select(
            month_donations.c.contribution_id, month_jobs.c.job_id, month_jobs.c.month, month_jobs.c.person
        )
        .join(month_jobs, month_jobs.c.job_id == month_donations.c.job_id)
        .join(month_results, month_results.c.job_id == month_jobs.c.job_id)
        .join(personal_bodies, personal_bodies.c.contribution_id == month_donations.c.contribution_id)
        .where(month_results.c.verdict == "genuine", personal_bodies.c.expires_at_ms >= house.now_ms())
        .order_by(month_jobs.c.job_id, month_donations.c.contribution_id)
    )
    with house.state.read() as connection:
        return list(connection.execute(statement))


def _records(read: Read, found: Any) -> Iterator[PersonalRecord]:
    """Yield a donation's visits of the month."""
    donation = donation_read(read, found.contribution_id)
    visits = visits_in(donation) if donation else ()
    yield from (each for each in visits if month_of(each.captured_at_ms) == found.month)
