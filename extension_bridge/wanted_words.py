"""Finds a word that somebody wants out of their texts, however it is written: case, hyphens, apostrophes, `ß` and `SS`.

Rules: a word is found whole, not inside a longer one; where writing sets no blanks (Chinese, Japanese, Thai and their
like) or hangs endings onto names (Korean) it is found anywhere. Characters that cannot be seen hide nothing. Whatever
a person types means itself: nothing of it is a pattern.

Does not: replace anything (see `drafts`), or know other forms of a word.

Usage: `word_pattern("Ana O'Brien", r"\\s+").sub("[MASKED]", text)`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_UNSEEN: Final = "[\u00ad\u200b-\u200d\u2060]*"  # a soft hyphen, and blanks without a width
_SAME: Final = {
    **dict.fromkeys(("ss", "ß", "ẞ"), "(?:s[\u00ad]?s|ß|ẞ)"),
    **dict.fromkeys("'’‘ʼ", "['’‘ʼ]"),
    **dict.fromkeys("-‐‑", "[-‐‑]"),
}
_ANYWHERE: Final = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "MYANMAR", "KHMER")


def word_pattern(word: str, gap: str) -> re.Pattern[str]:
    """Return the pattern of a word or phrase in normal form; `gap` is the pattern of what stands for its blanks."""
    spaced = gap.join(_UNSEEN.join(map(_written, re.findall("ss|.", part, re.I))) for part in word.split())
    before = r"(?<![^\W_])" if _has_edge(word[0]) else ""
    after = r"(?![^\W_])" if _has_edge(word[-1]) else ""
    return re.compile(f"{before}{spaced}{after}", re.IGNORECASE)


def _written(sign: str) -> str:
    return _SAME.get(sign.lower(), re.escape(sign))


def _has_edge(sign: str) -> bool:
    return sign.isalnum() and not unicodedata.name(sign, "").startswith(_ANYWHERE)
