"""Takes what identifies a person out of a text before it leaves the device.

Rules: every finding is replaced by a mark of its kind, `[EMAIL]`; a replacement may bring two halves together, so the
text is searched again until nothing is left; the same functions check on receipt what was done on the device. Of an
address on the web only scheme, host and path leave: user, query and fragment carry sessions and searches.

Does not: remove a name that nothing around it gives away (the person masks those), nor keep what it removed.

Usage::

    redacted = redact("write to ana@example.org")  # text "write to [EMAIL]", findings {"email": 1}
    assert check_redacted(redacted.text) == []
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import REDACTION_PASSES_MAX, URL_CHARS_MAX
from windrow_protocol.personal.patterns import DEVICE_DETECTORS, find_personal

HIDDEN_HOST: Final = "redacted.invalid"  # stands for a host that is a bare address (RFC 2606)
PATH_SAFE: Final = (
    "/[]:@!$&'()*+,;=~"  # of a path that is percent-encoded again (RFC 3986, 3.3), and brackets of marks
)
_ENCODINGS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without its findings, and how many of each kind were taken out."""

    text: str
    findings: Mapping[str, int]


def mark_of(kind: str) -> str:
    """Return what stands in the text for a finding of this kind."""
    return f"[{kind.upper()}]"


def redact(text: str, detectors: Collection[str] = DEVICE_DETECTORS) -> Redacted:
    """Replace everything personal that these detectors find: those of a device, or fewer for a public page.

    Raises WindrowError `too_large` for a text beyond the bound, `not_redacted` when a text made for the purpose keeps
    bringing forth new findings.
    """
    counts: Counter[str] = Counter()
    for _ in range(REDACTION_PASSES_MAX):
        findings = find_personal(text, detectors)
        if not findings:
            return Redacted(text, dict(sorted(counts.items())))
        pieces, last = [], 0
        for finding in findings:
            pieces += [text[last : finding.start], mark_of(finding.kind)]
            last = finding.end
            counts[finding.kind] += 1
        text = "".join(pieces) + text[last:]
    raise WindrowError("not_redacted", f"still findings after {REDACTION_PASSES_MAX} passes")


def check_redacted(text: str) -> list[str]:
    """Return the kinds still to be found in a text, each once; an empty list when it is redacted."""
    return sorted({finding.kind for finding in find_personal(text, DEVICE_DETECTORS)})


def redact_url(url: str) -> Redacted:
    """Return the part of a web address that may leave, redacted. Raises WindrowError `bad_url`."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise WindrowError("bad_url", "it cannot be read") from error
    if parts.scheme not in ("http", "https") or not host:
        raise WindrowError("bad_url", f"a page at {parts.scheme or 'no'} address")
    path, name = redact(decoded_path(parts.path)), redact(host)
    shown = quote(path.text, safe=PATH_SAFE) if path.findings else parts.path
    netloc = (HIDDEN_HOST if name.findings else f"[{host}]" if ":" in host else host) + port
    left = urlunsplit((parts.scheme, netloc, shown or "/", "", ""))
    if len(left) > URL_CHARS_MAX:
        raise WindrowError("bad_url", f"longer than {URL_CHARS_MAX} characters")
    return Redacted(left, dict(sorted((Counter(path.findings) + Counter(name.findings)).items())))


def decoded_path(path: str) -> str:
    """Return a path without percent-encoding, also where it was encoded more than once."""
    for _ in range(_ENCODINGS_MAX):
        path, before = unquote(path), path
        if path == before:
            break
    return path


def readable_host(host: str) -> str:
    """Return a host as people read it: `xn--mller-kva.example` is `müller.example` (RFC 3490)."""
    try:
        return host.encode("ascii").decode("idna")
    except UnicodeError:
        return host


def check_url(url: str) -> list[str]:
    """Return what a web address still says that should not have left; an empty list when nothing."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ["bad_url"]
    kinds = check_redacted(decoded_path(parts.path)) + check_redacted(host)
    return sorted({*kinds, *(["query"] if parts.query or parts.fragment or parts.username else [])})
