"""What was listened to and watched: Spotify's history, short and extended, and Netflix' viewing activity.

Rules: of Spotify's extended rows neither the network address nor the device is read.

Does not: read playlists, payments or profiles.

Usage: `FORMATS_SPOTIFY` and `FORMATS_NETFLIX` of the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from extension_bridge.importers.archives import Member
from extension_bridge.importers.clocks import Moment, from_iso, moment
from extension_bridge.importers.date_orders import Order, order_of
from extension_bridge.importers.formats import Answer, Format, answered, json_format
from extension_bridge.importers.items import Draft, Tally
from extension_bridge.importers.json_records import ITEM, first_text, text_at
from extension_bridge.importers.tables import Heading, heading_of, plain_name, rows_of
from extension_bridge.importers.wall_times import wall_moment

_DATES_LOOKED_AT: Final = 5_000


def _played(_: str, record: Any) -> Answer:
    title = first_text(
        record,
        "trackName",
        "episodeName",
        "master_metadata_track_name",
        "episode_name",
        "audiobook_chapter_title",
        "chapterName",
        "audiobookName",
    )
    by = first_text(
        record,
        *("artistName", "podcastName", "master_metadata_album_artist_name", "episode_show_name"),
        *("audiobook_title", "audiobookName", "authorName"),
    )
    written = first_text(record, "endTime", "ts")
    # the short form is in UTC, unmarked
    at_ms, clock = moment(f"{written}Z" if len(written) == 16 else written)
    if not title:
        return "no_content"
    if not at_ms:
        return "no_date"
    mark = first_text(record, "spotify_track_uri", "spotify_episode_uri")
    return Draft("listen", at_ms, clock, title, by, mark=mark or first_text(record, "msPlayed", "ms_played"))


def _searched(_: str, record: Any) -> Answer:
    at_ms, clock = moment(text_at(record, "searchTime").removesuffix("[UTC]"))
    words = text_at(record, "searchQuery")
    return Draft("search", at_ms, clock, text=words) if words else "no_content"


FORMATS_SPOTIFY: Final = (
    json_format(
        "spotify_history",
        needs=(
            ((ITEM, "endTime"), (ITEM, "msPlayed")),
            ((ITEM, "ts"), (ITEM, "ms_played")),
        ),
        place=(ITEM,),
        draft=_played,
    ),
    json_format(
        "spotify_searches",
        needs=(((ITEM, "searchTime"), (ITEM, "searchQuery")),),
        place=(ITEM,),
        draft=_searched,
    ),
)


# What the two columns of the short list are called, which is written in the person's language.
_TITLE: Final = frozenset(
    plain_name(name)
    for name in (
        *(
            "Title",
            "Titel",
            "Titre",
            "Título",
            "Titolo",
            "Tytuł",
            "Tittel",
            "Otsikko",
            "Nimi",
            "Başlık",
            "Cím",
        ),
        *(
            "Název",
            "Názov",
            "Titlu",
            "Τίτλος",
            "Название",
            "Назва",
            "כותר",
            "العنوان",
            "タイトル",
            "作品名",
            "제목",
        ),
        *("标题", "標題", "片名", "ชื่อเรื่อง", "Tiêu đề", "Judul", "Tajuk", "Naslov"),
    )
)
_DAY: Final = frozenset(
    plain_name(name)
    for name in (
        *("Date", "Datum", "Fecha", "Data", "Dato", "Päivämäärä", "Päiväys", "Tarih", "Dátum", "Dată"),
        *(
            "Ημερομηνία",
            "Дата",
            "תאריך",
            "التاريخ",
            "日付",
            "視聴日",
            "날짜",
            "日期",
            "วันที่",
            "Ngày",
            "Tanggal",
        ),
        "Tarikh",
    )
)


def _netflix_heading(member: Member) -> tuple[Heading, str, str] | None:
    """Return the heading with the columns of moment and title: activity in full, searches, or the short list."""
    for when, what, also in (
        ("start time", "title", "duration"),
        ("utc timestamp", "query typed", "displayed name"),
    ):
        heading = heading_of(member, frozenset({when}), frozenset({what}), frozenset({also}))
        if heading:
            return heading, when, what
    heading = heading_of(member, _TITLE, _DAY)
    if heading is None or len(heading.columns) != 2:
        return None
    what, when = heading.columns if heading.columns[0] in _TITLE else heading.columns[::-1]
    return heading, when, what


def _netflix(member: Member, tally: Tally) -> Iterator[Draft]:
    found = _netflix_heading(member)
    if found is None:
        return
    heading, when, what = found
    dates = (row[when] for row in rows_of(member, heading))
    order = order_of(islice(dates, _DATES_LOOKED_AT))
    for row in rows_of(member, heading):
        at = _in_utc(row[when], order)
        yield from answered(_netflix_row(row, what, at), tally)


def _in_utc(cell: str, order: Order) -> Moment:
    at_ms, clock = from_iso(cell)
    if at_ms:
        return at_ms, ("utc" if clock == "local" else clock)  # Netflix writes UTC and does not say so
    return wall_moment(cell, order=order)


def _netflix_row(row: dict[str, str], what: str, at: Moment) -> Answer:
    words = row[what] or row.get("displayed name", "")
    if not words:
        return "no_content"
    if not at[0]:
        return "no_date"
    if what == "query typed":
        return Draft("search", at[0], at[1], text=words)
    return Draft("watch", at[0], at[1], words, mark=row.get("duration", ""))


FORMATS_NETFLIX: Final = (
    Format("netflix", frozenset({".csv"}), lambda member: _netflix_heading(member) is not None, _netflix),
)
