"""The view of what people searched for, watched and listened to, that recipes about interests read: no names, no times.

    id, contributor_pseudonym, month, kind, title, words, token_count

Rules: only what can be read now, is within its time, and whose person has a genuine month of history of that month, so
that a group of people is one of people. Who gave what somebody gave before them, by half of either's items of a month,
is not counted again. A pseudonym is one month's of one kind, and leads to no other. Whose it is pays nobody: what it is
sold for goes to all months (`Source.job_id` is empty), so that nothing is earned by making more of it up.

Does not: choose rows, count people (the recipe does, and its checks), or write files.

Usage: `given = read_interests(house, vault.read, salt)`; `open_engine(recipe, donated=given.table)`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import sqlalchemy as sa

from aggregator.curation.tokens import count_tokens
from aggregator.publish.donated import Donated, Read, Source, salted
from storage.house import House
from storage.tables.contributions import consents
from storage.tables.person_months import month_donations, month_jobs, month_results
from storage.tables.personal import personal_bodies
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DONATED_ROWS_MAX, SAME_INTERESTS_MIN
from windrow_protocol.personal.messages import PersonalRecord, donation_read, month_of

KINDS: Final = ("search", "watch", "listen")
SCHEMA: Final = pa.schema(
    [
        ("id", pa.string()),
        ("contributor_pseudonym", pa.string()),
        ("month", pa.string()),
        ("kind", pa.string()),
        ("title", pa.string()),
        ("words", pa.string()),
        ("token_count", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class _Given:
    """One item, and whose it is."""

    contribution_id: str
    person: str
    month: str
    kind: str
    record: PersonalRecord

    @property
    def said(self) -> tuple[str, str, str]:
        return self.kind, self.record.title, self.record.text


def read_interests(house: House, read: Read, salt: bytes) -> Donated:
    """Decrypt everything of these kinds that may be sold. Raises WindrowError `too_large`."""
    by_person: defaultdict[tuple[str, str], list[_Given]] = defaultdict(list)
    for count, given in enumerate(_all_given(house, read)):
        if count >= DONATED_ROWS_MAX:
            raise WindrowError("too_large", f"more than {DONATED_ROWS_MAX} items")
        by_person[given.month, given.person].append(given)
    rows: dict[str, dict[str, Any]] = {}
    sources: dict[str, Source] = {}
    for given in _without_copies(by_person):
        row = _row(salt, given)
        if row["id"] not in rows:
            rows[row["id"]] = row
            sources[row["id"]] = Source(given.contribution_id, "", given.person)
    ordered = [rows[name] for name in sorted(rows)]
    return Donated(pa.Table.from_pylist(ordered, schema=SCHEMA), sources)


def _row(salt: bytes, given: _Given) -> dict[str, Any]:
    whose = f"{given.person}\n{given.month}\n{given.kind}"
    return {
        "id": salted(salt, "row", f"{whose}\n{given.record.item_id}"),
        "contributor_pseudonym": "w" + salted(salt, "person", whose)[:20],
        "month": given.month,
        "kind": given.kind,
        "title": given.record.title,
        "words": given.record.text,
        "token_count": count_tokens(" ".join(filter(None, given.said[1:]))),
    }


def _without_copies(by_person: dict[tuple[str, str], list[_Given]]) -> Iterator[_Given]:
    """Yield what people gave, of each month that of who gave it first, without what was mostly somebody else's."""
    holders: defaultdict[tuple[str, tuple[str, str, str]], list[str]] = defaultdict(list)
    sizes: dict[tuple[str, str], int] = {}
    for (month, person), items in by_person.items():  # in the order of their first donations
        said = {each.said for each in items}
        shared = Counter(other for each in said for other in holders[month, each])
        if any(
            2 * count >= min(len(said), sizes[month, other])
            for other, count in shared.items()
            if count >= SAME_INTERESTS_MIN
        ):
            continue
        sizes[month, person] = len(said)
        for each in said:
            holders[month, each].append(person)
        yield from items


def _all_given(house: House, read: Read) -> Iterator[_Given]:
    months = _genuine_months(house)
    for row in _held(house):
        donation = donation_read(read, row.contribution_id)
        for record in donation.records if donation else ():
            month = month_of(record.captured_at_ms) if record.captured_at_ms else ""
            if person := months.get((row.node_id, month)):
                yield _Given(row.contribution_id, person, month, row.source, record)


def _held(house: House) -> list[Any]:
    """Return the donations of these kinds that can be read and are within their time, the first given first."""
    statement = (
        sa.select(consents.c.contribution_id, consents.c.node_id, consents.c.source)
        .join(personal_bodies, personal_bodies.c.contribution_id == consents.c.contribution_id)
        .where(consents.c.source.in_(KINDS), personal_bodies.c.expires_at_ms >= house.now_ms())
        .order_by(consents.c.received_at_ms, consents.c.contribution_id)
    )
    with house.state.read() as connection:
        return list(connection.execute(statement))


def _genuine_months(house: House) -> dict[tuple[str, str], str]:
    """Return whose month of history was genuine, by node and month, as long as something of it is held."""
    statement = (
        sa.select(personal_bodies.c.node_id, month_jobs.c.month, month_jobs.c.person)
        .join(month_donations, month_donations.c.contribution_id == personal_bodies.c.contribution_id)
        .join(month_jobs, month_jobs.c.job_id == month_donations.c.job_id)
        .join(month_results, month_results.c.job_id == month_jobs.c.job_id)
        .where(month_results.c.verdict == "genuine", personal_bodies.c.expires_at_ms >= house.now_ms())
        .distinct()
    )
    with house.state.read() as connection:
        return {(row.node_id, row.month): row.person for row in connection.execute(statement)}
