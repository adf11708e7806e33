"""Texts that were not honestly fetched: kinds of forgery, from garbage to slightly altered copies.

Rules: a forgery is made from what its forger has. Those of `FAKES` have not fetched the page: they know words about it
at most, or other pages of its host. Those of `PARTS` have not either, but some of its text: from a listing, a search
engine, an archive. Those of `ALTERED` and `PADDED` had the page (or somebody's copy) and changed it.
The number at a name's end is the percentage of its strength. Kinds and strengths were set down before measuring.

Does not: submit anything, or judge.

Usage::

    text = FAKES["garbage"](Forger(page, sibling, pool, rng))
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.changing_web.base_pages import BasePage, Pool
from contributor_node.extraction.main_text import extract_markup
from windrow_protocol.content import normalise_text, words

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD: Final = re.compile(r"\w+|\W+")
_FUNCTION_WORDS: Final = re.findall(
    r"\w+",
    "the of and to in a is that for it as was with be by on not he this are or his from at which but have an had they"
    " you were their one all we can has there been if more when will would who so no",
)
_PHRASES: Final = (
    "In this article we look at {0} and explain why {1} matters today.",
    "When it comes to {0}, there is more than one way to think about {1}.",
    "Experts agree that {0} plays an important part in {1}.",
    "It is worth noting that {0} can be combined with {1} and {2}.",
    "To sum up, {0} remains a key aspect of {1}, and {2} should not be forgotten.",
    "There are several reasons why {0} is useful, among them {1}, {2} and {3}.",
)


@dataclass(frozen=True)
class Forger:
    """What a forger works with. `page` is the page asked for, `sibling` another page of the same host or set."""

    page: BasePage
    sibling: BasePage
    pool: Pool
    rng: random.Random


Forgery = Callable[[Forger], str]


# --- without the page -----------------------------------------------------------------------------------------


def _garbage(forger: Forger) -> str:
    length = max(60, len(words(forger.page.text)))
    return " ".join("".join(forger.rng.choices("abcdefghijklmnopqrstuvwxyz", k=7)) for _ in range(length))


def _word_salad(forger: Forger) -> str:
    """The page's own words in the frequencies it has them, in no order: what a unigram model writes."""
    said = words(forger.page.text)
    return " ".join(forger.rng.choices([*said, *_FUNCTION_WORDS], k=max(60, len(said))))


def _llm_like(forger: Forger) -> str:
    """Fluent phrases about the page's own words, at the page's length."""
    told = [word for word in words(forger.page.text)[:300] if len(word) > 4] or list(forger.pool.vocabulary)
    length, said = len(forger.page.text), ""
    while len(said) < length:
        said += forger.rng.choice(_PHRASES).format(*forger.rng.choices(told, k=4)) + " "
    return said


def _bigram_model(forger: Forger) -> str:
    """A second-order model of the host's other page: each three words in a row may well be real."""
    said = words(forger.sibling.text)
    follow: dict[tuple[str, str], list[str]] = {}
    for first, second, third in zip(said, said[1:], said[2:], strict=False):
        follow.setdefault((first, second), []).append(third)
    state = (said[0], said[1])
    written = list(state)
    for _ in range(len(words(forger.page.text))):
        follower = follow.get(state)
        state = (state[1], forger.rng.choice(follower)) if follower else forger.rng.choice(list(follow))
        written.append(state[1])
    return " ".join(written)


def _sibling(forger: Forger) -> str:
    return forger.sibling.text


def _sibling_retitled(forger: Forger) -> str:
    """Another page of the host in which the page's title stands wherever that page's own did."""
    title = forger.page.title
    return f"{title}\n\n" + forger.sibling.text.replace(forger.sibling.title or "\0", title)


def _boilerplate(forger: Forger) -> str:
    """What all pages of the host share: the lines of the whole page that are not of its main text."""
    main = set(forger.page.text.split("\n"))
    body = re.sub(r"<(/?)(main|article|p)\b[^>]*>", r"<\1div>", forger.page.markup)
    whole = normalise_text(extract_markup(body).text)
    said = "\n".join(line for line in whole.split("\n") if line not in main)
    return said if words(said) else f"{forger.page.title}\nHome\nAbout\nContact\nPrivacy\nTerms"


def _title_and_filler(forger: Forger) -> str:
    # None of the page's own sentences: licences share theirs, and whoever hands those in has the page.
    own = forger.page.text
    filler = forger.pool.prose(forger.rng, max(60, len(words(own))), without=own)
    return f"{forger.page.title}\n\n{filler}"


# --- with a part of it ----------------------------------------------------------------------------------------


def _lead(forger: Forger) -> str:
    """Title and first two sentences, as listings and feeds show for two dozen pages at a time."""
    return "\n".join([forger.page.title, *_sentences(forger.page.text)[:2]])


def _snippet(forger: Forger) -> str:
    """Forty words in a row from anywhere, as a search engine shows."""
    said = forger.page.text.split()
    start = forger.rng.randrange(max(1, len(said) - 40))
    return " ".join(said[start : start + 40])


def _stale_start(forger: Forger) -> str:
    """The first 40 % of an archived version of which a tenth was written anew since."""
    old = _WORD.findall(older_version(forger, 10))
    return "".join(old[: max(1, round(len(old) * 0.4))])


def _repeated(forger: Forger, times: int) -> str:
    return "\n".join([forger.page.text] * times)


# --- with the page, or a copy ---------------------------------------------------------------------------------


def _padded(forger: Forger, percent: int) -> str:
    """The page with sentences of other pages between its own, so that they are `percent` of what is submitted."""
    said = _sentences(forger.page.text)
    wanted = len(words(forger.page.text)) * percent / (100 - percent)
    added = 0
    while added < wanted:
        sentence = forger.rng.choice(forger.pool.sentences)
        said.insert(forger.rng.randrange(len(said) + 1), sentence)
        added += len(words(sentence))
    return "\n".join(said)


def _padded_at_end(forger: Forger, percent: int) -> str:
    count = round(len(words(forger.page.text)) * percent / (100 - percent))
    return f"{forger.page.text}\n{forger.pool.prose(forger.rng, count)}"


def _truncated(forger: Forger, percent: int) -> str:
    """The page without its last `percent` of words."""
    parts = _WORD.findall(forger.page.text)
    return "".join(parts[: max(1, round(len(parts) * (100 - percent) / 100))])


def _substituted(forger: Forger, percent: int) -> str:
    """Each word replaced by another of the same length with this probability, as a paraphraser by words does."""
    by_length: dict[int, list[str]] = {}
    for word in forger.pool.vocabulary:
        by_length.setdefault(len(word), []).append(word)

    def other(part: str) -> str:
        if not part[0].isalnum() or forger.rng.random() * 100 >= percent:
            return part
        return forger.rng.choice(by_length.get(len(part)) or list(forger.pool.vocabulary))

    return "".join(other(part) for part in _WORD.findall(forger.page.text))


def _spun(forger: Forger) -> str:
    """Every fourth word another, clauses in another order, a filler phrase after every third sentence."""
    said = []
    for sentence in _sentences(_substituted(forger, 25)):
        clauses = sentence.split(", ")
        forger.rng.shuffle(clauses)
        said.append(", ".join(clauses))
        if forger.rng.random() < 1 / 3:
            said.append(forger.rng.choice(_PHRASES).format(*forger.rng.choices(forger.pool.vocabulary, k=4)))
    return " ".join(said)


def _sentences_shuffled(forger: Forger) -> str:
    said = _sentences(forger.page.text)
    forger.rng.shuffle(said)
    return "\n".join(said)


def _words_shuffled(forger: Forger) -> str:
    said = forger.page.text.split()
    forger.rng.shuffle(said)
    return " ".join(said)


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()] or [text]


FAKES: Final[Mapping[str, Forgery]] = {
    "garbage": _garbage,
    "word_salad": _word_salad,
    "llm_like": _llm_like,
    "bigram_model": _bigram_model,
    "other_page_of_host": _sibling,
    "other_page_retitled": _sibling_retitled,
    "boilerplate_only": _boilerplate,
    "title_and_filler": _title_and_filler,
}
PARTS: Final[Mapping[str, Forgery]] = {
    "lead_of_a_listing": _lead,
    "snippet_of_a_search": _snippet,
    "start_of_an_archived_copy": _stale_start,
}
ALTERED: Final[Mapping[str, Forgery]] = {
    **{f"truncated_{percent}": partial(_truncated, percent=percent) for percent in (10, 30, 50, 70, 90)},
    **{f"words_substituted_{percent}": partial(_substituted, percent=percent) for percent in (5, 10, 20, 40)},
    "machine_spun": _spun,
    "sentences_shuffled": _sentences_shuffled,
    "words_shuffled": _words_shuffled,
}
PADDED: Final[Mapping[str, Forgery]] = {
    **{f"padded_{percent}": partial(_padded, percent=percent) for percent in (10, 25, 40, 67)},
    **{f"padded_at_end_{percent}": partial(_padded_at_end, percent=percent) for percent in (10, 25, 40, 67)},
    **{f"said_{times}_times": partial(_repeated, times=times) for times in (2, 5)},
}
STALE_PERCENT: Final = (5, 20, 40, 60)


def older_version(forger: Forger, percent: int) -> str:
    """The page as it was before `percent` of its words were written: those sentences were others then."""
    said = _sentences(forger.page.text)
    wanted, changed = len(words(forger.page.text)) * percent / 100, 0
    for at in forger.rng.sample(range(len(said)), len(said)):
        if changed >= wanted:
            break
        count = len(words(said[at]))
        said[at] = forger.pool.prose(forger.rng, max(1, count))
        changed += count
    return "\n".join(said)
