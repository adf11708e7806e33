"""What the node and its crawl child say to each other: JSON lines, parent to child on stdin, child to parent on
stdout.

Rules: each line is one tagged struct, at most `CHILD_LINE_BYTES_MAX` long. The parent speaks first (`Hello`),
the child answers `Alive` when it is ready and every few seconds after. For each `Work` there is exactly one
`CrawlResult` or `Broken`.

Does not: do I/O, or hold anything that leaves this machine as it is.

Usage::

    line = encode(Work(lease_id="l1…", url=…))
    message = decode_to_child(line)
"""

from __future__ import annotations

import msgspec

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CHILD_LINE_BYTES_MAX
from windrow_protocol.messages import Outcome


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What all lines share."""


class Hello(Line, frozen=True, tag="hello"):
    """First line to a child: where the road out is, who it says it is, and where it may keep its robots cache.

    `chromium` is empty when none was found; leases for a browser then end as `Broken`.
    """

    proxy_url: str
    secret: str
    user_agent: str
    home: str
    chromium: str
    memory_bytes_max: int
    browser_idle_s: float


class Work(Line, frozen=True, tag="work"):
    """One lease to fetch."""

    lease_id: str
    url: str
    render: str
    want_raw: bool
    body_bytes_max: int
    decoded_bytes_max: int
    time_s_max: int
    redirects_max: int
    expires_at_ms: int


class Granted(Line, frozen=True, tag="granted"):
    """The answer to an ask."""

    ask_id: int
    allowed: bool


class Close(Line, frozen=True, tag="close"):
    """Finish what is open and leave."""


class Alive(Line, frozen=True, tag="alive"):
    """A sign of life."""


class Parsing(Line, frozen=True, tag="parsing"):
    """The child is about to parse this lease's page: if it dies now, that page is the suspect."""

    lease_id: str


class AskRedirect(Line, frozen=True, tag="ask_redirect"):
    """The child saw a redirect inside a tunnel and asks to follow it."""

    ask_id: int
    lease_id: str
    purpose: str
    url: str


class AskSlower(Line, frozen=True, tag="ask_slower"):
    """A host's robots.txt asks for a longer pause between requests."""

    ask_id: int
    url: str
    crawl_delay_s: float


class Broken(Line, frozen=True, tag="broken"):
    """We could not do a lease by our own fault; nothing is said about the page."""

    lease_id: str
    code: str
    detail: str


class CrawlResult(Line, frozen=True, tag="result"):
    """What became of one lease. `text` is empty unless the outcome is `fetched`.

    `robots_state` is allowed, denied, no_robots, unreachable or unasked. `raw_sha256` is over the body after
    Content-Encoding is undone, and `raw` is that body where the lease wants it. `bytes_wire` and `requests` are
    what the egress proxy counted for the lease, robots.txt and redirects included. `needs_browser` is a hint
    for the next lease. `published` is a day (ISO 8601).
    `crawl_delay_ms` is what robots.txt asks for, `retry_after_ms` what a 429 or 503 asks for.
    """

    lease_id: str
    url: str
    outcome: Outcome
    final_url: str
    fetched_at_ms: int
    http_status: int = 0
    content_type: str = ""
    robots_state: str = "unasked"
    optout_signals: list[str] = []
    raw_sha256: str = ""
    text: str = ""
    title: str = ""
    authors: list[str] = []
    published: str = ""
    bytes_wire: int = 0
    requests: int = 0
    extractor_version: str = ""
    rendered: bool = False
    needs_browser: bool = False
    detail: str = ""
    crawl_delay_ms: int = 0
    retry_after_ms: int = 0
    raw: bytes | None = None


ToChild = Hello | Work | Granted | Close
ToParent = Alive | Parsing | AskRedirect | AskSlower | Broken | CrawlResult

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SAID_CHARS_MAX = 300

_encoder = msgspec.json.Encoder()
_to_child: msgspec.json.Decoder[ToChild] = msgspec.json.Decoder(ToChild)
_to_parent: msgspec.json.Decoder[ToParent] = msgspec.json.Decoder(ToParent)


def encode(message: ToChild | ToParent) -> bytes:
    """Return one line, newline included. Raises WindrowError `too_large`."""
    line = _encoder.encode(message) + b"\n"
    if len(line) > CHILD_LINE_BYTES_MAX:
        raise WindrowError("too_large", f"a line of {len(line)} bytes")
    return line


def decode_to_child(line: bytes) -> ToChild:
    """Decode a line from the parent. Raises WindrowError `wrong_schema`."""
    try:
        return _to_child.decode(line)
    except _UNREADABLE as error:
        raise WindrowError("wrong_schema", str(error)[:_SAID_CHARS_MAX]) from error


def decode_to_parent(line: bytes) -> ToParent:
    """Decode a line from the child. Raises WindrowError `wrong_schema`."""
    try:
        return _to_parent.decode(line)
    except _UNREADABLE as error:
        raise WindrowError("wrong_schema", str(error)[:_SAID_CHARS_MAX]) from error
