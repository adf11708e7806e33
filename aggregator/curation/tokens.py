"""How many tokens a text is, by one pinned tokenizer.

Rules: the tokenizer's vocabulary lies inside its package, so the count needs no download and is the same everywhere.
Its name is part of every annotation; another tokenizer is another name and another annotation version. Pieces that were
counted before are not counted again; a text with many new ones is counted whole. The memory is bounded, and emptied
when it is full.

Does not: cut texts, or count for other models.

Usage: `count_tokens("Hello, world")` is 3.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from windrow_protocol.limits import TOKEN_PIECES_MAX

if TYPE_CHECKING:
    from rs_bpe.bpe.openai import Tokenizer

TOKENIZER: Final = "cl100k_base"
_NEW_PIECES_MAX: Final = 256  # of one text that are counted one by one
_SECRET: Final = np.uint64(int.from_bytes(os.urandom(8), "little") | 1)  # no answer depends on it


class _Memory:
    """The tokens of pieces by hash, at most `TOKEN_PIECES_MAX`; used by one thread at a time."""

    def __init__(self) -> None:
        from aggregator.curation import token_kernels

        self._kernels = token_kernels
        self._kinds = token_kernels.piece_kinds()
        self._slots = np.zeros((2 * TOKEN_PIECES_MAX, 2), np.uint64)
        self._missing = np.empty((_NEW_PIECES_MAX, 2), np.int64)
        self._known = 0
        self._lock = threading.Lock()

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        with self._lock:
            total, unknown = self._kernels.known_tokens(
                codes, self._kinds, self._slots, _SECRET, self._missing
            )
            pieces = self._missing[: min(unknown, _NEW_PIECES_MAX)]
            count = _tokenizer().count
            found = np.array([count(text[start:end]) for start, end in pieces.tolist()], np.int64)
            # Emptied whole, it is of no use any more to those who fill it on purpose.
            if self._known + found.size > TOKEN_PIECES_MAX:
                self._slots[:] = 0
                self._known = 0
            if found.size:
                self._known += self._kernels.remember(codes, pieces, found, self._slots, _SECRET)
        if unknown > _NEW_PIECES_MAX:
            return int(_tokenizer().count(text))
        return total + int(found.sum())


def count_tokens(text: str) -> int:
    """Return the number of tokens. Special markers in a text are ordinary text here.

    Raises UnicodeEncodeError for a lone surrogate, which no normal form has.
    """
    return _memory().count(text)


@cache
def _memory() -> _Memory:
    return _Memory()


@cache
def _tokenizer() -> Tokenizer:
    from rs_bpe.bpe import openai

    return openai.cl100k_base()
