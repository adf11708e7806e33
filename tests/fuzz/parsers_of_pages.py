"""Fuzz targets for what web sites send: pages, addresses, robots.txt, opt-out signals, compressed bodies, texts.

Rules: as in `parsers.py`. The first byte of an input chooses among a parser's ways to be called.

Does not: know how inputs are found. Usage: `html(b"\\x00<p>text</p>")`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aggregator.verification.comparing.comparison import decide, similarity
from contributor_node.crawling.content_coding import undo_content_encoding
from contributor_node.crawling.robots import ROBOTS_TOKEN
from contributor_node.extraction.main_text import extract
from extension_bridge.redaction import check_redacted, check_url, redact, redact_url
from windrow_protocol.content import normalise_text, shingle_hashes, words
from windrow_protocol.domains import registrable_domain
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import ROBOTS_CACHE_S, TEXT_BYTES_MAX, TITLE_CHARS_MAX, URL_CHARS_MAX
from windrow_protocol.optout import denying_signals, optout_signals, signal_from_text
from windrow_protocol.optout_kinds import Signal
from windrow_protocol.robots_rules import RobotsRules
from windrow_protocol.urls import (
    canonical_url,
    canonical_url_with_rules,
    host_key,
    url_sha256,
    whatwg_href,
)

CONTENT_TYPES = (
    "text/html",
    "text/html; charset=utf-8",
    "text/html; charset=iso-8859-1",
    "text/html; charset=utf-16",
    "text/html; charset=shift_jis",
    "text/html; charset=no-such-charset",
    "application/xhtml+xml",
    "text/plain",
    "text/markdown; charset=gb18030",
    "",
    "application/pdf",
)
CODINGS = ("gzip", "deflate", "gzip, deflate", "deflate, gzip", "x-gzip", "identity", "br", "gzip,gzip,gzip")
STATUSES: tuple[int | None, ...] = (200, 200, 200, 200, 204, 404, 429, 503, None)
DECODED_BYTES_MAX = 2_000_000
PAGE_URL = "http://site.example/a/b?c=d"


def html(data: bytes) -> None:
    """A page's bytes: text, title and opt-out signals, and the normal form that is signed."""
    content_type = CONTENT_TYPES[data[0] % len(CONTENT_TYPES)] if data else ""
    found = extract(data[1:], content_type)
    assert len(found.title) <= TITLE_CHARS_MAX
    assert len(found.text.encode("utf-8")) <= TEXT_BYTES_MAX
    normal = normalise_text(found.text)
    assert normalise_text(normal) == normal, "the normal form is not its own normal form"
    _check_signals(optout_signals(PAGE_URL, (), found.markup))


def _check_signals(signals: tuple[Signal, ...]) -> None:
    for signal in signals:
        text = signal.as_text()
        assert len(text) <= 256, text
        assert "\n" not in text
        assert signal_from_text(text) == signal, text
    assert set(denying_signals(signals)) <= set(signals)


def page_text(data: bytes) -> None:
    """Any text: normal form, words, shingles, and a comparison of its halves."""
    text = (
        data.decode("utf-8", "surrogatepass" if data[:1] == b"\x01" else "replace") if _decodes(data) else ""
    )
    normal = normalise_text(text)
    assert normalise_text(normal) == normal, "the normal form is not its own normal form"
    normal.encode("utf-8")
    assert bool(words(normal)) == bool(shingle_hashes(normal))
    half = normalise_text(text[: len(text) // 2])
    there, back = similarity(half, text), similarity(text, half)
    assert 0.0 <= there.two_sided == back.two_sided <= 1.0
    assert decide(half, [text, text, text], earlier_text=half).kind in {
        "match",
        "mismatch",
        "no_evidence",
        "need_truth",
    }


def _decodes(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass" if data[:1] == b"\x01" else "replace")
    except UnicodeDecodeError:
        return False
    return True


def url(data: bytes) -> None:
    """An address: one canonical form, which is its own canonical form."""
    text = data[1:].decode("latin-1" if data[:1] < b"\x40" else "utf-8", "surrogateescape")
    assert len(_or_empty(registrable_domain, text)) <= 256
    canonical, rules = canonical_url_with_rules(text)
    with _never_refused():
        _check_canonical(text, canonical, rules)


def _check_canonical(text: str, canonical: str, rules: tuple[str, ...]) -> None:
    assert canonical.isascii()
    assert len(canonical) <= URL_CHARS_MAX
    assert canonical_url_with_rules(canonical) == (canonical, ()), "not idempotent"
    assert bool(rules) == (canonical != whatwg_href(text))
    assert host_key(canonical) == host_key(text)
    assert url_sha256(text) == url_sha256(canonical)
    assert registrable_domain(canonical)
    assert canonical_url(canonical + "#x") == canonical


def _or_empty(function: Callable[[str], str], text: str) -> str:
    """The answer, or "" where it is refused (what comes after is to be tried all the same)."""
    try:
        return function(text)
    except WindrowError:
        return ""


@contextmanager
def _never_refused() -> Iterator[None]:
    """What was taken once is taken again: a refusal in here is a finding."""
    try:
        yield
    except WindrowError as error:
        raise AssertionError(f"taken once, then refused: {error}") from error


def robots(data: bytes) -> None:
    """A robots.txt: any bytes are rules, and they answer any question about any path."""
    status = STATUSES[data[0] % len(STATUSES)] if data else None
    rules = RobotsRules.parse(data[1:], status)
    for path in ("/%7Ea/b?c=d", "/" + data[1:40].decode("latin-1")):
        address = f"http://site.example{path}"
        assert rules.allows(ROBOTS_TOKEN, address) == rules.allows(f"{ROBOTS_TOKEN}/1.0", address)
        said = rules.statements(ROBOTS_TOKEN, address)
    _check_signals(optout_signals(PAGE_URL, (), robots=said))
    delay_s = rules.crawl_delay_s(ROBOTS_TOKEN)
    assert delay_s is None or 0 <= delay_s <= ROBOTS_CACHE_S


def optout(data: bytes) -> None:
    """Header fields, one a line, then after a NUL the site's tdmrep.json."""
    fields, _, tdmrep = data.partition(b"\0")
    headers = [
        (name, value)
        for name, colon, value in (line.partition(":") for line in fields.decode("latin-1").split("\n"))
        if colon
    ]
    _check_signals(optout_signals(PAGE_URL, headers, "", tdmrep_json=tdmrep or None))
    signal_from_text(fields.decode("latin-1"))


def content_coding(data: bytes) -> None:
    """A body under one of several declared codings."""
    declared = CODINGS[data[0] % len(CODINGS)] if data else ""
    assert len(undo_content_encoding(data[1:], declared, DECODED_BYTES_MAX)) <= DECODED_BYTES_MAX


def personal_url(data: bytes) -> None:
    """The address of a page a person gives: what is left of it passes the check on receipt."""
    left = redact_url(data.decode("utf-8", "replace")).text
    assert check_url(left) == [], left


def personal_text(data: bytes) -> None:
    """A text in which personal data is looked for: redaction leaves nothing that the check on receipt finds."""
    text = normalise_text(data.decode("utf-8", "replace"))
    check_redacted(text)
    redacted = redact(text).text
    with _never_refused():
        assert check_redacted(redacted) == []
