"""Path patterns as robots.txt writes them, and the paths of URLs they are compared with.

Rules: all text here is octets as characters (UTF-8 bytes read as Latin-1), because RFC 9309 compares octets. Matching
is linear, so that no hostile pattern is slow. TDMRep's `location` uses the same patterns.

Does not: know groups, user agents or which rule wins (`robots_rules.py`).

Usage::

    pattern_matches("/shop/*/cart$", robots_path("https://example.com/shop/7/cart"))
"""

from __future__ import annotations

import re
from typing import Final

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPED_OR_HIGH: Final = re.compile(r"%[0-9a-fA-F]{2}|[\x80-\xff]")
_PATH_START: Final = re.compile(r"[/?;]")


def pattern_matches(pattern: str, path: str) -> bool:
    """Return whether a robots.txt path pattern, with `*` and a final `$`, matches the beginning of a path.

    Linear in pattern and path: each piece between stars is found as early as possible, which is always enough.
    Source: RFC 9309, 2.2.3.
    """
    anchored = pattern.endswith("$")
    if not anchored and "*" not in pattern:
        return path.startswith(pattern)
    first, *pieces = pattern.removesuffix("$").split("*") if anchored else pattern.split("*")
    if not path.startswith(first):
        return False
    if not pieces:
        return not anchored or len(path) == len(first)
    last = pieces.pop() if anchored else ""
    at = len(first)
    for piece in pieces:
        found = path.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(path) - len(last) >= at and path.endswith(last)


def robots_path(url: str) -> str:
    """Return path, parameters and query of a URL as Google's matcher reads them, its UTF-8 bytes as characters."""
    start = 2 if url.startswith("//") else 0
    scheme_end = url.find("://", start)
    early = _PATH_START.search(url, start)
    if scheme_end >= 0 and (early is None or early.start() > scheme_end):
        start = scheme_end + 3
    begin = _PATH_START.search(url, start)
    hash_at = url.find("#")
    if begin is None or 0 <= hash_at < begin.start():
        return "/"
    path = url[begin.start() : hash_at if hash_at >= 0 else None]
    path = path if path.startswith("/") else "/" + path
    return path.encode("utf-8", "replace").decode("latin-1")


def capital_path(pattern: str) -> str:
    """Return a pattern as Google's matcher compares it: bytes beyond ASCII escaped, escapes in capitals."""
    return _ESCAPED_OR_HIGH.sub(lambda m: m[0].upper() if m[0][0] == "%" else f"%{ord(m[0]):02X}", pattern)


def plain_path(pattern: str) -> str:
    """Return a path or pattern as RFC 9309, 2.2.2 compares it: escaped, with escaped unreserved characters decoded."""

    def replace(match: re.Match[str]) -> str:
        octet = int(match[0][1:], 16) if match[0][0] == "%" else ord(match[0])
        return chr(octet) if octet in _UNRESERVED else f"%{octet:02X}"

    return _ESCAPED_OR_HIGH.sub(replace, pattern)
