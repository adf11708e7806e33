"""What comes out of an export: items as frozen values, and a report of what was read and what was skipped, and why.

Rules: an item is bounded (title, text, URL) and named by its content and time, so that the same export read twice, or
the same thing in two exports, gives the same ids; kinds and reasons are closed vocabularies; whatever is left out is
counted under a reason that a person can read.

Does not: redact, price or send anything, and decide what may leave: that is the review.

Usage::

    for item in reading: table.add(item)
    print(*reading.report.lines(), sep="\\n")
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from typing import Final, Literal

import msgspec

from windrow_protocol.limits import (
    IMPORT_NAME_CHARS_MAX,
    IMPORT_REPEATS_REMEMBERED,
    TEXT_BYTES_MAX,
    TITLE_CHARS_MAX,
    URL_INPUT_CHARS_MAX,
)

Kind = Literal[
    "visit",  # a page that was opened
    "search",  # words that were looked for
    "watch",  # a film or video
    "listen",  # music or speech
    "post",  # something published, or a comment
    "message",  # one message of a conversation
    "reaction",  # a like, a vote, a star, a bookmark
    "transaction",  # money in or out
    "activity",  # anything else that a service wrote down
]
# How sure the time is: of the world (`utc`), of a clock on a wall somewhere (`local`), a day, or not known.
Clock = Literal["utc", "local", "day", "none"]

# reason → (what is counted, sentence); the sentence completes "I skipped 3 files because …".
SKIPS: Final[dict[str, tuple[str, str]]] = {
    "other_file": ("file", "nothing in there is for this importer"),
    "nested_archive": ("file", "an archive inside an archive is not unpacked: unpack it first"),
    "unsafe_name": ("file", "a name points outside the archive"),
    "link": ("file", "links and devices are not followed"),
    "encrypted": ("file", "a password is needed"),
    "too_many_files": ("file", "the archive has more files than are looked at"),
    "file_too_large": ("file", "more would come out than is safe to read (what came before was read)"),
    "damaged_file": ("file", "the file is not whole or not what its name says (what came before was read)"),
    "malformed": ("entry", "the form is not that of such entries"),
    "item_too_large": ("entry", "such an entry is larger than is looked at"),
    "no_content": ("entry", "nothing is in there to give"),
    "no_date": ("entry", "nothing says when it was"),
    "local_page": ("entry", "pages of this computer or of the browser itself stay here"),
    "deleted": ("entry", "it had been deleted"),
    "service_notice": ("entry", "a notice of the service is nobody's words"),
    "attachment": ("entry", "pictures, recordings and files without words are not read"),
    "declined": ("entry", "it was not booked"),
    "too_many_items": ("file", "more entries are in there than are read at once"),
}


class ImportedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a person did, wrote or received, not redacted yet.

    `at_ms` counts from 1970 in UTC (0 with clock `none`; a `local` or `day` time is written as if it were UTC).
    `author` says who wrote it where that is somebody (a name as the export has it), `thread` joins the messages of
    one conversation, `amount` is a transaction's sum as written, with its currency. `member` is the file it came from.
    """

    item_id: str
    source: str
    kind: Kind
    at_ms: int
    clock: Clock
    title: str = ""
    text: str = ""
    url: str = ""
    author: str = ""
    thread: str = ""
    amount: str = ""
    member: str = ""


class Draft(msgspec.Struct, frozen=True):
    """What a format's parser says of one item; `mark` is the export's own name for it, if it is the same each time."""

    kind: Kind
    at_ms: int = 0
    clock: Clock = "utc"
    title: str = ""
    text: str = ""
    url: str = ""
    author: str = ""
    thread: str = ""
    amount: str = ""
    mark: str = ""


class ImportReport(msgspec.Struct, frozen=True):
    """What one reading gave: items by kind, what was skipped by reason, files that were read, first and last time."""

    source: str
    parsed: int
    kinds: dict[str, int]
    skipped: dict[str, int]
    files: int
    threads: int
    first_ms: int
    last_ms: int

    def lines(self) -> list[str]:
        """Return one sentence for each reason why something was left out."""
        return [
            f"I skipped {_counted(n, SKIPS[reason][0])} because {SKIPS[reason][1]}."
            for reason, n in self._most()
        ]

    def _most(self) -> list[tuple[str, int]]:
        return sorted(self.skipped.items(), key=lambda pair: (-pair[1], pair[0]))


def _counted(count: int, noun: str) -> str:
    plural = {"entry": "entries"}.get(noun, f"{noun}s")
    return f"{count:,} {noun if count == 1 else plural}"


class Tally:
    """The counts of one reading, while it goes on, and the maker of its items."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.files = 0
        self._kinds: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._threads: set[bytes] = set()
        self._first_ms = self._last_ms = 0
        self._repeats: OrderedDict[str, int] = OrderedDict()

    @property
    def parsed(self) -> int:
        """Items so far."""
        return self._kinds.total()

    def skip(self, reason: str, count: int = 1) -> None:
        """Count something that was left out, under a reason of `SKIPS`."""
        if reason not in SKIPS:
            raise ValueError(reason)
        self._skipped[reason] += count

    def begin_member(self) -> None:
        """Count a file; what it repeats is numbered anew, so that the same thing in two files is the same item."""
        self.files += 1
        self._repeats.clear()

    def item(self, draft: Draft, member: str) -> ImportedItem | None:
        """Return the item of a draft, in its bounds, or None when there is too much or nothing of it."""
        title, text = _clean(draft.title).replace("\n", " "), _clean(draft.text)
        url = draft.url.strip()
        if len(text.encode("utf-8", "replace")) > TEXT_BYTES_MAX or len(url) > URL_INPUT_CHARS_MAX:
            self.skip("item_too_large")
            return None
        if not (title or text or url):
            self.skip("no_content")
            return None
        self._note(draft)
        return ImportedItem(
            item_id=self._id_of(draft, title, text, url),
            source=self.source,
            kind=draft.kind,
            at_ms=draft.at_ms,
            clock=draft.clock if draft.at_ms else "none",
            title=title[:TITLE_CHARS_MAX],
            text=text,
            url=url,
            author=_clean(draft.author)[:IMPORT_NAME_CHARS_MAX],
            thread=_clean(draft.thread)[:IMPORT_NAME_CHARS_MAX],
            amount=draft.amount[:IMPORT_NAME_CHARS_MAX],
            member=member[:TITLE_CHARS_MAX],
        )

    def report(self) -> ImportReport:
        """Return what was counted so far."""
        return ImportReport(
            source=self.source,
            parsed=self.parsed,
            kinds=dict(sorted(self._kinds.items())),
            skipped=dict(sorted(self._skipped.items())),
            files=self.files,
            threads=len(self._threads),
            first_ms=self._first_ms,
            last_ms=self._last_ms,
        )

    def _note(self, draft: Draft) -> None:
        self._kinds[draft.kind] += 1
        if draft.at_ms:
            self._first_ms = min(self._first_ms or draft.at_ms, draft.at_ms)
            self._last_ms = max(self._last_ms, draft.at_ms)
        if draft.thread:
            self._threads.add(
                hashlib.blake2b(draft.thread.encode("utf-8", "replace"), digest_size=8).digest()
            )

    def _id_of(self, draft: Draft, title: str, text: str, url: str) -> str:
        """Return the item's id. Two equal ones in a row, as "ok" said twice in one minute, are numbered."""
        parts = (
            self.source,
            draft.kind,
            str(draft.at_ms),
            draft.mark,
            draft.author,
            draft.thread,
            draft.amount,
        )
        name = "\0".join((*parts, url, title, text))
        digest = hashlib.sha256(f"windrow/import/{name}".encode("utf-8", "replace")).hexdigest()
        seen = self._repeats[digest] = self._repeats.pop(digest, 0) + 1
        if len(self._repeats) > IMPORT_REPEATS_REMEMBERED:
            self._repeats.popitem(last=False)
        return digest if seen == 1 else hashlib.sha256(f"{digest}#{seen}".encode()).hexdigest()


def _clean(text: str) -> str:
    """Return a text without the signs that no text needs (nulls, lone surrogates, marks of direction at its ends)."""
    plain = text.replace("\0", "").replace("\r\n", "\n").strip("\u200e\u200f\u202a\u202c\ufeff \t\r\n")
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()
