"""Documents that the operator brings along: into the same log as everybody's, judged by the same index, paid to nobody.

Rules: append → fsync → one transaction {submission, contribution, import, watermark}, as for a node's
contributions, in segments of their own. The id follows from record id, URL and payload, so an import that was
killed and is run again repeats nothing. Nobody signs them and nobody audits them: they have no verdict, no pay, and
are in no export for sale. Where they come from (digest of the file, record id) stands beside them for ever.

Does not: read archives or pages (whoever imports does), judge, or trust a digest that it was told.

Usage: `Importer(house).accept(origin, documents)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from aggregator.log_entries import GENESIS_HEAD, next_head
from storage.house import House
from storage.segments import Place, Segments
from storage.state import get_cursor, get_meta, set_cursor, set_meta
from storage.tables.contributions import contributions, submissions
from storage.tables.lake import imports
from windrow_protocol.content import is_normal_text, text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import IMPORT_DOCUMENTS_MAX
from windrow_protocol.messages import (
    Contribution,
    Hex64,
    Short,
    Signals,
    Text,
    TimeMs,
    Title,
    Url,
    canonical_record,
)

KIND: Final = "import"
FAMILY: Final = "imports"


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One document of an archive; `text` is in normal form, `raw_sha256` of the body it was taken from."""

    record_id: Short
    url: Url
    fetched_at_ms: TimeMs
    http_status: Annotated[int, Meta(ge=100, le=599)]
    content_type: Short
    optout_signals: Signals
    raw_sha256: Hex64
    text: Text
    title: Title
    extractor_version: Short


class Origin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that documents come from."""

    file_sha256: Hex64
    file_name: Short


def document_id(document: Document) -> str:
    """Return the contribution id of an imported document: the same record gives the same id for ever."""
    told = "\n".join((document.record_id, document.url, document.raw_sha256, text_sha256(document.text)))
    return "i" + hashlib.sha256(told.encode()).hexdigest()[:31]


class Importer:
    """The writer of imported documents; one for each house."""

    def __init__(self, house: House) -> None:
        self._house = house
        with house.state.read() as connection:
            self._segments = Segments(house.env.disk, house.home / "segments", FAMILY, connection)

    def close(self) -> None:
        """Close the current segment."""
        self._segments.close()

    def accept(self, origin: Origin, documents: Sequence[Document]) -> dict[str, int]:
        """Make documents durable and return how many were new, and how many were known from before.

        Raises WindrowError `too_large` for more than `IMPORT_DOCUMENTS_MAX`, `empty_text` or `wrong_digest` for a text
        that is empty or not in normal form.
        """
        if len(documents) > IMPORT_DOCUMENTS_MAX:
            raise WindrowError("too_large", f"{len(documents)} documents, {IMPORT_DOCUMENTS_MAX} at once")
        for document in documents:
            if not document.text.strip():
                raise WindrowError("empty_text", document.record_id)
            if not is_normal_text(document.text):
                raise WindrowError("wrong_digest", "the text is not in normal form")
        wanted = {document_id(document): document for document in documents}
        with self._house.state.read() as connection:
            known = set(connection.execute(_known(list(wanted))).scalars())
        fresh = {key: document for key, document in wanted.items() if key not in known}
        if fresh:
            self._store(origin, fresh)
        return {"imported": len(fresh), "known": len(documents) - len(fresh)}

    def _store(self, origin: Origin, fresh: dict[str, Document]) -> None:
        records = {key: canonical_record(_record(key, document)) for key, document in fresh.items()}
        places = dict(zip(records, self._segments.append_all(list(records.values())), strict=True))
        self._segments.sync()
        now_ms = self._house.now_ms()
        with self._house.state.write() as connection:
            seq = get_cursor(connection, "submissions")
            head = get_meta(connection, "submissions/head") or GENESIS_HEAD
            for key, document in fresh.items():
                digest = hashlib.sha256(records[key]).hexdigest()
                seq, head = seq + 1, next_head(head, digest)
                owner = self._house.coordinator_id
                connection.execute(
                    sa.insert(submissions).values(_logged(key, owner, seq, places[key], digest, head, now_ms))
                )
                connection.execute(
                    sa.insert(contributions).values(_indexed(key, owner, seq, document, now_ms))
                )
                row = {
                    **msgspec.structs.asdict(origin),
                    "record_id": document.record_id,
                    "imported_at_ms": now_ms,
                }
                connection.execute(sa.insert(imports).values(contribution_id=key, seq=seq, **row))
            set_cursor(connection, "submissions", seq)
            set_meta(connection, "submissions/head", head)
            self._segments.commit(connection)


def _known(ids: list[str]) -> sa.Select[str]:
    return sa.select(contributions.c.contribution_id).where(contributions.c.contribution_id.in_(ids))


def _record(key: str, document: Document) -> Contribution:
    return Contribution(
        contribution_id=key,
        lease_id=key,
        url=document.url,
        final_url=document.url,
        http_status=document.http_status,
        content_type=document.content_type,
        fetched_at_ms=document.fetched_at_ms,
        robots_state="unasked",
        optout_signals=document.optout_signals,
        raw_sha256=document.raw_sha256,
        text=document.text,
        text_sha256=text_sha256(document.text),
        title=document.title,
        extractor_version=document.extractor_version,
    )


def _logged(
    key: str, owner: str, seq: int, place: Place, digest: str, head: str, now_ms: int
) -> dict[str, object]:
    return {
        "seq": seq,
        "lease_id": key,
        "node_id": owner,
        "kind": KIND,
        "segment": place.segment,
        "offset": place.offset,
        "length": place.length,
        "record_sha256": digest,
        "head": head,
        "received_at_ms": now_ms,
        "receipt": "",
    }


def _indexed(key: str, owner: str, seq: int, document: Document, now_ms: int) -> dict[str, object]:
    return {
        "contribution_id": key,
        "seq": seq,
        "lease_id": key,
        "node_id": owner,
        "kind": KIND,
        "audit_of": None,
        "url": document.url,
        "final_url": document.url,
        "http_status": document.http_status,
        "content_type": document.content_type,
        "fetched_at_ms": document.fetched_at_ms,
        "received_at_ms": now_ms,
        "robots_state": "unasked",
        "optout_signals": msgspec.json.encode(document.optout_signals).decode(),
        "raw_sha256": document.raw_sha256,
        "text_sha256": text_sha256(document.text),
        "text_bytes": len(document.text.encode()),
        "title": document.title,
        "extractor_version": document.extractor_version,
    }
