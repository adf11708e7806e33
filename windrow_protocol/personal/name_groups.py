"""Names given away by what stands around them: a list of names, the speakers of a chat, a block of contact lines.

Rules: who is listed between names is a name; who speaks in turns with a name is one; a line of capitalised words alone
is one if an e-mail address or a named telephone number follows within four lines; so is who does what only persons do
(lives at, was born). Every search is bounded, so the whole is linear in the text.

Does not: find a name by itself (see `names`).

Usage: `spans += among_names(text, spans)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

Span = tuple[int, int]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PART: Final = r"[^\W\d_a-z][^\W\d_A-Z]{1,20}(?:['’-][^\W\d_]{1,20})?"
_ITEM: Final = rf"{_PART}(?: (?:[A-Z]\.? )?{_PART}){{0,2}}"
# Three at least: two capitalised words around an "and" are anything.
_LIST: Final = re.compile(
    rf"(?<![\w-]){_ITEM}(?:, {_ITEM}){{1,11}},? (?:and|und|et|y|e|og|och|en|&) {_ITEM}(?![\w-])"
)
_ITEMS: Final = re.compile(rf"{_ITEM}")
_SPEAKER: Final = re.compile(rf"^[>\"*\s]{{0,3}}({_ITEM})\*{{0,2}}:(?=[\s\"])", re.M)
_LINE: Final = r"[ \t>?*|-]{0,8}"
_BLOCK: Final = re.compile(
    rf"^{_LINE}(?P<name>{_PART} (?:[A-Z]\.? )?{_PART}(?: {_PART})?)[ \t]*\n"
    rf"(?=(?:[^\n]{{0,60}}\n){{0,3}}{_LINE}(?:[^\n@]{{0,40}}[\w.-]@[\w-]+\.\w"
    r"|(?i:phone|mobile|cell|tel|fax|desk|office|home|work|handy|telefon|e-?mail)\b"
    r".?[ :]{0,3}\(?\+?[0-9][0-9 ()./-]{6,18}))",
    re.M,
)
_DOING: Final = re.compile(
    rf"(?<![\w-])(?P<who>{_ITEM}) (?:(?:lives|lived) (?:at(?= [0-9])|(?:in|on)(?= [A-Z])|with (?:my|his|her|me|us))"
    r"|was born (?:in|on|to)"
    r"|is married|has married|got married"
    r"|(?:texted|phoned|emailed|called|told|asked|invited|married|kissed|hugged) (?:me|him|her|us|them)"
    r"|(?:shouted|smiled|yelled|waved) at|passed away|graduated)(?!\w)"
)
_ADDED: Final = re.compile(
    rf"(?<!\w)(?:add(?:ed|ing)?|appoint(?:ed)?|named?|list(?:ed)?) (?P<who>{_PART}(?: {_PART}){{1,2}}) as "
    r"(?:an? |the |my )?(?:beneficiary|guardian|executor|trustee|nominee|emergency contact"
    r"|contact|witness|co-signer|heir)"
)
# Words that begin a sentence or a heading and are nobody.
_PER_NAME: Final = 4  # so many items of a list are believed for each that was found to be a name
_NOBODY: Final = _words(
    "A About Also Best Fact Fun Go I It Mine Nike Overview Quick Still Address All An And Another Anybody "
    "Anyone As At Attached Both Box But By Care City Company  Contact Country Customer Date Department "
    "Description Details Directions Download E Each Email Error  Every Everybody Everyone Example Fax File "
    "Find First For From Free General Get Head He Her Here His  Home Hours How I If In Info Information It Its "
    "Join Last Learn Location Mail Main Man Many Media  Menu Message More Most My Name News No Nobody None "
    "Note Now Number Of Office On One Only Open  Opening Order Other Our Page Part People Phone Please Post "
    "Press Price Privacy Product Public  Question Answer Read Registered Reply Response Road Sales School See "
    "Send Service Services She Shop  Site Some Somebody Someone State Step Street Subject Summary Support Tel "
    "Terms That The Their Then  There These They This Those Time Tip Title To Today Total Type Update Us User "
    "Username View Visit  Warning We Web Website Welcome What When Where Which Who Why With Woman Work You "
    "Your "
)


def among_names(text: str, known: Iterable[Span]) -> Iterator[Span]:
    """Yield each item of a list of which a quarter was found already, and who does what persons do."""
    names = frozenset(known)
    for listed in _LIST.finditer(text):
        items = [item.span() for item in _ITEMS.finditer(text, *listed.span())]
        if len(items) <= _PER_NAME * len(names.intersection(items)):
            yield from (span for span in items if _is_somebody(text, span))
    for shape in (_DOING, _ADDED):
        for found in shape.finditer(text):
            if _is_somebody(text, found.span("who")):
                yield found.span("who")


def speakers(text: str, known: Iterable[Span]) -> Iterator[Span]:
    """Yield (start, end) of each label at the beginning of a line, if half of them were found to be names."""
    labels = [label.span(1) for label in _SPEAKER.finditer(text)]
    who = {text[slice(*span)] for span in labels}
    names = {text[slice(*span)] for span in known} & who
    if 1 < len(who) <= 2 * len(names):
        yield from (span for span in labels if _is_somebody(text, span))


def in_blocks(text: str) -> Iterator[Span]:
    """Yield (start, end) of each line that is capitalised words alone, above an e-mail address or a named number."""
    for block in _BLOCK.finditer(text):
        if _is_somebody(text, block.span("name")):
            yield block.span("name")


def _is_somebody(text: str, span: Span) -> bool:
    return _NOBODY.isdisjoint(re.split("[ '’]", text[slice(*span)]))
