"""gaoya: its own word shingles, MinHash and index, which confirms candidates by its estimate of similarity."""

from __future__ import annotations

from importlib.metadata import version

from gaoya.minhash import MinHashStringIndex
from measured import measured

BANDS, ROWS, THRESHOLD = 16, 8, 0.8


def remove(texts: list[str]) -> list[int]:
    """Return the numbers of texts that an earlier one resembles."""
    index = MinHashStringIndex(
        hash_size=32,
        jaccard_threshold=THRESHOLD,
        num_bands=BANDS,
        band_size=ROWS,
        analyzer="word",
        lowercase=True,
        ngram_range=(5, 5),
        id_container="vec",
    )
    removed = []
    for number, text in enumerate(texts):
        if index.query(text):
            removed.append(number)
        index.insert_document(number, text)
    return removed


measured(
    remove, "gaoya", version("gaoya"), f"{BANDS} bands of {ROWS} rows, words of 5, estimate >= {THRESHOLD}"
)
