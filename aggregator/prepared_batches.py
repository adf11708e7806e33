"""What can be done with a batch before anybody knows its leases: unpacked, read, checked by itself, digested, packed.

It needs no state, so it is done in this process or in a gate of its own (`windrow/gates`), by the same function. What
is left for the one writer is what only the log can say: leases, replay, order.

Rules: a record that cannot be read stays in its place as the reason; what is wrong with a text is kept until the lease
is known, because a lease's own reasons come first. The text itself lies in the frame alone.

Does not: know nodes, leases or the clock; or verify signatures (`requests.authenticate`).

Usage: `prepared = Preparer().prepare([(node_id, body)])`, `body = encode_handed_in(HandedIn(caller, prepared[0]))`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from aggregator.normal_texts import are_normal
from aggregator.requests import Caller
from storage.segments import Packer, unpack
from windrow_protocol.content import EXTRACTOR, WINDROW_EXTRACTOR, is_normal_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import (
    Contribution,
    Report,
    Submission,
    canonical_record,
    contribution_id_for,
    decode_batch,
)
from windrow_protocol.signing import Statement


class Fault(msgspec.Struct, frozen=True, array_like=True, tag="fault"):
    """Why something is refused: a reason's code and what is told of it."""

    code: str
    detail: str

    def as_error(self) -> WindrowError:
        """Return it as it is raised."""
        return WindrowError(self.code, self.detail)


class PreparedRecord(msgspec.Struct, frozen=True, array_like=True, tag="record"):
    """A record without its text, the digest of its exact bytes, these bytes as they lie in a segment, and its fault.

    `text_bytes` is 0 in a report.
    """

    facts: Contribution | Report
    sha256: str
    packed: bytes
    text_bytes: int = 0
    fault: Fault | None = None

    def text(self) -> str:
        """Return its text, which has to be unpacked again; a report has none."""
        return msgspec.json.decode(unpack(self.packed), type=Contribution).text


PreparedBatch = list[PreparedRecord | Fault]


class HandedIn(msgspec.Struct, frozen=True, array_like=True):
    """A batch as a gate hands it to the writer: who signed it, what was signed, and its records."""

    node_id: str
    statement: Statement
    records: PreparedBatch

    @property
    def caller(self) -> Caller:
        """Who signed it."""
        return Caller(self.node_id, self.statement)


_DECODER: Final = msgspec.msgpack.Decoder(HandedIn)
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_handed_in(handed: HandedIn) -> bytes:
    """Return a batch in its compact form."""
    return _ENCODER.encode(handed)


def decode_handed_in(body: bytes) -> HandedIn:
    """Read what `encode_handed_in` wrote. Raises WindrowError `wrong_schema` for a gate of another version."""
    try:
        return _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise WindrowError("wrong_schema", "the gate is of another version") from error


class Preparer:
    """Prepares batches, one at a time; used from one thread."""

    def __init__(self) -> None:
        self._packer = Packer()

    def prepare(self, batches: Sequence[tuple[str, bytes]]) -> list[PreparedBatch | WindrowError]:
        """Return the records of some batches, each with its node's id, or why a batch cannot be read as a whole."""
        return [self._prepared(node_id, body) for node_id, body in batches]

    def _prepared(self, node_id: str, body: bytes) -> PreparedBatch | WindrowError:
        try:
            read = list(decode_batch(body))
        except WindrowError as error:
            return error
        known = [each for each in read if not isinstance(each, WindrowError)]
        exact = [canonical_record(each) for each in known]
        texts = [each.text.encode() if isinstance(each, Contribution) else b"" for each in known]
        normal = are_normal(
            [text for text, each in zip(texts, known, strict=True) if isinstance(each, Contribution)]
        )
        parts = zip(exact, self._packer.pack(exact), texts, strict=True)
        return [
            Fault(each.code, each.detail)
            if isinstance(each, WindrowError)
            else _checked(each, node_id, *next(parts), normal)
            for each in read
        ]


def _checked(
    record: Submission, node_id: str, exact: bytes, packed: bytes, text: bytes, normal: bool
) -> PreparedRecord:
    sha256 = hashlib.sha256(exact).hexdigest()
    if isinstance(record, Report):
        return PreparedRecord(record, sha256, packed)
    fault = _fault_of(record, node_id, text, normal)
    return PreparedRecord(msgspec.structs.replace(record, text=""), sha256, packed, len(text), fault)


def _fault_of(record: Contribution, node_id: str, text: bytes, normal: bool) -> Fault | None:
    """Return what is wrong with a contribution whatever its lease says; `normal`: its text is known to be."""
    if record.contribution_id != contribution_id_for(record.lease_id, node_id):
        return Fault("wrong_contribution_id", record.contribution_id)
    if not record.text.strip():
        return Fault("empty_text", record.lease_id)
    made_by = record.extractor_version
    if made_by.startswith(WINDROW_EXTRACTOR) and not made_by.startswith(EXTRACTOR):
        return Fault("old_extractor", f"{made_by}; now {EXTRACTOR}…")  # audited, one page in 80 would differ
    if not normal and not is_normal_text(record.text):
        return Fault("wrong_digest", "the text is not in normal form")
    if hashlib.sha256(text).hexdigest() != record.text_sha256:
        return Fault("wrong_digest", "text_sha256")
    return None
