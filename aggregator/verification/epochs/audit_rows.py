"""What is published of an audit epoch: a line for each place of the log, and a header.

    audits.ndjson.zst   lines of `AuditRow`, by place in the log: all of the epoch's, and before them what was decided
                        in this epoch about earlier ones
    header.json         `Header`: the epoch, its rules, validators with what they signed, dividends
    header.jws          the digests of both, signed by the coordinator (purpose `audit_epoch`, subject the number)

Rules: what was audited is there whole, as the records that the log's heads cover; of what was not, only what validators
were shown. Bytes follow from the sealed epoch alone.

Does not: read or write files (`audit_files`), or check anything (`epoch_fold`, `replay`).

Usage: `row = msgspec.json.decode(line, type=AuditRow)`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from aggregator.verification.drawing.draws import Signed
from windrow_protocol.messages import Hex64, Message, Submission, TimeMs

AUDITS, HEADER, SIGNED = "audits.ndjson.zst", "header.json", "header.jws"
NAMES: Final = (AUDITS, HEADER, SIGNED)
PURPOSE: Final = "audit_epoch"
Place = Annotated[int, Meta(ge=0, le=2**53)]
Digest = Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", max_length=64)]  # empty: none
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]


class PublishedTruth(Message, frozen=True):
    """An answer that the verdict rests on: its place in the log, who fetched it for whom, and the whole record."""

    seq: Place
    validator_id: Hex64
    operator: str
    record: str


class PublishedNeighbour(Message, frozen=True):
    """Another page of the host that the verdict looked at: its place in the log, which is earlier, and its record."""

    seq: Place
    record: str


class PublishedVerdict(Message, frozen=True, omit_defaults=True):
    """What was decided, and from what. `operators` counts those at work then; `earlier_text` was known of the page.

    `refused_too`: a validator could not have the page either. A verdict without a `record` was not drawn, or is of a
    control page.
    """

    verdict: Literal["accepted", "unaudited", "rejected", "no_evidence"]
    reason: str
    similarity: float
    confirmed_ppm: Ppm
    node_id: str = ""
    record: str = ""
    truths: list[PublishedTruth] = msgspec.field(default_factory=list)
    earlier_text: str | None = None
    neighbour: PublishedNeighbour | None = None
    operators: int = 0
    refused_too: bool = False


class AuditRow(Message, frozen=True, omit_defaults=True):
    """One place of the log.

    `entry` may be drawn; `truth` is a validator's answer, `canary` a control page's, `undrawn` a report of what is
    never drawn (a timeout, no budget), given whole; `imported` is the operator's own document, which answers no lease,
    which nobody is paid for and of which only the digest is told. `drawn_by` and `doubled_by` are what validators said
    they drew.
    """

    seq: Place
    kind: Literal["entry", "truth", "canary", "undrawn", "imported"]
    record_sha256: Hex64
    epoch_id: int = 0
    lease_id: str = ""
    content_sha256: str = ""
    share_ppm: Ppm = 0
    drawn_by: list[str] = msgspec.field(default_factory=list)
    doubled_by: list[str] = msgspec.field(default_factory=list)
    validator_id: str = ""  # whose truth it is
    record: str = ""  # where it is not drawn
    verdict: PublishedVerdict | None = None


class PublishedValidator(Message, frozen=True):
    """A validator, with the requests it signed. Without a commitment it drew nothing; `secret` is empty unrevealed."""

    validator_id: Hex64
    operator: str
    commitment: Digest = ""
    from_seq: Place = 0
    drawn_seq: Place = 0
    secret: Digest = ""
    committed: Signed | None = None
    revealed: Signed | None = None


class PublishedDividend(Message, frozen=True):
    """A validator's part, and why where it has none."""

    validator_id: str
    operator: str
    audits: int
    share_ppm: Ppm
    reason: str


class Header(Message, frozen=True):
    """What an epoch's lines add up to. `first_head` is the log's head before the first place, `last_head` at the last.

    `found` holds (validator, node, truths, truths that agreed): what the dividends are computed from.
    """

    network: str
    coordinator_id: Hex64
    epoch_id: int
    opened_at_ms: TimeMs
    ended_at_ms: TimeMs
    sealed_at_ms: TimeMs
    first_seq: Place
    last_seq: Place
    first_head: Hex64
    last_head: Hex64
    rules: dict[str, Any]
    trust: str
    validators: list[PublishedValidator]
    entries: int
    drawn: int
    audited: int
    found: list[tuple[str, str, int, int]]
    dividends: list[PublishedDividend]
    audits_sha256: Hex64
    previous_header_sha256: str


def header_bytes(header: Header) -> bytes:
    """Return the header as published."""
    return msgspec.json.format(msgspec.json.encode(header, order="sorted"), indent=2) + b"\n"


def row_bytes(row: AuditRow) -> bytes:
    """Return one line as published, its line end included."""
    return msgspec.json.encode(row, order="sorted") + b"\n"


def record_of(text: str) -> Submission:
    """Return a published record. Raises msgspec.MsgspecError for what is none."""
    record: Submission = msgspec.json.decode(text, type=Submission)
    return record
