"""What a format is: how a file of it is recognised, and how drafts of items are read from one.

Rules: a file is recognised by what is in it, because services translate and change the names; the end of a name only
saves looking. A record that a format cannot read is counted, never an error.

Does not: open archives, or make items (`Tally` does).

Usage::

    Format("takeout_activity", JSON_SUFFIXES, claims, reads)
    json_format("takeout_activity", needs=(((ITEM, "time"),),), place=(ITEM,), draft=_activity)
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from charset_normalizer import from_bytes

from extension_bridge.importers.archives import Member
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import Place, is_seen, records_of, shape_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import IMPORT_RECORD_BYTES_MAX

JSON_SUFFIXES: Final = frozenset({".json", ".jsonl", ".ndjson", ".js"})
TEXT_SUFFIXES: Final = frozenset({".txt", ".csv", ".tsv", ".text", ""})

AS_WESTERN: Final = "windrow.as_western"  # how bytes that are no UTF-8 are read, see `_as_western`
_HIGH: Final = re.compile(rb"[\x80-\xff]+")
# Encodings of scripts in which whole words are beyond ASCII; among Latin letters few stand side by side.
_OTHER_SCRIPTS: Final = ("cp1251", "cp932", "gb18030", "cp949", "big5", "cp1253", "cp1255", "cp1256")
_POLISH: Final = re.compile(rb"[a-zA-Z][\xb3\xb9\xbf][a-z]")  # ł, ą, ż; in the western encoding ³, ¹, ¿
_TURKISH: Final = re.compile(rb"\xe7\xfd|[a-zA-Z\xdd\xfd]\xfe")  # çı, and ş within a word; there çý and þ

Answer = Draft | str | None  # a draft, a reason of `items.SKIPS`, or None for what is no entry at all


@dataclass(frozen=True, slots=True)
class Format:
    """One form of file. `suffixes` are the ends of names worth a look; `claims` looks at name and head."""

    name: str
    suffixes: frozenset[str]
    claims: Callable[[Member], bool]
    reads: Callable[[Member, Tally], Iterator[Draft]]

    def recognises(self, member: Member) -> bool:
        """Say whether a file is of this format."""
        return member.suffix in self.suffixes and self.claims(member)


@lru_cache(maxsize=4)
def _shape(head: bytes) -> frozenset[Place]:
    return shape_of(head)


def has_shape(member: Member, needs: tuple[tuple[Place, ...], ...]) -> bool:
    """Say whether every place of one of the alternatives is seen in the head of a JSON file."""
    shape = _shape(member.head)
    return any(all(is_seen(shape, place) for place in alternative) for alternative in needs)


def json_format(
    name: str,
    *,
    needs: tuple[tuple[Place, ...], ...],
    place: Place,
    draft: Callable[[str, Any], Answer],
) -> Format:
    """Return the format of JSON files whose records at a place become one item each; `draft` gets (key, record)."""
    return Format(
        name, JSON_SUFFIXES, lambda member: has_shape(member, needs), json_records_reader(place, draft)
    )


def json_records_reader(
    place: Place, draft: Callable[[str, Any], Answer]
) -> Callable[[Member, Tally], Iterator[Draft]]:
    """Return what reads the records at a place of a JSON file, each by `draft`."""

    def reads(member: Member, tally: Tally) -> Iterator[Draft]:
        with member.open() as stream:
            for key, record in records_of(stream, place, lambda: tally.skip("item_too_large")):
                yield from answered(draft(key, record), tally)

    return reads


def answered(answer: Answer, tally: Tally) -> Iterator[Draft]:
    """Yield a draft, or count why there is none."""
    if isinstance(answer, Draft):
        yield answer
    elif answer:
        tally.skip(answer)


def text_of_head(member: Member) -> str:
    """Return the head of a text file, its byte order mark taken at its word, what is no text replaced."""
    head = member.head
    return head.decode(encoding_of(head), AS_WESTERN).removeprefix("\ufeff")


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text by its mark or its bytes: UTF-8, UTF-16, else one of Windows' by its letters."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name, nulls in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if 2 * nulls.count(0) > len(nulls) > 0:  # ASCII of two bytes a letter, without a mark
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a head may end within a character
    except UnicodeDecodeError:
        return _encoding_of_letters(head)
    return "utf-8"


def _encoding_of_letters(head: bytes) -> str:
    runs = [len(run) for run in _HIGH.findall(head)]
    if 3 * sum(run for run in runs if run > 1) > 2 * sum(runs):
        likely = from_bytes(head, cp_isolation=list(_OTHER_SCRIPTS)).best()
        if likely is not None:
            return likely.encoding
    if _TURKISH.search(head):
        return "cp1254"
    return "cp1250" if _POLISH.search(head) else "cp1252"


def text_in(stream: io.BufferedReader, encoding: str, newline: str = "") -> io.TextIOWrapper:
    """Return a stream as text; who is done with it calls `detach`."""
    return io.TextIOWrapper(stream, encoding, AS_WESTERN, newline=newline)


def _as_western(error: UnicodeError) -> tuple[str, int]:
    """Read what is no UTF-8 as Windows' western letters: the first of them may come far behind a head in ASCII."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(AS_WESTERN, _as_western)


def lines_of(stream: io.BufferedReader, encoding: str) -> Iterator[str]:
    """Yield the lines of a text without their ends. Raises WindrowError `export_refused` for one without end."""
    text = text_in(stream, encoding, "\n")
    first = True
    while line := text.readline(IMPORT_RECORD_BYTES_MAX + 1):
        if len(line) > IMPORT_RECORD_BYTES_MAX:
            raise WindrowError(
                "export_refused", f"a line of more than {IMPORT_RECORD_BYTES_MAX:,} characters"
            )
        yield (line.removeprefix("\ufeff") if first else line).rstrip("\r\n")
        first = False
    text.detach()
