"""Every importer, in one table, and the way to read an export with it.

Rules: an importer is a name and its formats; which file of an export has which format is found by looking into it; a
reading streams, never fails over what is inside, and says at its end what it skipped and why.

Does not: send, redact or keep anything.

Usage::

    for importer in importers_of(path):
        with importer.reads(path) as reading:
            for item in reading: ...
        print(reading.report)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from extension_bridge.importers import (
    bank_csv,
    bank_ofx,
    browser_databases,
    chat_texts,
    chatgpt,
    listening,
    meta_pages,
    meta_services,
    plain_lists,
    social,
    takeout_html,
    takeout_json,
    team_chats,
    telegram,
)
from extension_bridge.importers.archives import Member, open_archive
from extension_bridge.importers.formats import Format
from extension_bridge.importers.items import ImportedItem, ImportReport, Tally
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import IMPORT_ITEMS_MAX

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")  # parts of a database, read with it or not at all

_REASONS: Final = {"export_refused": "file_too_large", "export_damaged": "damaged_file"}


class Reading(Iterator[ImportedItem]):
    """The items of one export, one after the other; `report` says what was read so far, at the end of all."""

    def __init__(self, path: Path, source: str, formats: tuple[Format, ...]) -> None:
        self._tally = Tally(source)
        self._items = _items(path, self._tally, formats)

    @property
    def report(self) -> ImportReport:
        """What was parsed and skipped so far."""
        return self._tally.report()

    def __next__(self) -> ImportedItem:
        return next(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._items.close()


@dataclass(frozen=True, slots=True)
class Importer:
    """One source of exports. `files` says for people which files it takes, `whence` where to get them."""

    name: str
    title: str
    files: str
    whence: str
    formats: tuple[Format, ...]

    def detects(self, path: Path) -> bool:
        """Say whether an export has a file for this importer. Raises WindrowError as `open_archive` does."""
        with open_archive(path, lambda reason: None) as archive:
            return any(self._format_of(member) for member in archive.members())

    def reads(self, path: Path) -> Reading:
        """Return the items of an export; the first step raises WindrowError as `open_archive` does."""
        return Reading(path, self.name, self.formats)

    def _format_of(self, member: Member) -> Format | None:
        return _format_of(member, self.formats)


def _format_of(member: Member, formats: tuple[Format, ...]) -> Format | None:
    return next((each for each in formats if each.recognises(member)), None)


def _items(path: Path, tally: Tally, formats: tuple[Format, ...]) -> Generator[ImportedItem, None, None]:
    with open_archive(path, tally.skip) as archive:
        for member in archive.members():
            if member.name.endswith(_SIDE_FILES):
                continue
            found = _format_of(member, formats)
            if found is None:
                looked_at = any(member.suffix in each.suffixes for each in formats)
                tally.skip(_REASONS[member.failure] if looked_at and member.failure else "other_file")
                continue
            yield from _of_member(member, found, tally)
            if tally.parsed >= IMPORT_ITEMS_MAX:
                tally.skip("too_many_items")
                return


def _of_member(member: Member, found: Format, tally: Tally) -> Iterator[ImportedItem]:
    tally.begin_member()
    try:
        for draft in found.reads(member, tally):
            item = tally.item(draft, member.name)
            if item is not None:
                yield item
            if tally.parsed >= IMPORT_ITEMS_MAX:
                return
    except WindrowError as error:
        if error.code not in _REASONS:
            raise
        tally.skip(_REASONS[error.code])


IMPORTERS: Final[tuple[Importer, ...]] = (
    Importer(
        "google_takeout",
        "Google Takeout",
        "My Activity, YouTube and Chrome history, as JSON or HTML",
        "takeout.google.com",
        (*takeout_json.FORMATS, *takeout_html.FORMATS),
    ),
    Importer(
        "browser_history",
        "Browser history",
        "the history database of Chrome, Chromium, Edge, Brave, Vivaldi, Firefox, Safari or qutebrowser",
        "the browser's profile folder: History, places.sqlite or History.db",
        browser_databases.FORMATS,
    ),
    Importer(
        "chatgpt",
        "ChatGPT and Claude conversations",
        "conversations.json, or the archive it comes in",
        "Settings, Data controls, Export data",
        chatgpt.FORMATS,
    ),
    Importer(
        "bank_statement",
        "Bank and card statements",
        "OFX, QFX, or CSV with a date, a description and an amount",
        "your bank's download page",
        (*bank_ofx.FORMATS, *bank_csv.FORMATS),
    ),
    Importer(
        "x",
        "X (Twitter)",
        "tweets.js, note-tweet.js, like.js, direct-messages.js",
        "Settings, Your account, Download an archive",
        social.FORMATS_X,
    ),
    Importer(
        "reddit",
        "Reddit",
        "posts.csv, comments.csv, messages.csv, chat_history.csv, votes and saved",
        "reddit.com/settings/data-request",
        social.FORMATS_REDDIT,
    ),
    Importer(
        "spotify",
        "Spotify",
        "StreamingHistory*.json, Streaming_History_Audio_*.json, SearchQueries.json",
        "Account, Privacy, Download your data",
        listening.FORMATS_SPOTIFY,
    ),
    Importer(
        "netflix",
        "Netflix",
        "NetflixViewingHistory.csv, ViewingActivity.csv, SearchHistory.csv",
        "Account, Profile, Viewing activity, Download all",
        listening.FORMATS_NETFLIX,
    ),
    Importer(
        "instagram",
        "Instagram and Facebook",
        "messages, posts, comments, likes, saved and searches, as JSON or HTML",
        "Accounts Center, Download your information",
        (*meta_services.FORMATS, *meta_pages.FORMATS),
    ),
    Importer(
        "whatsapp",
        "WhatsApp",
        "a chat exported as text (_chat.txt)",
        "the chat's menu, Export chat",
        chat_texts.FORMATS_WHATSAPP,
    ),
    Importer(
        "telegram",
        "Telegram",
        "result.json of one chat or of the account, or a chat's messages.html",
        "Telegram Desktop, Settings, Advanced, Export data",
        telegram.FORMATS,
    ),
    Importer(
        "signal",
        "Signal",
        "a chat exported as text or as lines of JSON",
        "a program that exports Signal's chats, as there is no export of its own",
        chat_texts.FORMATS_SIGNAL,
    ),
    Importer(
        "discord",
        "Discord",
        "messages.csv or messages.json of the data package, or a channel that DiscordChatExporter saved as JSON",
        "Settings, Data & privacy, Request all of my data",
        team_chats.FORMATS_DISCORD,
    ),
    Importer(
        "slack",
        "Slack",
        "the days of a workspace's channels, as JSON",
        "the workspace's settings, Export",
        team_chats.FORMATS_SLACK,
    ),
    Importer(
        "plain_lists",
        "Lists of other programs",
        "visits, searches, saved pages or stars as a JSON list",
        "the program that wrote them",
        plain_lists.FORMATS,
    ),
)


def importer_named(name: str) -> Importer:
    """Return the importer of a name. Raises WindrowError `not_found`."""
    found = next((each for each in IMPORTERS if each.name == name), None)
    if found is None:
        raise WindrowError("not_found", f"no importer is called {name}")
    return found


def importers_of(path: Path) -> list[Importer]:
    """Return the importers that find something in an export. Raises WindrowError as `open_archive` does."""
    with open_archive(path, lambda reason: None) as archive:
        found = {
            importer.name
            for member in archive.members()
            for importer in IMPORTERS
            if _format_of(member, importer.formats)
        }
    return [importer for importer in IMPORTERS if importer.name in found]
