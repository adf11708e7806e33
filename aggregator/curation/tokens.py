"""How many tokens a text is, by one pinned tokenizer.

Rules: the tokenizer's vocabulary lies inside its package, so the count needs no download and is the same everywhere.
Its name is part of every annotation; another tokenizer is another name and another annotation version.

Does not: cut texts, or count for other models.

Usage: `count_tokens("Hello, world")` is 3.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rs_bpe.bpe.openai import Tokenizer

TOKENIZER: Final = "cl100k_base"


def count_tokens(text: str) -> int:
    """Return the number of tokens. Special markers in a text are ordinary text here.

    Raises UnicodeEncodeError for a lone surrogate, which no normal form has.
    """
    return int(_tokenizer().count(text))


@cache
def _tokenizer() -> Tokenizer:
    from rs_bpe.bpe import openai

    return openai.cl100k_base()
