"""Browsers' history: databases of Chromium and its kin, Firefox and its kin (old and on telephones), Safari and others.

Rules: a browser's own file is never opened: it is copied, with the log or journal beside it, and the copy is read; a
database is a stranger's program, so views, triggers and functions are off and its machine's steps are bounded; columns
that a version lacks are read as empty.

Does not: read cookies, passwords, forms or downloads.

Usage: `FORMATS` of the registry's `browser_history`.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, from_cocoa, from_epoch, from_webkit
from extension_bridge.importers.formats import Answer, Format, answered, json_format
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM
from extension_bridge.importers.takeout_json import chrome_visit, web_address
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import IMPORT_DATABASE_STEPS_MAX, IMPORT_RECORD_BYTES_MAX

_SIGN: Final = b"SQLite format 3\x00"
_STEPS_BETWEEN_LOOKS: Final = 1_000_000
_ALLOWED: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_TRANSACTION}
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one family of browsers keeps its history.

    `columns` are read in this order: address, title, moment; each as (table, column). `joined` says how the visits
    find their pages: (column of `visits`, column of `pages`), empty where one table has it all.
    """

    name: str
    visits: str
    pages: str
    joined: tuple[str, str]
    url: tuple[str, str]
    title: tuple[str, str]
    at: tuple[str, str]
    clock: Callable[[object], Moment]


_LAYOUTS: Final = (
    _Layout(
        "chromium",
        "visits",
        "urls",
        ("url", "id"),
        ("urls", "url"),
        ("urls", "title"),
        ("visits", "visit_time"),
        from_webkit,
    ),
    _Layout(
        "firefox",
        "moz_historyvisits",
        "moz_places",
        ("place_id", "id"),
        ("moz_places", "url"),
        ("moz_places", "title"),
        ("moz_historyvisits", "visit_date"),
        from_epoch,
    ),
    _Layout(
        "safari",
        "history_visits",
        "history_items",
        ("history_item", "id"),
        ("history_items", "url"),
        ("history_visits", "title"),
        ("history_visits", "visit_time"),
        from_cocoa,
    ),
    _Layout(
        "firefox_android",
        "visits",
        "history",
        ("history_guid", "guid"),
        ("history", "url"),
        ("history", "title"),
        ("visits", "date"),
        from_epoch,
    ),
    _Layout(
        "firefox_ios",
        "visits",
        "history",
        ("siteID", "id"),
        ("history", "url"),
        ("history", "title"),
        ("visits", "date"),
        from_epoch,
    ),
    _Layout(
        "qutebrowser",
        "History",
        "",
        ("", ""),
        ("History", "url"),
        ("History", "title"),
        ("History", "atime"),
        from_epoch,
    ),
)


@contextmanager
def _copied(member: Member) -> Iterator[Path]:
    """Copy a database and its logs into a folder of their own, which is removed afterwards.

    From the journal SQLite takes back, in the copy, what the browser had not finished writing.
    """
    with tempfile.TemporaryDirectory(prefix="windrow-import-") as name:
        copy = Path(name) / "history.db"
        for ending in ("", "-wal", "-journal"):
            part = member.beside(ending) if ending else member
            if part is None:
                continue
            with part.open() as source, copy.with_name(copy.name + ending).open("wb") as target:
                shutil.copyfileobj(source, target)
        yield copy


@contextmanager
def _opened(member: Member) -> Iterator[sqlite3.Connection]:
    """Open a copy of a database so that it can only be read. Raises WindrowError `export_damaged`."""
    with _copied(member) as copy:
        try:
            with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                _fence(connection)
                yield connection
        except (sqlite3.Error, OverflowError) as error:
            raise WindrowError("export_damaged", str(error)[:120]) from error


def _fence(connection: sqlite3.Connection) -> None:
    looks = IMPORT_DATABASE_STEPS_MAX // _STEPS_BETWEEN_LOOKS

    def is_enough() -> int:
        nonlocal looks
        looks -= 1
        return looks < 0

    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, IMPORT_RECORD_BYTES_MAX)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")
    connection.set_progress_handler(is_enough, _STEPS_BETWEEN_LOOKS)
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
    )


def _columns(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    """Return the columns of the plain tables: a view or a virtual table of a known name is somebody's trick."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    plain = [name for name, sql in rows if not str(sql).upper().lstrip().startswith("CREATE VIRTUAL")]
    wanted = {table for layout in _LAYOUTS for table in (layout.visits, layout.pages)}
    return {
        name: frozenset(row[1] for row in connection.execute(f'PRAGMA table_info("{name}")'))
        for name in plain
        if name in wanted
    }


def _layout_of(tables: dict[str, frozenset[str]]) -> _Layout | None:
    for layout in _LAYOUTS:
        needed = {layout.visits, layout.pages} - {""}
        joined = zip((layout.visits, layout.pages), layout.joined, strict=True) if layout.pages else ()
        placed = (layout.url, layout.at, *joined)
        if needed <= tables.keys() and all(column in tables[table] for table, column in placed):
            return layout
    return None


def _query(layout: _Layout, tables: dict[str, frozenset[str]]) -> str:
    def written(place: tuple[str, str]) -> str:
        return f'"{place[0]}"."{place[1]}"' if place[1] in tables[place[0]] else "NULL"

    chosen = ", ".join(map(written, (layout.url, layout.title, layout.at)))
    if not layout.pages:
        return f'SELECT {chosen} FROM "{layout.visits}"'
    on = f'"{layout.pages}"."{layout.joined[1]}" = "{layout.visits}"."{layout.joined[0]}"'
    return f'SELECT {chosen} FROM "{layout.visits}" LEFT JOIN "{layout.pages}" ON {on}'


def _answer(url: Any, title: Any, at: Any, layout: _Layout) -> Answer:
    if not isinstance(url, str):
        return "malformed"
    if web_address(url)[0] not in ("http", "https"):
        return "local_page"
    at_ms, clock = layout.clock(at)
    if not at_ms:
        return "no_date"
    return Draft("visit", at_ms, clock, title if isinstance(title, str) else "", url=url, mark=str(at))


def _reads(member: Member, tally: Tally) -> Iterator[Draft]:
    with _opened(member) as connection:
        tables = _columns(connection)
        layout = _layout_of(tables)
        if layout is None:
            tally.skip("other_file")
            return
        for url, title, at in connection.execute(_query(layout, tables)):
            yield from answered(_answer(url, title, at, layout), tally)


def _claims(member: Member) -> bool:
    """Say whether a database has the tables of a known history; the names are in its head, where its tables begin."""
    if not member.head.startswith(_SIGN):
        return False
    try:
        with _opened(member) as connection:
            return _layout_of(_columns(connection)) is not None
    except WindrowError:
        return False


FORMATS: Final = (
    Format("browser_database", frozenset({".sqlite", ".db", ".sqlite3", ".history", ""}), _claims, _reads),
    json_format(  # what Safari itself exports, since 18.2
        "safari_list",
        needs=((("history", ITEM, "url"), ("history", ITEM, "time_usec")),),
        place=("history", ITEM),
        draft=chrome_visit,
    ),
)
