"""Whether texts are in normal form, seen for all texts of a batch at once.

Rules: true means that `windrow_protocol.content.is_normal_text` says so of every one; false, that each has to be asked
for by itself. Side by side with one blank between them, texts in normal form have no two blanks together but the two
line ends of an empty line, whatever begins or ends them.

Does not: say which text is not, or make a normal form.

Usage: `if not are_normal([b"one", b"two"]): …`
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from windrow_protocol.content import others_are_normal

_PART_BYTES: Final = 100_000
_LINE_END, _BLANK = ord("\n"), ord(" ")


def are_normal(texts: Sequence[bytes]) -> bool:
    """Say whether texts, as UTF-8, are surely in normal form; false for an empty one, and where many are not ASCII."""
    return all(texts) and all(map(_is_normal, _side_by_side(texts)))


def _side_by_side(texts: Sequence[bytes]) -> Iterator[bytes]:
    """Return the texts with a blank between them, in parts small enough to stay in the processor's memory."""
    start, held_bytes = 0, 0
    for end, text in enumerate(texts, start=1):
        held_bytes += len(text)
        if held_bytes >= _PART_BYTES or end == len(texts):
            yield b" ".join(texts[start:end])
            start, held_bytes = end, 0


def _is_normal(data: bytes) -> bool:
    chars = np.frombuffer(data, np.uint8)
    ends = chars == _LINE_END
    blanks = ends | (chars == _BLANK)
    if blanks[0] or blanks[-1]:
        return False
    pairs, empty_lines = blanks[1:] & blanks[:-1], ends[1:] & ends[:-1]
    if not np.array_equal(pairs, empty_lines) or (empty_lines[1:] & empty_lines[:-1]).any():
        return False
    return others_are_normal(data)
