"""Which release this is, and whether another one is newer.

Rules: versions are numbers joined by dots; what is none is never newer. A newer one is announced, never fetched.

Does not: ask anybody. Usage: `is_newer(said, RELEASE)`.
"""

from __future__ import annotations

import re
from typing import Final

RELEASE: Final = "0.1.0"
_VERSION = re.compile(r"\d{1,6}(?:\.\d{1,6}){0,3}")


def is_newer(version: str, than: str) -> bool:
    """Say whether a version is newer than another one; malformed ones never are."""
    if not _VERSION.fullmatch(version) or not _VERSION.fullmatch(than):
        return False
    left, right = (tuple(int(part) for part in text.split(".")) for text in (version, than))
    width = max(len(left), len(right))
    return left + (0,) * (width - len(left)) > right + (0,) * (width - len(right))
