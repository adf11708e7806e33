"""The pages that the changing web starts from: installed documentation, and labelled sets of real pages.

Rules: nothing is kept in the repository; pages come from a folder that `windrow.demo_site` has rendered and from
`pages.parquet` files given by name. A page is taken only if the node's own extractor finds enough words in it: a page
without text is never a contribution. The order follows from the seed.

Does not: change a page (`noise.py`) or serve it (`server.py`).

Usage::

    pages = base_pages(Path("site"), [Path("shared/data/html_wcxb_a")], count_max=2_000, seed=1)
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq

from contributor_node.extraction.main_text import extract_markup
from windrow.demo_site.manifest import load_manifest
from windrow_protocol.content import normalise_text, words

WORDS_MIN = 60  # fewer are a heading, not a page
MARKUP_CHARS_MAX = 400_000
_SENTENCE = re.compile(r"[^.!?\n]{30,300}[.!?]")


@dataclass(frozen=True)
class BasePage:
    """One page as its origin wrote it. `origin` is the set it comes from, `host` who serves it."""

    origin: str
    host: str
    name: str
    markup: str = field(repr=False)

    @cached_property
    def text(self) -> str:
        """Its text in normal form, as the node extracts it."""
        return normalise_text(extract_markup(self.markup).text)

    @cached_property
    def title(self) -> str:
        """Its title, as the node extracts it."""
        return extract_markup(self.markup).title


def base_pages(site: Path | None, labelled: Sequence[Path], *, count_max: int, seed: int) -> list[BasePage]:
    """Return up to `count_max` pages with text, the origins taking turns. Raises OSError for unreadable folders."""
    rng = random.Random(seed)
    origins = [list(_labelled(folder)) for folder in labelled]
    if site is not None:
        origins.append(list(_documentation(site)))
    for origin in origins:
        rng.shuffle(origin)
    chosen: list[BasePage] = []
    while any(origins) and len(chosen) < count_max:
        for origin in filter(None, origins):
            page = origin.pop()
            if len(words(page.text)) >= WORDS_MIN:
                chosen.append(page)
    return chosen[:count_max]


def _documentation(site: Path) -> Iterator[BasePage]:
    for entry in load_manifest(site).entries:
        if entry.kind in ("module", "readme", "licence") and entry.file:
            markup = (site / entry.file).read_text("utf-8")
            if len(markup) <= MARKUP_CHARS_MAX:
                yield BasePage(f"documentation_{entry.kind}", f"site{entry.host_index}", entry.path, markup)


def _labelled(folder: Path) -> Iterator[BasePage]:
    table = pq.read_table(folder / "pages.parquet", columns=["id", "url", "html"])
    for row in table.to_pylist():
        markup = row["html"]
        if isinstance(markup, bytes):
            markup = markup.decode("utf-8", "replace")
        if markup and len(markup) <= MARKUP_CHARS_MAX:
            host = urlsplit(row["url"] or "").hostname or folder.name
            yield BasePage(folder.name, host, str(row["id"]), markup)


@dataclass(frozen=True)
class Pool:
    """Sentences and titles of real pages: what adverts, comments, teasers and forgeries are written with."""

    sentences: tuple[str, ...]
    titles: tuple[str, ...]
    vocabulary: tuple[str, ...]

    def prose(self, rng: random.Random, words_min: int, without: str = "") -> str:
        """Return sentences of at least so many words altogether, none of the text `without` where there are others."""
        known = " ".join(without.split())
        others = [each for each in self.sentences if each not in known] if known else self.sentences
        said: list[str] = []
        count = 0
        while count < words_min:
            said.append(rng.choice(others or self.sentences))
            count += len(said[-1].split())
        return " ".join(said)


def pool_of(pages: Sequence[BasePage]) -> Pool:
    """Gather the pool; raises ValueError where the pages hold no sentences."""
    sentences: list[str] = []
    vocabulary: set[str] = set()
    for page in pages:
        found = [" ".join(each.split()) for each in _SENTENCE.findall(page.text)]
        sentences += found[:40]
        vocabulary.update(word for word in words(page.text)[:400] if len(word) > 3)
    titles = tuple(page.title for page in pages if len(page.title.split()) > 2)
    if not sentences or not titles:
        raise ValueError("the base pages hold no sentences")
    return Pool(tuple(sentences), titles, tuple(sorted(vocabulary)))
