"""Judgement of documents: novelty against everything ever seen, annotations, and the lake.

    verdict on the contribution       what is judged in its place of the log
    accepted, unaudited               its text
    none, because it was imported     its text
    rejected, and a truth `replaces`  the truth's text, under the truth's own id, which nobody is paid for
    anything else, control pages      nothing

Rules: documents are judged strictly in the order of the log, and only as far as every earlier one has its verdict,
so that the same log always gives the same clusters and the same first-seen owners. A text of a hard host is kept,
but it is never first: nobody can say that the page holds it. Documents never change; judgements stand beside them,
in one transaction with the lake file and the cursor.

Does not: verify, price, or publish.

Usage: `judged = Judgement(house, segments, lake).judge(batch=64)`.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.curation import Fetched, annotate_all
from aggregator.curation.host_lists import FOLDER, HostLists
from aggregator.dedup import (
    HouseIndex,
    Incoming,
    mark_boilerplate,
    read_pages,
    sketch_all,
    warm_up,
)
from aggregator.ingest import read_texts
from aggregator.judged_rows import Judged, hard_duplicate, lake_row, record
from aggregator.verification.drawing.audit_steps import UNDECIDED
from storage.house import House
from storage.lake import Lake
from storage.segments import Segments
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import contributions, nodes, verdicts
from storage.tables.lake import imports
from storage.tables.trust import audits
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome

CURSOR = "judged"
_KEPT: Final = ("accepted", "unaudited", "imported")
_HARD: Final = "hard_host"


class Judgement:
    """The stage between verdicts and the lake."""

    def __init__(self, house: House, segments: Segments, lake: Lake) -> None:
        self._house = house
        self._segments = segments
        self._lake = lake
        self._index = HouseIndex(house.env.disk, house.home / "dedup", segments)
        self._host_lists = HostLists(house.home / FOLDER)

    def judge(self, batch: int = 64) -> int:
        """Judge up to `batch` contributions that now can be and return how many places of the log were passed."""
        try:
            return self._judge(batch)
        except WindrowError as error:
            if error.code != "damaged_index":
                raise
            return self._judge(batch)  # the index has begun anew, and follows from the stored texts

    def _judge(self, batch: int) -> int:
        with self._house.state.read() as connection:
            start = get_cursor(connection, CURSOR)
            rows = _decided_after(connection, start, batch)
            documents = _documents(connection, rows)
            texts = read_texts(connection, self._segments, [row.seq for row in documents])
        if not rows:
            return 0
        fetched = [_fetched(row, texts[row.seq]) for row in documents]
        notes = dict(zip(texts, annotate_all(fetched, self._host_lists), strict=True))
        warm_up()
        sketches = dict(zip(texts, sketch_all(list(texts.values())), strict=True))
        incoming = [
            Incoming(row.seq, row.contribution_id, sketches[row.seq])
            for row in documents
            if row.reason != _HARD
        ]
        pages = read_pages([(row.final_url, texts[row.seq]) for row in documents])
        self._index.follow(self._house.state, start)
        with self._house.state.write() as connection:
            found = iter(self._index.judge(connection, start, incoming, rows[-1].seq))
            novelty = [hard_duplicate(row) if row.reason == _HARD else next(found) for row in documents]
            marks = mark_boilerplate(connection, pages, [each.kind == "unique" for each in novelty])
            judged = [
                Judged(row, texts[row.seq], duplicate, notes[row.seq], marked)
                for row, duplicate, marked in zip(documents, novelty, marks, strict=True)
            ]
            record(connection, judged)
            lake_rows = [lake_row(each) for each in judged]
            if lake_rows:
                self._lake.commit(connection, self._lake.write(lake_rows, start + 1, rows[-1].seq))
            set_cursor(connection, CURSOR, rows[-1].seq)
        self._index.upkeep(rows[-1].seq)
        return len(rows)

    def forget(self, connection: sa.Connection, numbers: Sequence[int]) -> None:
        """Take texts out of the index, within the transaction that erases them and before their rows change."""
        self._index.erase(connection, get_cursor(connection, CURSOR), numbers)


def _fetched(row: Any, text: str) -> Fetched:
    signals = msgspec.json.decode(row.optout_signals, type=list[str])
    return Fetched(text, row.final_url, row.robots_state, signals)


_COLUMNS = (
    contributions,
    sa.func.coalesce(verdicts.c.verdict, "imported").label("verdict"),
    sa.func.coalesce(verdicts.c.reason, "imported").label("reason"),
    verdicts.c.similarity,
    imports.c.file_sha256,
    imports.c.record_id,
)


def _decided_after(connection: sa.Connection, start: int, batch: int) -> list[Any]:
    """Return contributions in the log's order, up to the first that still waits for its verdict."""
    waiting = sa.select(sa.func.min(audits.c.seq)).where(
        audits.c.state.in_(UNDECIDED), audits.c.seq > start, audits.c.outcome == Outcome.FETCHED.value
    )
    bound = connection.execute(waiting).scalar()
    statement = (
        sa.select(*_COLUMNS, sa.func.coalesce(nodes.c.payout_address, "").label("payout_address"))
        .outerjoin(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
        .outerjoin(nodes, nodes.c.node_id == contributions.c.node_id)
        .outerjoin(imports, imports.c.contribution_id == contributions.c.contribution_id)
        .where(contributions.c.seq > start, _is_work_or_import())
        .order_by(contributions.c.seq)
        .limit(batch)
    )
    if bound is not None:
        statement = statement.where(contributions.c.seq < bound)
    return list(connection.execute(statement))


def _is_work_or_import() -> sa.ColumnElement[bool]:
    """What a node handed in and was decided about, or what the operator imported, about which nobody decides."""
    decided = sa.and_(contributions.c.kind == "work", verdicts.c.contribution_id.is_not(None))
    return sa.or_(decided, contributions.c.kind == "import")


def _documents(connection: sa.Connection, rows: Sequence[Any]) -> list[Any]:
    """Return what is judged in the place of each contribution, in the same order."""
    rejected = [row.contribution_id for row in rows if row.verdict == "rejected"]
    replacing = (
        sa.select(*_COLUMNS, sa.literal("").label("payout_address"))
        .join(verdicts, verdicts.c.contribution_id == contributions.c.contribution_id)
        .outerjoin(imports, imports.c.contribution_id == contributions.c.contribution_id)
        .where(contributions.c.audit_of.in_(rejected), verdicts.c.reason == "replaces")
    )
    replaced = {row.audit_of: row for row in connection.execute(replacing)} if rejected else {}
    judged = (row if row.verdict in _KEPT else replaced.get(row.contribution_id) for row in rows)
    return [row for row in judged if row is not None]
