"""The sketch of a text: what is computed of it once so that copies and near-copies of it are recognised.

Rules: a sketch follows from the text alone, on every machine: words and five-word shingles are those of
`windrow_protocol.content`, hashes and permutations are fixed here and in `kernels`. Bands are permissive on purpose
(5 rows, 13 bands: a pair at Jaccard 0.8 is missed with probability 0.006, one at 0.85 with 0.0008), because every
candidate is verified afterwards on its shingles, all of them, whatever the text's size.

Does not: remember texts (see `seen`), choose between candidates, or say who is paid.

Usage::

    old, new = sketch_all([old_text, new_text])
    near = bool(set(old.band_keys()) & set(new.band_keys())) and jaccard(old.shingles(), new.shingles()) >= 0.8

Source: Broder, "On the resemblance and containment of documents" (1997); Indyk and Motwani (1998) for the bands.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aggregator.dedup.characters import fold_table, plain_table
from windrow_protocol.content import normalise_text
from windrow_protocol.limits import SHINGLE_WORDS, SKETCH_BATCH_BYTES_MAX

Keys = NDArray[np.uint32]

BAND_ROWS: Final = 5
BANDS: Final = 13
# places in tables; no answer depends on it
SECRET: Final = np.uint64(int.from_bytes(os.urandom(8), "little") | 1)
COLUMNS: Final = 1 + BANDS  # what an index holds of a text: the head of its digest, then its bands


@dataclass(frozen=True, slots=True, eq=False)
class Shingles:
    """The distinct shingles of a text: hashes that are the same on every machine, and a table for this process."""

    hashes: NDArray[np.uint64]
    slots: NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """What the index needs of a text. `keys` holds `COLUMNS` numbers, the first of them of the digest."""

    text: str  # in normal form
    text_sha256: str
    text_bytes: int  # UTF-8 bytes of the normal form
    keys: Keys
    hashes: NDArray[
        np.uint64
    ]  # of its shingles, repetitions included; a view that keeps those of its batch alive

    def band_keys(self) -> tuple[tuple[int, int], ...]:
        """Return (band, key) for each band; a text without words has none, so it is nobody's near-duplicate."""
        if self.keys[1] == _kernels().NO_KEY:
            return ()
        return tuple(enumerate(self.keys[1:].tolist()))

    def shingles(self) -> Shingles:
        """Return its distinct shingles."""
        return Shingles(*_shingle_kernels().shingle_set(self.hashes, SECRET))

    def unique_bytes(self) -> int:
        """Return the text's bytes, less the share of words in a five-word shingle that stood in it before.

        So a passage counts once however often the text says it, and of a slightly changed repetition the changed words
        count. A text without words is nothing new.
        """
        shingles = int(self.hashes.size)
        if shingles <= 1:
            return self.text_bytes * shingles
        words = shingles + SHINGLE_WORDS - 1
        repeated = int(_shingle_kernels().repeated_words(self.hashes, SECRET))
        return self.text_bytes * (words - repeated) // words


def sketch(text: str) -> Sketch:
    """Return the sketch of one text, which is brought to normal form first unless it has it."""
    return sketch_all([text])[0]


def sketch_all(texts: Sequence[str]) -> list[Sketch]:
    """Return the sketches of many texts, which is several times faster than one by one."""
    sketches: list[Sketch] = []
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size >= SKETCH_BATCH_BYTES_MAX:
            sketches += _sketch_part(part)
            part, size = [], 0
    return sketches + _sketch_part(part)


def shingle_hashes_of(texts: Sequence[str]) -> list[NDArray[np.uint64]]:
    """Return the hashes of the five-word shingles of texts in normal form, repetitions included."""
    found = _hashed([text.encode() for text in texts], False)
    long = [i for i, (_, flags) in enumerate(found) if flags & _kernels().IS_LONG]
    for i, again in zip(long, _hashed([folded(texts[i]) for i in long], True), strict=True):
        found[i] = again
    return [hashes for hashes, _ in found]


def shingles_of(text: str) -> Shingles:
    """Return the distinct five-word shingles of a text in normal form."""
    return Shingles(*_shingle_kernels().shingle_set(shingle_hashes_of([text])[0], SECRET))


def jaccard(a: Shingles, b: Shingles, at_least: float = 0.0) -> float:
    """Return |A∩B| / |A∪B| of two texts' shingles: exact, 0..1; 0 when below `at_least` or when one has none."""
    few, many = (a, b) if a.hashes.size <= b.hashes.size else (b, a)
    both = few.hashes.size + many.hashes.size
    if not few.hashes.size:
        return 0.0
    misses_max = few.hashes.size - int(at_least * both / (1 + at_least))  # J ≥ t as |A∩B| ≥ t·(|A|+|B|)/(1+t)
    shared = int(_shingle_kernels().shared_count(few.hashes, many.slots, SECRET, misses_max))
    found = shared / (both - shared)
    return found if found >= at_least else 0.0


def _sketch_part(texts: Sequence[str]) -> list[Sketch]:
    if not texts:
        return []
    kernels = _kernels()
    texts = list(texts)
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    made = _Made.of(encoded, False)
    for i in np.flatnonzero(made.flags & kernels.IS_UNSURE):
        if made.flags[i] & kernels.IS_UNSTABLE:
            texts[i] = normalise_text(texts[i])
            encoded[i] = texts[i].encode()
        else:
            encoded[i] = kernels.tidied(bytes_of(encoded[i]), fold_table()).tobytes()
            texts[i] = encoded[i].decode()
    # White space is in no word, so most texts have their keys by now, but what falls out or joins may change words.
    made.replace(np.flatnonzero(made.flags & (kernels.IS_UNSTABLE | kernels.IS_DROPPED)), encoded, False)
    long = np.flatnonzero(made.flags & kernels.IS_LONG)
    made.replace(long, {i: folded(texts[i]) for i in long.tolist()}, True)
    digests = [hashlib.sha256(data).digest() for data in encoded]
    made.keys[:, 0] = np.frombuffer(b"".join(digest[:4] for digest in digests), ">u4")
    np.minimum(made.keys[:, 0], kernels.NO_KEY - 1, out=made.keys[:, 0])
    rows = zip(texts, digests, encoded, made.keys, made.hashes, strict=True)
    return [Sketch(text, digest.hex(), len(data), keys, hashes) for text, digest, data, keys, hashes in rows]


@dataclass(slots=True)
class _Made:
    """Keys, shingle hashes and flags of some texts."""

    keys: Keys
    hashes: list[NDArray[np.uint64]]
    flags: NDArray[np.uint8]

    @classmethod
    def of(cls, encoded: Sequence[bytes], is_folded: bool) -> _Made:
        """Compute them."""
        ends = np.cumsum([len(data) for data in encoded], dtype=np.int64)
        keys = np.empty((len(encoded), COLUMNS), np.uint32)
        table = plain_table() if is_folded else fold_table()
        data = bytes_of(b"".join(encoded))
        flags, hashes, hash_ends = _kernels().sketch_texts(
            data, ends, table, is_folded, _FACTORS, _OFFSETS, keys
        )
        bounds = [0, *hash_ends.tolist()]
        return cls(keys, [hashes[start:end] for start, end in pairwise(bounds)], flags)

    def replace(
        self, places: NDArray[np.int64], encoded: Mapping[int, bytes] | Sequence[bytes], is_folded: bool
    ) -> None:
        """Compute some of them again from other bytes."""
        if not places.size:
            return
        again = _Made.of([encoded[i] for i in places.tolist()], is_folded)
        self.keys[places], self.flags[places] = again.keys, again.flags
        for i, hashes in zip(places.tolist(), again.hashes, strict=True):
            self.hashes[i] = hashes


def _hashed(encoded: Sequence[bytes], is_folded: bool) -> list[tuple[NDArray[np.uint64], int]]:
    """Return the shingle hashes of some texts, and what their characters were flagged with."""
    if not encoded:
        return []
    ends = np.cumsum([len(data) for data in encoded], dtype=np.int64)
    table = plain_table() if is_folded else fold_table()
    flags, hashes, hash_ends = _kernels().hash_texts(bytes_of(b"".join(encoded)), ends, table, is_folded)
    bounds = pairwise([0, *hash_ends.tolist()])
    return [(hashes[start:end], flag) for (start, end), flag in zip(bounds, flags.tolist(), strict=True)]


def folded(text: str) -> bytes:
    """Return a text as `plain_table` reads it: normalised and folded whole."""
    return unicodedata.normalize("NFKC", text).casefold().encode()


def bytes_of(data: bytes) -> NDArray[np.uint8]:
    """Return bytes as the compiled loops take them."""
    return np.frombuffer(data, np.uint8)


@cache
def _kernels() -> Any:
    """Import the compiled loops late: only a server that judges texts needs them, and numba takes half a second."""
    from aggregator.dedup import kernels

    return kernels


@cache
def _shingle_kernels() -> Any:
    from aggregator.dedup import shingle_kernels

    return shingle_kernels


def _permutations() -> tuple[Keys, Keys]:
    """Return odd factors and offsets of h → h·f + o (mod 2^32), one pair for each row of each band."""
    seeds = b"".join(
        hashlib.blake2b(f"windrow/minhash/{i}".encode(), digest_size=8).digest()
        for i in range(BANDS * BAND_ROWS)
    )
    pairs = np.frombuffer(seeds, dtype="<u4").astype(np.uint32).reshape(-1, 2)
    return np.ascontiguousarray(pairs[:, 0] | np.uint32(1)), np.ascontiguousarray(pairs[:, 1])


_FACTORS, _OFFSETS = _permutations()
