"""Erasure of a document: its text leaves the index, the lake, the segments and the tables, in that house for good.

    wanted → done     the rows say so in one transaction; the bytes go right after it, or else at the next start

Rules: what goes is the document and every truth that was fetched of it, or, with `copies`, the whole cluster of its
exact and near copies. The facts about it stay (who handed it in, its digest, its verdict, its pay): only an empty
record stands where the text was. Nothing is erased that somebody still has to decide about: its audit epoch must be
closed. Once published, exports and audit files are not rewritten, because their digests are signed: they are named
in the result, and the document stands on the signed list of removals of every later version.

Does not: erase what left this house, backups, or what a disk keeps of overwritten blocks.

Usage: `result = Eraser(house, segments, lake, judgement).erase(contribution_id, "a court's order")`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.judgement import CURSOR, Judgement
from aggregator.sql.view_blocks import FOLDER as VIEW_BLOCKS
from aggregator.sql.view_blocks import let_go
from aggregator.verification.audits.verdict_log import rested_upon
from aggregator.verification.drawing.audit_steps import UNDECIDED
from storage.house import House
from storage.lake import Lake
from storage.lake.erasing import commit_replaced, files_with, replace_without
from storage.published import published_files
from storage.segments import Place, Segments
from storage.state import get_cursor
from storage.tables.contributions import contributions, duplicates, exports, submissions, verdicts
from storage.tables.lake import erasures
from storage.tables.trust import appeals, audits, second_looks
from storage.told import is_told
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import PROVENANCE_NAME
from windrow_protocol.messages import Contribution

FAMILY: Final = "erasures"
_ASKED_AT_ONCE: Final = 500


class Eraser:
    """The one way by which a text goes."""

    def __init__(self, house: House, segments: Segments, lake: Lake, judgement: Judgement) -> None:
        self._house = house
        self._segments = segments
        self._lake = lake
        self._judgement = judgement
        self._tombs: Segments | None = None  # of a family of their own: others append to theirs meanwhile

    def erase(self, contribution_id: str, reason: str, copies: bool = False) -> dict[str, Any]:
        """Erase a document and return what went, and where copies of it are left.

        Raises WindrowError `not_found`, or `not_erasable` while its audit epoch, an appeal or a second look is open.
        """
        with self._house.state.read() as connection:
            wanted = _cluster_of(connection, contribution_id) if copies else {contribution_id}
        return self.erase_all(wanted, reason)

    def erase_all(self, contribution_ids: Collection[str], reason: str) -> dict[str, Any]:
        """Erase several documents at once, with the truths that were fetched of them; as `erase` does."""
        with self._house.state.read() as connection:
            going = _going(connection, contribution_ids)
            _require_erasable(connection, going)
            left = _left(self._house, connection, going)
            files = files_with(connection, self._lake, {row.contribution_id for row in going})
        ids = {row.contribution_id for row in going}
        replaced = replace_without(self._lake, files, ids)
        family = self._family()
        tombs = {row.contribution_id: family.append(_tomb(self._segments, row)) for row in going}
        family.sync()
        with self._house.state.write() as connection:
            self._judgement.forget(connection, [row.seq for row in going])
            _record(connection, going, tombs, reason, self._house.now_ms())
            if replaced:
                commit_replaced(connection, self._lake, replaced)
            family.commit(connection)
            blocks = let_go(connection, ["contributions"], [row.seq for row in going])
        self._lake.delete([each.old.path for each in replaced])
        for path in blocks:
            self._house.env.disk.remove(self._house.home / VIEW_BLOCKS / path)
        self.finish()
        return {"erased": sorted(ids), "files_rewritten": len(replaced), **left}

    def _family(self) -> Segments:
        if self._tombs is None:
            with self._house.state.read() as connection:
                folder = self._house.home / "segments"
                self._tombs = Segments(self._house.env.disk, folder, FAMILY, connection)
        return self._tombs

    def finish(self) -> int:
        """Overwrite the bytes of every erasure that is not done, and return how many there were. Raises OSError."""
        with self._house.state.read() as connection:
            wanted = connection.execute(sa.select(erasures).where(erasures.c.state == "wanted")).all()
        for row in wanted:
            self._segments.wipe(Place(row.segment, row.offset, row.length))
        if wanted:
            self._house.state.forget_bytes()
            done = {"state": "done", "done_at_ms": self._house.now_ms()}
            with self._house.state.write() as connection:
                connection.execute(sa.update(erasures).where(erasures.c.state == "wanted").values(done))
        return len(wanted)


_COLUMNS: Final = (
    *(contributions.c.contribution_id, contributions.c.seq, contributions.c.audit_of, contributions.c.url),
    contributions.c.text_sha256,
    *(submissions.c.segment, submissions.c.offset, submissions.c.length),
)


def _cluster_of(connection: sa.Connection, contribution_id: str) -> set[str]:
    cluster = sa.select(duplicates.c.cluster_id).where(duplicates.c.contribution_id == contribution_id)
    of_cluster = duplicates.c.cluster_id == cluster.scalar_subquery()
    copies = connection.execute(sa.select(duplicates.c.contribution_id).where(of_cluster)).scalars()
    return {contribution_id, *copies}


def _going(connection: sa.Connection, wanted: Collection[str]) -> Sequence[Any]:
    """Return the rows of what goes, those erased before left out."""
    gone = sa.exists().where(erasures.c.seq == contributions.c.seq)
    base = (
        sa.select(*_COLUMNS)
        .join(submissions, submissions.c.seq == contributions.c.seq)
        .where(~gone)
        .order_by(contributions.c.seq)
    )
    of_it = sa.or_(contributions.c.contribution_id.in_(wanted), contributions.c.audit_of.in_(wanted))
    going = connection.execute(base.where(of_it)).all()
    if not going:
        raise WindrowError("not_found", f"no document {min(wanted, default='')}")
    return going


def _require_erasable(connection: sa.Connection, going: Sequence[Any]) -> None:
    ids = [row.contribution_id for row in going] + [row.audit_of for row in going if row.audit_of]
    for contribution_id, why in _in_the_way(connection, ids).items():
        raise WindrowError("not_erasable", f"{contribution_id}: {why}")


def erasable_among(connection: sa.Connection, contribution_ids: Iterable[str], most: int) -> list[str]:
    """Return those documents, in their order and at most so many, about which nothing has to be decided any more."""
    found: list[str] = []
    ids = iter(contribution_ids)
    while len(found) < most and (some := list(islice(ids, _ASKED_AT_ONCE))):
        in_the_way = _in_the_way(connection, some)
        found += [each for each in some if each not in in_the_way]
    return found[:most]


def _in_the_way(connection: sa.Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return why some documents cannot be erased yet, by their ids."""
    open_audit = sa.select(audits.c.contribution_id).where(
        audits.c.contribution_id.in_(ids), audits.c.state.in_(UNDECIDED)
    )
    untold = sa.select(verdicts.c.contribution_id).where(
        verdicts.c.contribution_id.in_(ids), ~is_told(verdicts.c.epoch_id)
    )
    appealed = sa.select(appeals.c.contribution_id).where(
        appeals.c.contribution_id.in_(ids), appeals.c.state.in_(("waiting", "fetching"))
    )
    looked_at = sa.select(second_looks.c.contribution_id).where(
        second_looks.c.contribution_id.in_(ids), second_looks.c.state == "fetching"
    )
    unjudged = sa.select(contributions.c.contribution_id).where(
        contributions.c.contribution_id.in_(ids),
        contributions.c.audit_of.is_(None),
        contributions.c.seq > get_cursor(connection, CURSOR),
    )
    found: dict[str, str] = {
        contribution_id: "an audit epoch that rests on it is open"
        for contribution_id, _ in rested_upon(connection, ids, ~is_told(verdicts.c.epoch_id))
    }
    for statement, why in (
        (open_audit, "it is being audited"),
        (untold, "its audit epoch is open"),
        (appealed, "an appeal about it is open"),
        (looked_at, "it is looked at once more"),
        (unjudged, "it is not judged yet"),
    ):
        for contribution_id in connection.execute(statement).scalars():
            found.setdefault(contribution_id, why)
    return found


def _tomb(segments: Segments, row: Any) -> bytes:
    """Return the record without its text and title; whoever reads it finds a document that says nothing."""
    record = msgspec.json.decode(segments.read(Place(row.segment, row.offset, row.length)), type=Contribution)
    return msgspec.json.encode(msgspec.structs.replace(record, text="", title=""))


def _record(
    connection: sa.Connection, going: Sequence[Any], tombs: dict[str, Place], reason: str, now_ms: int
) -> None:
    for row in going:
        tomb = tombs[row.contribution_id]
        connection.execute(
            sa.insert(erasures).values(
                contribution_id=row.contribution_id,
                seq=row.seq,
                segment=row.segment,
                offset=row.offset,
                length=row.length,
                text_sha256=row.text_sha256,
                reason=reason,
                state="wanted",
                asked_at_ms=now_ms,
            )
        )
        place = {"segment": tomb.segment, "offset": tomb.offset, "length": tomb.length}
        connection.execute(sa.update(submissions).where(submissions.c.seq == row.seq).values(place))
        connection.execute(sa.update(contributions).where(contributions.c.seq == row.seq).values(title=""))


def _left(house: House, connection: sa.Connection, going: Sequence[Any]) -> dict[str, Any]:
    """Say where the text, or a copy of it, is left: other contributions, exports, published audits."""
    ids = {row.contribution_id for row in going}
    clusters = sa.select(duplicates.c.cluster_id).where(duplicates.c.contribution_id.in_(ids))
    gone = sa.exists().where(erasures.c.contribution_id == duplicates.c.contribution_id)
    statement = sa.select(duplicates.c.contribution_id).where(duplicates.c.cluster_id.in_(clusters), ~gone)
    return {
        "copies_left": sorted(set(connection.execute(statement).scalars()) - ids),
        "exports_with_it": _exports_with(house, connection, ids),
        "audit_epochs_with_it": _epochs_with(connection, ids),
    }


def _exports_with(house: House, connection: sa.Connection, ids: AbstractSet[str]) -> list[str]:
    found = []
    for row in connection.execute(sa.select(exports.c.dataset, exports.c.version)):
        files = published_files(house.env.disk, house.home, row.dataset, row.version)
        if not ids.isdisjoint(files.table(PROVENANCE_NAME, ["id"])["id"].to_pylist()):
            found.append(f"{row.dataset}/{row.version}")
    return sorted(found)


def _epochs_with(connection: sa.Connection, ids: AbstractSet[str]) -> list[int]:
    """Return the epochs whose published lines hold a text: those that weighed it, or weighed others with it."""
    statement = sa.select(verdicts.c.epoch_id).where(
        verdicts.c.contribution_id.in_(ids), verdicts.c.truth_sha256 != "[]", verdicts.c.epoch_id > 0
    )
    beside = {epoch_id for _, epoch_id in rested_upon(connection, ids) if epoch_id > 0}
    return sorted({*connection.execute(statement).scalars(), *beside})
