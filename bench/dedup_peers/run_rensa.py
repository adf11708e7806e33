"""rensa: R-MinHash of five-word shingles, its own LSH index, candidates confirmed by its estimate of similarity."""

from __future__ import annotations

import re
from importlib.metadata import version

from measured import measured
from rensa import RMinHash, RMinHashLSH

PERMUTATIONS, BANDS, THRESHOLD = 128, 16, 0.8
WORD = re.compile(r"\w+")


def remove(texts: list[str]) -> list[int]:
    """Return the numbers of texts that an earlier one resembles."""
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS, num_bands=BANDS)
    kept: dict[int, RMinHash] = {}
    removed = []
    for number, text in enumerate(texts):
        words = WORD.findall(text.lower())
        shingles = {" ".join(words[i : i + 5]) for i in range(max(1, len(words) - 4))}
        sketch = RMinHash(num_perm=PERMUTATIONS, seed=42)
        sketch.update(list(shingles))
        if any(kept[other].jaccard(sketch) >= THRESHOLD for other in index.query(sketch)):
            removed.append(number)
        kept[number] = sketch
        index.insert(number, sketch)
    return removed


measured(
    remove, "rensa", version("rensa"), f"{PERMUTATIONS} permutations, {BANDS} bands, estimate >= {THRESHOLD}"
)
