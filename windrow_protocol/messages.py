"""The messages that travel between node, coordinator, bridge and buyer.

Rules: msgspec structs, frozen; unknown fields are refused; bounds from `limits`. A contribution's id follows from
its lease and node, so that a retry is the same contribution. A batch is zstd-packed NDJSON, one `Submission` a line.

Does not: sign (see `signing`), do I/O, or hold what only the server's tables know.

Usage::

    body = encode_batch([Report(...), Contribution(...)])
    for line in decode_batch(body): ...
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import zstandard
from msgspec import UNSET, Meta, UnsetType

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    AUTHOR_CHARS_MAX,
    AUTHORS_MAX,
    BATCH_DECODED_BYTES_MAX,
    BATCH_RECORDS_MAX,
    BATCH_WIRE_BYTES_MAX,
    DISCLOSURES_MAX,
    DRAW_ENTRIES_MAX,
    LEASES_PER_REQUEST_MAX,
    OFFER_CHARS_MAX,
    OPTOUT_SIGNALS_MAX,
    TEXT_BYTES_MAX,
    TITLE_CHARS_MAX,
    URL_CHARS_MAX,
)

T = TypeVar("T")
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # after an even number of backslashes
_SAID_CHARS_MAX = 300  # of a decoder's own words, which repeat names that a stranger chose

# The lengths are said too, because `$` also matches before a line end that closes the string.
Hex64 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Identifier = Annotated[str, Meta(pattern="^[a-z][0-9a-f]{31}$", max_length=32)]
Url = Annotated[str, Meta(min_length=1, max_length=URL_CHARS_MAX)]
TimeMs = Annotated[int, Meta(ge=0, le=2**53)]
WaitMs = Annotated[int, Meta(ge=0, le=86_400_000)]
Short = Annotated[str, Meta(max_length=256)]
Title = Annotated[str, Meta(max_length=TITLE_CHARS_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_BYTES_MAX)]
Authors = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=AUTHOR_CHARS_MAX)]], Meta(max_length=AUTHORS_MAX)
]
Day = Annotated[str, Meta(pattern=r"^[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", max_length=10)]
Signals = Annotated[list[Short], Meta(max_length=OPTOUT_SIGNALS_MAX)]


class Outcome(StrEnum):
    """What became of a lease: the closed vocabulary of the protocol."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    ROBOTS_DENIED = "robots_denied"
    OPTOUT_DENIED = "optout_denied"
    BLOCKED = "blocked"
    NOT_FOUND = "not_found"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    UNSAFE_ADDRESS = "unsafe_address"
    BUDGET_EXHAUSTED = "budget_exhausted"
    EXPIRED = "expired"


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all messages share: immutable, and strict about unknown fields."""


class Lease(Message, frozen=True):
    """Leave to make one request, signed by the coordinator for one node (purpose `lease`, subject `node_id`)."""

    lease_id: Identifier
    node_id: Hex64
    url: Url
    render: Literal["http", "browser"]
    body_bytes_max: int
    decoded_bytes_max: int
    time_s_max: int
    redirects_max: int
    nonce: str
    issued_at_ms: TimeMs
    expires_at_ms: TimeMs
    method: Literal["GET"] = "GET"
    want_raw: bool = False
    region: str = ""
    purpose: Literal["fetch"] = "fetch"
    not_before_ms: TimeMs = 0


class Registration(Message, frozen=True):
    """POST /v1/nodes (purpose `register`): a node says which address its rewards go to."""

    payout_address: Short
    agent: Short = ""
    region: Short = ""


class LeaseRequest(Message, frozen=True):
    """POST /v1/leases (purpose `lease_request`): a node asks for work.

    `heard` is the `offer` of the last answer that had one, empty before the first; None counts as having heard all.
    """

    count: Annotated[int, Meta(ge=1, le=LEASES_PER_REQUEST_MAX)]
    render: Annotated[list[Literal["http", "browser"]], Meta(max_length=2)] = msgspec.field(
        default_factory=lambda: ["http"]
    )
    heard: Annotated[str, Meta(max_length=OFFER_CHARS_MAX)] | None = None


class Contribution(Message, frozen=True, tag="contribution", tag_field="kind"):
    """The text of one leased page; `text` is in normal form and `text_sha256` its digest."""

    contribution_id: Identifier
    lease_id: Identifier
    url: Url
    final_url: Url
    http_status: Annotated[int, Meta(ge=100, le=599)]
    content_type: Short
    fetched_at_ms: TimeMs
    robots_state: Short
    optout_signals: Signals
    raw_sha256: Hex64
    text: Text
    text_sha256: Hex64
    title: Title = ""
    extractor_version: Short = ""
    bytes_wire: Annotated[int, Meta(ge=0, le=2**40)] = 0
    crawl_delay_ms: WaitMs = 0
    needs_browser: bool | UnsetType = UNSET  # this is what its bytes say; only a browser would show the page
    authors: Authors | UnsetType = UNSET  # as the page names them
    published: Day | UnsetType = UNSET  # as the page says


class Report(Message, frozen=True, tag="report", tag_field="kind"):
    """An honest answer to a lease without text: why the page was not fetched."""

    lease_id: Identifier
    url: Url
    outcome: Outcome
    fetched_at_ms: TimeMs
    http_status: Annotated[int, Meta(ge=0, le=599)] = 0
    detail: Short = ""
    bytes_wire: Annotated[int, Meta(ge=0, le=2**40)] = 0
    crawl_delay_ms: WaitMs = 0
    retry_after_ms: WaitMs = 0
    needs_browser: bool | UnsetType = UNSET


Submission = Contribution | Report


class AuditCommitment(Message, frozen=True):
    """POST /v1/audit/commitments (purpose `audit_commitment`): a validator fixes its secret for an epoch to come."""

    epoch_id: Annotated[int, Meta(ge=0, lt=2**31)]
    commitment: Hex64


class AuditLogRequest(Message, frozen=True):
    """POST /v1/audit/log (purpose `audit_log`): a validator asks for what may be drawn after a place of the log."""

    after_seq: Annotated[int, Meta(ge=0, le=2**53)]
    count: Annotated[int, Meta(ge=1, le=DRAW_ENTRIES_MAX)] = DRAW_ENTRIES_MAX


class AuditDraws(Message, frozen=True):
    """POST /v1/audit/draws (purpose `audit_draws`): what a validator drew of an epoch's entries up to `upto_seq`."""

    epoch_id: Annotated[int, Meta(ge=0, lt=2**31)]
    upto_seq: Annotated[int, Meta(ge=0, le=2**53)]
    lease_ids: Annotated[list[Identifier], Meta(max_length=DRAW_ENTRIES_MAX)]
    doubled: Annotated[list[Identifier], Meta(max_length=DRAW_ENTRIES_MAX)] = []


class AuditReveal(Message, frozen=True):
    """POST /v1/audit/reveals (purpose `audit_reveal`): the secret of an epoch that has ended, in hex.

    With it the validator signs what it saw: the epoch's last place of the log and the log's head there, and the digest
    of every entry it was shown since its commitment (`audit_draw.next_log_digest`), so that no other log can be
    published afterwards.
    """

    epoch_id: Annotated[int, Meta(ge=0, lt=2**31)]
    secret: Hex64
    last_seq: Annotated[int, Meta(ge=0, le=2**53)]
    head: Hex64
    log_sha256: Hex64


class AuditEntry(Message, frozen=True):
    """What validators are told of an answer that may be drawn: nothing of its node or URL.

    `share_ppm` is the probability with which each of them draws it.
    """

    seq: Annotated[int, Meta(ge=1, le=2**53)]
    lease_id: Identifier
    content_sha256: Hex64
    share_ppm: Annotated[int, Meta(ge=0, le=1_000_000)]
    epoch_id: Annotated[int, Meta(ge=0, lt=2**31)]


class AuditEpoch(Message, frozen=True):
    """An audit epoch as validators see it; `last_seq` is 0 and `last_head` empty while it is open.

    `doubled_ppm` of what a validator draws is fetched by a second operator too; `revealed`: this validator has.
    """

    epoch_id: Annotated[int, Meta(ge=0, lt=2**31)]
    state: Literal["open", "revealing"]
    first_seq: Annotated[int, Meta(ge=0, le=2**53)]
    last_seq: Annotated[int, Meta(ge=0, le=2**53)]
    last_head: str
    doubled_ppm: Annotated[int, Meta(ge=0, le=1_000_000)]
    revealed: bool = False


class AuditLog(Message, frozen=True):
    """The answer of POST /v1/audit/log: all entries after a place, up to `upto_seq`, where `head` is the log's head."""

    epochs: list[AuditEpoch]
    entries: list[AuditEntry]
    upto_seq: Annotated[int, Meta(ge=0, le=2**53)]
    head: Hex64
    server_time_ms: TimeMs


class Departure(Message, frozen=True):
    """POST /v1/nodes/leave (purpose `leave`): a node wants to end, have its pending pay settled and its bond back."""

    reason: Short = ""


class Appeal(Message, frozen=True):
    """POST /v1/appeals (purpose `appeal`): a node asks once for a verdict to be looked at again."""

    contribution_id: Identifier
    reason: Short = ""


class DisclosureRequest(Message, frozen=True):
    """POST /v1/disclosures (purpose `disclosures`): a node asks what was decided about it in closed epochs.

    `after` is the `next` of the answer before, empty at first.
    """

    after: Annotated[str, Meta(pattern="^([0-9]{1,16}(-[0-9]{1,16}){3})?$(?!\\n)", max_length=68)] = ""
    count: Annotated[int, Meta(ge=1, le=DISCLOSURES_MAX)] = DISCLOSURES_MAX


class Delegation(Message, frozen=True):
    """POST /v1/delegations: a wallet says (EIP-712) which node works for it, until when, and what it may do.

    `scopes` of `work` (count the node as the wallet's), `payout` (pay this address from now on) and `revoke` (the
    node's key is lost: it gets no more leases). `signature` is the wallet's, 65 bytes as 0x-hex, over the other fields.
    """

    network: Short
    node_id: Hex64
    payout_address: Short
    scopes: Annotated[list[Literal["work", "payout", "revoke"]], Meta(min_length=1, max_length=3)]
    expires_at_ms: TimeMs
    nonce: Short
    signature: Short


class Receipt(Message, frozen=True):
    """What the coordinator signs (purpose `receipt`, subject `node_id`) once a submission is durable.

    `seq` and `head` fix its place in the contributions log: head = SHA-256(previous head ‖ record digest).
    """

    lease_id: str
    contribution_id: str
    url: str
    outcome: Outcome
    content_sha256: str
    seq: int
    head: str
    received_at_ms: TimeMs


class Verdict(Message, frozen=True):
    """What the coordinator signs (purpose `verdict`, subject `node_id`) about one contribution.

    `unaudited` is neither pass nor fail: it was not drawn. `confirmed_ppm` is the share of its shingles that a truth
    has too, as often and in the same order; what no truth confirms earns nothing.
    """

    contribution_id: str
    verdict: Literal["accepted", "unaudited", "rejected", "no_evidence"]
    reason: str
    similarity: float
    truth_sha256: list[str]
    decided_at_ms: TimeMs
    confirmed_ppm: int = 1_000_000
    epoch_id: int = 0


def contribution_id_for(lease_id: str, node_id: str) -> str:
    """Return the id of the one contribution that a node can make for a lease."""
    return "c" + hashlib.sha256(f"windrow/contribution/{lease_id}/{node_id}".encode()).hexdigest()[:31]


def decode_json(body: bytes, kind: type[T]) -> T:
    """Decode one JSON message of a given type. Raises WindrowError `not_json` or `wrong_schema`.

    U+0000 is refused in every string: no normal text has it, and PostgreSQL cannot keep it.
    """
    if b"u0000" in body and _ESCAPED_NUL.search(body):
        raise WindrowError("wrong_schema", "a string holds U+0000")
    try:
        decoded: T = _decoder(kind).decode(body)  # type: ignore[arg-type]
        return decoded
    except msgspec.ValidationError as error:
        raise WindrowError("wrong_schema", str(error)[:_SAID_CHARS_MAX]) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WindrowError("not_json", str(error)[:_SAID_CHARS_MAX]) from error


@lru_cache(maxsize=64)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of one type; finding out anew what a union is takes as long as reading a record."""
    return msgspec.json.Decoder(kind)


def encode_batch(records: Iterable[Submission]) -> bytes:
    """Return a batch as zstd-compressed NDJSON."""
    return zstandard.ZstdCompressor(level=3).compress(b"\n".join(msgspec.json.encode(r) for r in records))


def unpack_bounded(body: bytes, decoded_bytes_max: int = BATCH_DECODED_BYTES_MAX) -> bytes:
    """Decompress one zstd frame without ever holding more than the bound.

    Raises WindrowError `too_large`, `bad_compression` or `decompression_bomb`.
    """
    if len(body) > BATCH_WIRE_BYTES_MAX:
        raise WindrowError("too_large", f"a batch of {len(body)} bytes")
    try:
        room = min(_size_it_says(body), decoded_bytes_max)
        with zstandard.ZstdDecompressor(max_window_size=1 << 24).stream_reader(body) as reader:
            decoded = reader.read(room + 1)
    except zstandard.ZstdError as error:
        raise WindrowError("bad_compression", str(error)[:120]) from error
    if len(decoded) > room:
        raise WindrowError("decompression_bomb", f"more than {room} bytes")
    return decoded


def _size_it_says(body: bytes) -> int:
    """Return how large a frame says that it is, which it is held to; where it does not say, more than is allowed."""
    try:
        said = zstandard.frame_content_size(body)
    except zstandard.ZstdError:  # what it is then, the decompressor says
        return sys.maxsize
    return said if said >= 0 else sys.maxsize


def decode_batch(body: bytes) -> Iterator[Submission | WindrowError]:
    """Yield each line of a batch as a submission, or as the error that makes it invalid; no line vanishes.

    Raises WindrowError for the batch as a whole: `too_large`, `bad_compression`, `decompression_bomb`.
    """
    lines = [line for line in unpack_bounded(body).split(b"\n") if line.strip()]
    if len(lines) > BATCH_RECORDS_MAX:
        raise WindrowError("too_large", f"{len(lines)} records in a batch, {BATCH_RECORDS_MAX} allowed")
    for line in lines:
        try:
            yield decode_json(line, Submission)  # type: ignore[arg-type]
        except WindrowError as error:
            yield error


def canonical_record(record: Submission) -> bytes:
    """Return the exact bytes of a submission that the log keeps and the receipt's `head` covers."""
    return msgspec.json.encode(record, order="sorted")


# What the coordinator signs: statements that travel as the content of a JWS, described beside the doors.
STATEMENTS = (Lease, Receipt, Verdict)
