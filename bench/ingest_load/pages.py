"""Pages to submit: documents of some 3 KB of English prose, the same for the same number in every process.

Sentences are those of Python's own language reference, which comes with every interpreter, drawn anew for each
document: real words and a real compression ratio, and no two documents that are near-copies of each other.

Does not: look like the web in anything else. Usage: `text = Pages().text(17)`.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from pydoc_data.topics import topics

import pyarrow.parquet as pq

from windrow_protocol.content import normalise_text

TEXT_CHARS = 3_000
HOSTS = 2_000
_SENTENCE = re.compile(r"[A-Z][^.\n]*(?:\n[^.\n]+)*\.(?=\s)")
_SENTENCE_CHARS = range(40, 400)


class Pages:
    """Documents and their addresses by number."""

    def __init__(self) -> None:
        found = _SENTENCE.findall("\n\n".join(topics[name] for name in sorted(topics)))
        plain = (" ".join(sentence.split()) for sentence in found)
        self._sentences = [each for each in plain if len(each) in _SENTENCE_CHARS]

    def text(self, number: int) -> str:
        """Return the document of one number, in normal form."""
        drawn, chosen, chars = random.Random(number), list[str](), 0
        while chars < TEXT_CHARS:
            chosen.append(drawn.choice(self._sentences))
            chars += len(chosen[-1]) + 1
        paragraphs = [" ".join(chosen[first : first + 5]) for first in range(0, len(chosen), 5)]
        return normalise_text("\n\n".join([f"Page {number}", *paragraphs]))


class TextsOfAFile:
    """The texts of a Parquet file by number, numbered by a line; after the last the first again."""

    def __init__(self, path: Path) -> None:
        self._texts = [text for text in pq.read_table(path, columns=["text"])["text"].to_pylist() if text]

    def text(self, number: int) -> str:
        """Return the document of one number, in normal form."""
        return normalise_text(f"Page {number}\n\n{self._texts[number % len(self._texts)]}")


def url_of(number: int) -> str:
    """Return where a document is said to be from; neighbours are on different hosts."""
    return f"http://host{number % HOSTS}.example/page/{number}"
