"""What a person put aside to give, on their disk, as it would leave: looked at, edited, masked, deleted, then sent.

    open ──send──▶ leaving ──its time has come──▶ a donation of the outbox
      ▲──────undo─────┘

Rules: an item is redacted before it is written here and after every edit, so that what is shown is what would leave;
sending signs the consent for exactly that, and until its time has come undoing forgets consent and signature. The step
to the outbox is one transaction. Only open items can be changed.

Does not: send (see `delivery` and the node's carrier), know a browser, or keep what redaction removed.

Usage::

    drafts = Drafts(outbox.file)
    drafts.put([page], "browser_page")
    drafts.put_pieces([("search", Piece(text="hay prices"))])
    drafts.send(drafts.open_items(50, 0), signer, 365, now_ms=now, leaves_at_ms=now + 60_000)
    drafts.leave(now_ms)
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
from msgspec import UNSET

from extension_bridge.bridge_file import BridgeFile
from extension_bridge.consent import ConsentTerms, terms_of
from extension_bridge.donation import Page, Piece, page_record, record_of
from extension_bridge.outbox import keep_within, require_not_withdrawn
from extension_bridge.redaction import HIDDEN_HOST, PATH_SAFE, decoded_path, readable_host
from extension_bridge.sources import RULES, BrowserSource, Source
from extension_bridge.wanted_words import word_pattern
from windrow_protocol.content import normalise_text
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAFT_TEXT_CHARS_MAX, DRAFTS_MAX, MASK_WORD_CHARS_MAX, UNDO_S_MAX
from windrow_protocol.personal.messages import PersonalContribution, PersonalRecord

MASKED: Final = "masked"  # the kind of what a person took out by hand
MASK: Final = "[MASKED]"
_COLUMNS: Final = (
    "draft_id, source, url, title, text, captured_at_ms, redactions, state, leaves_at_ms, amount"
)
Signer = Callable[[PersonalRecord, ConsentTerms], PersonalContribution]


class Draft(msgspec.Struct, frozen=True):
    """One item as it would leave. `redactions` counts by kind what was taken out; times are Unix ms.

    `amount` is a rounded sum of money, empty where there is none.
    """

    draft_id: str
    source: Source
    url: str
    title: str
    text: str
    captured_at_ms: int
    redactions: dict[str, int]
    state: str
    leaves_at_ms: int
    amount: str = ""


class Drafts:
    """The items that a person has put aside, in the file of one home."""

    def __init__(self, file: BridgeFile) -> None:
        self._file = file

    def put(self, pages: Iterable[Page], source: BrowserSource) -> tuple[int, list[WindrowError]]:
        """Redact and keep pages or visits, as `put_pieces` does."""
        terms = terms_of(source)
        return self._put((source, partial(page_record, page, terms)) for page in pages)

    def put_pieces(self, pieces: Iterable[tuple[Source, Piece]]) -> tuple[int, list[WindrowError]]:
        """Redact and keep items of any source; return how many are new, and why others were left out.

        Raises WindrowError `busy` when there would be more than `DRAFTS_MAX`, `home_unwritable`.
        """
        return self._put((source, partial(record_of, piece, terms_of(source))) for source, piece in pieces)

    def _put(
        self, made: Iterable[tuple[Source, Callable[[], PersonalRecord]]]
    ) -> tuple[int, list[WindrowError]]:
        refused: list[WindrowError] = []
        added = 0
        with self._file.change() as connection:
            for source, make in made:
                try:
                    record = _bounded(make())
                except WindrowError as error:
                    refused.append(error)
                    continue
                added += _insert(connection, source, record)
            if connection.execute("SELECT count(*) FROM drafts").fetchone()[0] > DRAFTS_MAX:
                raise WindrowError("busy", f"at most {DRAFTS_MAX} items are put aside; send or delete some")
        return added, refused

    def counts(self) -> dict[str, int]:
        """Return how many items are open and how many are leaving."""
        found = dict(self._file.rows("SELECT state, count(*) FROM drafts GROUP BY state"))
        return {state: found.get(state, 0) for state in ("open", "leaving")}

    def open_items(self, count_max: int, skipped: int = 0) -> list[Draft]:
        """Return the open items in the order they were put aside."""
        query = f"SELECT {_COLUMNS} FROM drafts WHERE state = 'open' ORDER BY place LIMIT ? OFFSET ?"
        return [_draft(row) for row in self._file.rows(query, count_max, skipped)]

    def leaving(self, count_max: int) -> list[Draft]:
        """Return the items that wait for their time, the first to leave first."""
        query = f"SELECT {_COLUMNS} FROM drafts WHERE state = 'leaving' ORDER BY leaves_at_ms, place LIMIT ?"
        return [_draft(row) for row in self._file.rows(query, count_max)]

    def get(self, draft_id: str) -> Draft:
        """Return one item. Raises WindrowError `not_found`."""
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM drafts WHERE draft_id = ?", draft_id)
        if not rows:
            raise WindrowError("not_found", "this item is not here any more")
        return _draft(rows[0])

    def edit(self, draft_id: str, title: str, text: str) -> Draft:
        """Replace an open item's words, redacted again. Raises WindrowError `not_open`, or as `page_record` does."""
        draft = self._open(draft_id)
        with self._file.change() as connection:
            _replace(connection, _changed(draft, draft.url, title, text))
        self._file.forget_log()
        return self.get(draft_id)

    def mask(self, word: str) -> int:
        """Take a word or phrase out of every open item, or of none, in any case; return how often it was found.

        Raises WindrowError `wrong_schema` for an empty or too long one.
        """
        word = normalise_text(word).replace("\n", " ")
        if not word or len(word) > MASK_WORD_CHARS_MAX:
            raise WindrowError("wrong_schema", f"a word of 1 to {MASK_WORD_CHARS_MAX} characters")
        in_words, in_address = word_pattern(word, r"\s+"), word_pattern(word, r"[\s_+.\-]*")
        if in_words.search(MASK):
            raise WindrowError("wrong_schema", f"{MASK} stands for what was taken out")
        found = 0
        with self._file.change() as connection:
            names = connection.execute("SELECT draft_id FROM drafts WHERE state = 'open'").fetchall()
            for (name,) in names:  # one text at a time in memory
                masked, count = _masked(self.get(name), in_words, in_address)
                if count:
                    _replace(connection, masked)
                    found += count
        self._file.forget_log()
        return found

    def delete(self, draft_ids: Iterable[str]) -> int:
        """Forget open items, bytes and all, and return how many there were."""
        with self._file.change() as connection:
            gone = sum(
                connection.execute(
                    "DELETE FROM drafts WHERE draft_id = ? AND state = 'open'", (each,)
                ).rowcount
                for each in draft_ids
            )
        self._file.forget_log()
        return gone

    def send(
        self,
        drafts: Sequence[Draft],
        sign: Signer,
        retention_days: int,
        *,
        now_ms: int,
        leaves_at_ms: int,
    ) -> None:
        """Sign for items exactly as given here, each under the terms of its source, and let them wait for their time.

        Raises WindrowError `not_open` when one was changed or sent meanwhile, `withdrawn` when one was taken back
        before, which nobody takes again, `wrong_schema` when they were to wait longer than `UNDO_S_MAX`; then none is
        sent.
        """
        if leaves_at_ms - now_ms > UNDO_S_MAX * 1_000:
            raise WindrowError("wrong_schema", f"what was sent leaves within {UNDO_S_MAX} s")
        signed = [
            (draft, sign(record_of_draft(draft), terms_of(draft.source, retention_days))) for draft in drafts
        ]
        with self._file.change() as connection:
            for draft, donation in signed:
                require_not_withdrawn(connection, donation.contribution_id)
                if _within(connection, draft.draft_id) != draft:
                    raise WindrowError("not_open", "an item was changed since it was looked at")
                connection.execute(
                    "UPDATE drafts SET state = 'leaving', body = ?, given_at_ms = ?, leaves_at_ms = ?"
                    " WHERE draft_id = ?",
                    (msgspec.json.encode(donation), now_ms, leaves_at_ms, draft.draft_id),
                )

    def undo(self) -> int:
        """Take back everything that has not left yet, with its consent, and return how many items that were."""
        back = "UPDATE drafts SET state = 'open', body = NULL, leaves_at_ms = 0 WHERE state = 'leaving'"
        with self._file.change() as connection:
            count = connection.execute(back).rowcount
        self._file.forget_log()
        return count

    def hurry(self, now_ms: int) -> int:
        """Let everything that waits for its time leave now, and return how many items that are."""
        soon = "UPDATE drafts SET leaves_at_ms = ? WHERE state = 'leaving' AND leaves_at_ms > ?"
        with self._file.change() as connection:
            return connection.execute(soon, (now_ms, now_ms)).rowcount

    def leave(self, now_ms: int, count_max: int) -> int:
        """Hand items whose time has come to the outbox; return how many. Raises WindrowError `busy` when it is full."""
        with self._file.change() as connection:
            due = connection.execute(
                "SELECT draft_id, body, given_at_ms FROM drafts WHERE state = 'leaving' AND leaves_at_ms <= ?"
                " ORDER BY leaves_at_ms, place LIMIT ?",
                (now_ms, count_max),
            ).fetchall()
            for draft_id, body, given_at_ms in due:
                keep_within(connection, msgspec.json.decode(body, type=PersonalContribution), given_at_ms)
                connection.execute("DELETE FROM drafts WHERE draft_id = ?", (draft_id,))
        return len(due)

    def next_leaves_at_ms(self) -> int | None:
        """Return when the next item leaves, None when none waits."""
        rows = self._file.rows("SELECT min(leaves_at_ms) FROM drafts WHERE state = 'leaving'")
        return None if rows[0][0] is None else int(rows[0][0])

    def _open(self, draft_id: str) -> Draft:
        draft = self.get(draft_id)
        if draft.state != "open":
            raise WindrowError("not_open", "it was sent; take it back first")
        return draft


def record_of_draft(draft: Draft) -> PersonalRecord:
    """Return what leaves for an item: its words, which are redacted already, and the counts of what was taken out."""
    record = _record(draft, draft.url, draft.title, draft.text)
    return msgspec.structs.replace(record, redactions=dict(draft.redactions))


def _record(draft: Draft, url: str, title: str, text: str) -> PersonalRecord:
    author = RULES[draft.source].author
    piece = Piece(url, title, text, draft.captured_at_ms, author, draft.amount)
    return record_of(piece, terms_of(draft.source))


def content_digest(drafts: Iterable[Draft]) -> str:
    """Return a digest of what a list of items says, by which a form tells that nothing changed since it was shown."""
    return hashlib.sha256(
        msgspec.json.encode([(d.draft_id, d.url, d.title, d.text, d.amount) for d in drafts])
    ).hexdigest()


def _bounded(record: PersonalRecord) -> PersonalRecord:
    if len(record.text) > DRAFT_TEXT_CHARS_MAX:
        raise WindrowError("too_large", f"a text of more than {DRAFT_TEXT_CHARS_MAX} characters")
    return record


def _insert(connection: sqlite3.Connection, source: str, record: PersonalRecord) -> int:
    values = (record.item_id, source, record.url, record.title, record.text, record.captured_at_ms)
    amount = "" if record.amount is UNSET else record.amount
    return connection.execute(
        "INSERT OR IGNORE INTO drafts (draft_id, source, url, title, text, captured_at_ms, redactions, amount,"
        " state, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', (SELECT coalesce(max(place), 0) + 1 FROM drafts))",
        (*values, _json(record.redactions), amount),
    ).rowcount


def _replace(connection: sqlite3.Connection, draft: Draft) -> None:
    connection.execute(
        "UPDATE drafts SET url = ?, title = ?, text = ?, redactions = ? WHERE draft_id = ? AND state = 'open'",
        (draft.url, draft.title, draft.text, _json(draft.redactions), draft.draft_id),
    )


def _changed(draft: Draft, url: str, title: str, text: str, masked: int = 0) -> Draft:
    record = _bounded(_record(draft, url, title, text))
    counts = Counter(draft.redactions) + Counter(record.redactions) + Counter({MASKED: masked})
    return msgspec.structs.replace(
        draft, url=record.url, title=record.title, text=record.text, redactions=dict(sorted(counts.items()))
    )


def _masked(draft: Draft, in_words: re.Pattern[str], in_address: re.Pattern[str]) -> tuple[Draft, int]:
    """Return an item without a word, and how often it was there; a host that holds it is hidden whole."""
    title, in_title = in_words.subn(MASK, draft.title)
    text, in_text = in_words.subn(MASK, draft.text)
    parts = urlsplit(draft.url)
    path, in_path = in_address.subn(MASK, decoded_path(parts.path))
    if in_path:
        parts = parts._replace(path=quote(path, safe=PATH_SAFE))
    if in_address.search(readable_host(parts.hostname or "")):
        parts, in_path = parts._replace(netloc=HIDDEN_HOST), in_path + 1
    found = in_title + in_text + in_path
    return (_changed(draft, urlunsplit(parts), title, text, found) if found else draft), found


def _within(connection: sqlite3.Connection, draft_id: str) -> Draft | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM drafts WHERE draft_id = ? AND state = 'open'", (draft_id,)
    )
    found = row.fetchone()
    return _draft(found) if found else None


def _draft(row: Sequence[Any]) -> Draft:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return msgspec.convert({**values, "redactions": msgspec.json.decode(values["redactions"])}, Draft)


def _json(counts: dict[str, int]) -> str:
    return msgspec.json.encode(counts).decode()
