"""The sketch of a text: what is kept of it so that later copies and near-copies are recognised.

Rules: a sketch follows from the text alone, on every machine: shingle hashes and permutations are fixed here and in
`windrow_protocol.content`, and nothing depends on the process, its hash seed or its byte order. Of a text with more
than `SHINGLES_KEPT_MAX` shingles the smallest hashes are kept, a uniform sample, and similarity is estimated on them;
below that bound similarity is exact. Bands are permissive on purpose (4 rows, 16 bands: a pair at Jaccard 0.8 is missed
with probability 0.0002), because every candidate is verified afterwards.

Does not: remember texts (see `seen`), choose between candidates, or say who is paid.

Usage::

    a, b = sketch(old_text), sketch(new_text)
    near = set(band_keys(a.shingles)) & set(band_keys(b.shingles)) and jaccard(a.shingles, b.shingles) >= 0.8

Source: Broder, "On the resemblance and containment of documents" (1997); Indyk and Motwani (1998) for the bands.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from windrow_protocol.content import normalise_text, shingle_hashes, text_sha256
from windrow_protocol.limits import SHINGLES_KEPT_MAX

Hashes = NDArray[np.uint64]

BAND_ROWS: Final = 4
BANDS: Final = 16
_CHUNK: Final = 4_096  # shingles permuted at once: 2 MB of working memory whatever the text


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What the index needs of a text. `shingles` is sorted and holds at most `SHINGLES_KEPT_MAX` hashes."""

    text_sha256: str
    text_bytes: int  # UTF-8 bytes of the normal form
    shingle_count: int  # all distinct shingles, kept or not
    shingles: Hashes


def sketch(text: str) -> Sketch:
    """Return the sketch of a text. Raises UnicodeEncodeError for a lone surrogate, which no normal form has."""
    hashes = shingle_hashes(text)
    ordered = np.sort(np.fromiter(hashes, dtype=np.uint64, count=len(hashes)))
    return Sketch(
        text_sha256=text_sha256(text),
        text_bytes=len(normalise_text(text).encode("utf-8")),
        shingle_count=len(hashes),
        shingles=ordered[:SHINGLES_KEPT_MAX],
    )


def band_keys(shingles: Hashes) -> tuple[int, ...]:
    """Return one signed 64-bit key for each band: two texts are candidates when they share a key.

    A text without words has no key, so it is nobody's near-duplicate.
    """
    if not shingles.size:
        return ()
    bands = _minima(shingles).astype("<u8").reshape(BANDS, BAND_ROWS)
    return tuple(_key(number, band.tobytes()) for number, band in enumerate(bands))


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return |A∩B| / |A∪B| of two sorted hash sets: 0..1, and 0 when neither has a shingle.

    Exact while both are complete; else estimated on the smallest hashes of the union, as bottom-k sketches allow.
    """
    if not a.size or not b.size:
        return 0.0
    shared = _intersection(a, b) if a.size <= b.size else _intersection(b, a)
    if max(a.size, b.size) < SHINGLES_KEPT_MAX:
        return float(shared.size / (a.size + b.size - shared.size))
    sample = np.union1d(a, b)[:SHINGLES_KEPT_MAX]
    return float(np.count_nonzero(shared <= sample[-1]) / sample.size)


def to_bytes(shingles: Hashes) -> bytes:
    """Return the stored form of sorted shingle hashes: little-endian, eight bytes each."""
    return shingles.astype("<u8").tobytes()


def from_bytes(stored: bytes) -> Hashes:
    """Return shingle hashes from their stored form. Raises ValueError when the length is no multiple of eight."""
    return np.frombuffer(stored, dtype="<u8").astype(np.uint64)


def _intersection(small: Hashes, large: Hashes) -> Hashes:
    places = np.searchsorted(large, small)
    places[places == large.size] = 0
    shared: Hashes = small[large[places] == small]
    return shared


def _permutations() -> tuple[Hashes, Hashes]:
    """Return odd factors and offsets of h → h·f + o (mod 2^64), one pair for each row of each band."""
    seeds = b"".join(
        hashlib.blake2b(f"windrow/minhash/{i}".encode(), digest_size=16).digest()
        for i in range(BANDS * BAND_ROWS)
    )
    pairs = np.frombuffer(seeds, dtype="<u8").astype(np.uint64).reshape(-1, 2)
    return pairs[:, 0] | np.uint64(1), pairs[:, 1]


_FACTORS, _OFFSETS = _permutations()


def _minima(shingles: Hashes) -> Hashes:
    minima = np.full(BANDS * BAND_ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, shingles.size, _CHUNK):
        permuted = shingles[start : start + _CHUNK, None] * _FACTORS + _OFFSETS  # wraps: that is the modulus
        np.minimum(minima, permuted.min(axis=0), out=minima)
    return minima


def _key(number: int, rows: bytes) -> int:
    digest = hashlib.blake2b(number.to_bytes(1, "little") + rows, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
