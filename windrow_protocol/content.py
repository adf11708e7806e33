"""What a text is: its normal form, its digest, its words and its shingles.

Rules: two texts that differ only in Unicode composition, case-preserving white space or line ends are the same text.
Shingles are 64-bit hashes of five consecutive folded words; the hash is fixed by this module on every machine.

Does not: extract text from pages, judge it, or store it.

Usage::

    digest = text_sha256(normalise_text(extracted))
    shared = shingle_hashes(a) & shingle_hashes(b)

Source: Broder, "On the resemblance and containment of documents" (1997); Unicode UAX #15.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

from windrow_protocol.limits import SHINGLE_WORDS

WINDROW_EXTRACTOR: Final = "windrow-"  # how the name of Windrow's own extractor begins, of any release,
EXTRACTOR: Final = f"{WINDROW_EXTRACTOR}4/"  # and of this one; texts of two releases are not compared
_BLANKS = re.compile(r"[^\S\n]+")
_BREAKS = re.compile(r"\n{3,}")
# Scripts that are written without blanks: Thai, Lao, Myanmar, Khmer, kana, Han.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff\ufffe\uffff]")
_NOT_PLAIN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]|[^\S\n ]")
_EDGES = (" ", "\n")
_PLAIN_ASCII = bytes([0x0A, *range(0x20, 0x7F)])
# Characters that are in normal form whatever stands beside them: Latin, Cyrillic, Armenian, punctuation, currencies.
_NORMAL_ANYWHERE = re.compile(
    r"[\xa1-\u02ff\u0388-\u0482\u048a-\u058f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*"
)
_FEW = 8  # of so many bytes one; above it two searches of the text are quicker


def normalise_text(text: str) -> str:
    """Return the normal form that is stored, signed and sold: NFC, single blanks, at most one empty line.

    Control characters and lone surrogates are removed, so that the result always encodes as UTF-8.
    """
    text = text.encode("utf-8", "ignore").decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    text = unicodedata.normalize("NFC", _CONTROLS.sub("", text))
    lines = (line.strip() for line in _BLANKS.sub(" ", text).split("\n"))
    return _BREAKS.sub("\n\n", "\n".join(lines)).strip()


def is_normal_text(text: str) -> bool:
    """Say whether `normalise_text` would leave a text as it is, in a tenth of its time."""
    if text[:1] in _EDGES or text[-1:] in _EDGES:
        return False
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    # Two blanks in a line of all lines: some that no normal form has together.
    if b"  " in data.replace(b"\n\n", b"\n").replace(b"\n", b" "):
        return False
    if others_are_normal(data):
        return True
    return _NOT_PLAIN.search(text) is None and unicodedata.is_normalized("NFC", text)


def others_are_normal(data: bytes) -> bool:
    """Say whether the few characters of UTF-8 that are not plain ASCII are in normal form whatever stands beside them.

    False where there are many, because then it is quicker to look at the text as a whole.
    """
    others = data.translate(None, _PLAIN_ASCII)
    return len(others) * _FEW <= len(data) and _NORMAL_ANYWHERE.fullmatch(others.decode()) is not None


def text_sha256(text: str) -> str:
    """Return the lower-hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def words(text: str) -> list[str]:
    """Return the case-folded words of a text; in scripts without blanks each character is a word."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def shingle_hashes(text: str) -> frozenset[int]:
    """Return the 64-bit hashes of a text's five-word shingles; a shorter text is one shingle, an empty one none."""
    return frozenset(shingles_in_order(text))


def shingles_in_order(text: str) -> tuple[int, ...]:
    """Return the same hashes as they follow each other in the text, repeated ones as often as they stand there."""
    tokens = words(text)
    if not tokens:
        return ()
    count = max(1, len(tokens) - SHINGLE_WORDS + 1)
    return tuple(_hash64(" ".join(tokens[i : i + SHINGLE_WORDS])) for i in range(count))


def _hash64(shingle: str) -> int:
    return int.from_bytes(hashlib.blake2b(shingle.encode("utf-8"), digest_size=8).digest(), "big")
