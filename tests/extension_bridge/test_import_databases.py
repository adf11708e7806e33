"""A browser's database is read as data, whatever program hides in it, and with what its log has not merged yet."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from pathlib import Path

import pytest
from export_files import read_all

from extension_bridge.importers import browser_databases
from extension_bridge.importers.registry import importer_named

WEBKIT_2020 = 13_222_310_400_000_000  # 2020-01-01 in microseconds from 1601
CHROMIUM = "CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, title TEXT);" + (
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER);"
)


def chromium(path: Path, rows: int = 3) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(CHROMIUM)
    connection.execute("BEGIN")
    for i in range(rows):
        connection.execute("INSERT INTO urls VALUES (?, ?, ?)", (i, f"https://bread.example/{i}", "Bread"))
        connection.execute("INSERT INTO visits VALUES (?, ?, ?)", (i, i, WEBKIT_2020 + i))
    connection.execute("COMMIT")
    return connection


def test_what_is_only_in_the_log_beside_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "History"
    chromium(path, 0).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("INSERT INTO urls VALUES (1, 'https://bread.example/', 'Bread')")
    connection.execute("INSERT INTO visits VALUES (1, 1, ?)", (WEBKIT_2020,))
    before = path.read_bytes()
    items, _ = read_all(path, "browser_history")
    assert [item.at_ms for item in items] == [1_577_836_800_000]
    packed = tmp_path / "profile.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "Default/History")
        archive.write(tmp_path / "History-wal", "Default/History-wal")
    assert len(read_all(packed, "browser_history")[0]) == 1
    assert path.read_bytes() == before
    connection.close()


def test_a_database_is_read_while_its_browser_writes(tmp_path: Path) -> None:
    connection = chromium(tmp_path / "History")
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("DELETE FROM visits")
    assert len(read_all(tmp_path / "History", "browser_history")[0]) == 3
    connection.rollback()
    connection.close()


def test_what_a_browser_had_not_finished_writing_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "History"
    connection = chromium(path, 3_000)
    connection.execute("PRAGMA cache_size = 5")  # so that half of it lies in the file before it counts
    connection.execute("BEGIN")
    connection.execute("UPDATE urls SET title = 'Half a change, longer than it was before'")
    assert b"Half a change" in path.read_bytes()
    items, report = read_all(path, "browser_history")
    assert ({item.title for item in items}, len(items), report.skipped) == ({"Bread"}, 3_000, {})
    packed = tmp_path / "profile.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "Default/History")
        archive.write(tmp_path / "History-journal", "Default/History-journal")
    assert {item.title for item in read_all(packed, "browser_history")[0]} == {"Bread"}
    connection.rollback()
    connection.close()


LAYOUTS = {
    "chromium of today": CHROMIUM.replace(
        "visit_time INTEGER", "visit_time INTEGER, originator_guid TEXT, app_id TEXT"
    )
    + "INSERT INTO urls VALUES (1, 'https://bread.example/', 'Bread');"
    f"INSERT INTO visits VALUES (1, 1, {WEBKIT_2020}, '', NULL);",
    "firefox of today": "CREATE TABLE moz_origins (id INTEGER, host TEXT);"
    "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, origin_id INTEGER);"
    "CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, place_id INTEGER, visit_date INTEGER, source INTEGER);"
    "INSERT INTO moz_places VALUES (1, 'https://bread.example/', 'Bread', 1);"
    "INSERT INTO moz_historyvisits VALUES (1, 1, 1577836800000000, 0);",
    "firefox on iphones": "CREATE TABLE history (id INTEGER PRIMARY KEY, guid TEXT, url TEXT, title TEXT);"
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, siteID INTEGER, date REAL, type INTEGER);"
    "INSERT INTO history VALUES (1, 'g', 'https://bread.example/', 'Bread');"
    "INSERT INTO visits VALUES (1, 1, 1577836800000000, 1);",
    "gnome web": "CREATE TABLE urls (id INTEGER PRIMARY KEY, host INTEGER, url TEXT, title TEXT);"
    "CREATE TABLE visits (id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER, visit_type INTEGER);"
    "INSERT INTO urls VALUES (1, 1, 'https://bread.example/', 'Bread');"
    "INSERT INTO visits VALUES (1, 1, 1577836800, 1);",
    "safari of today": "CREATE TABLE history_items (id INTEGER PRIMARY KEY, url TEXT, domain_expansion TEXT);"
    "CREATE TABLE history_visits (id INTEGER PRIMARY KEY, history_item INTEGER, visit_time REAL, title TEXT);"
    "INSERT INTO history_items VALUES (1, 'https://bread.example/', 'bread');"
    "INSERT INTO history_visits VALUES (1, 1, 599529600.0, 'Bread');",
}


@pytest.mark.parametrize("browser", LAYOUTS)
def test_the_layout_of_each_browser_s_database_is_known(tmp_path: Path, browser: str) -> None:
    connection = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    connection.executescript(LAYOUTS[browser])
    connection.close()
    (item,), report = read_all(tmp_path / "history.db", "browser_history")
    assert (item.url, item.title, item.at_ms) == ("https://bread.example/", "Bread", 1_577_836_800_000)
    assert report.skipped == {}


def test_what_safari_itself_exports(tmp_path: Path) -> None:
    visit = {
        "url": "https://bread.example/",
        "title": "Bread",
        "time_usec": 1_577_836_800_000_000,
        "visit_count": 2,
    }
    kept = {
        "metadata": {"browser_name": "Safari", "schema_version": 1},
        "history": [visit, visit | {"url": "file:///a"}],
    }
    path = tmp_path / "History.json"
    path.write_text(json.dumps(kept))
    items, report = read_all(path, "browser_history")
    assert [(item.url, item.title, item.at_ms) for item in items] == [
        ("https://bread.example/", "Bread", 1_577_836_800_000)
    ]
    assert report.skipped == {"local_page": 1}


def test_columns_that_a_version_lacks_or_adds_are_no_matter(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "History", isolation_level=None)
    connection.executescript(
        "CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, heat BLOB);"
        "CREATE TABLE visits (url INTEGER, visit_time INTEGER, mood TEXT);"
        "INSERT INTO urls VALUES (1, 'https://bread.example/', x'00'), (2, x'ff', x'00'), (3, 'file:///etc', 0);"
        f"INSERT INTO visits VALUES (1, {WEBKIT_2020}, 'good'), (2, {WEBKIT_2020}, ''), (3, {WEBKIT_2020}, ''),"
        f" (9, {WEBKIT_2020}, ''), (1, 'soon', '');"
    )
    connection.close()
    items, report = read_all(tmp_path / "History", "browser_history")
    assert [item.url for item in items] == ["https://bread.example/"]
    assert report.skipped == {"local_page": 1, "malformed": 2, "no_date": 1}


@pytest.mark.parametrize(
    "trick",
    [
        "CREATE VIEW visits AS SELECT 1 AS url, load_extension('x') AS visit_time;",
        "CREATE VIEW visits AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n)"
        f" SELECT i AS url, {WEBKIT_2020} AS visit_time FROM n;",
        "CREATE VIRTUAL TABLE visits USING fts4(url, visit_time);",
    ],
)
def test_a_view_or_virtual_table_of_a_known_name_is_not_a_history(tmp_path: Path, trick: str) -> None:
    connection = sqlite3.connect(tmp_path / "History", isolation_level=None)
    connection.executescript("CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, title TEXT);" + trick)
    connection.close()
    assert not importer_named("browser_history").detects(tmp_path / "History")


def test_a_column_that_computes_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "History", isolation_level=None)
    connection.executescript(
        "CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT AS (hex(zeroblob(90000000))), title TEXT);"
        "CREATE TABLE visits (url INTEGER, visit_time INTEGER);"
        f"INSERT INTO urls (id) VALUES (1); INSERT INTO visits VALUES (1, {WEBKIT_2020});"
    )
    connection.close()
    items, report = read_all(tmp_path / "History", "browser_history")
    assert items == []
    assert report.skipped in ({"damaged_file": 1}, {"other_file": 1})


def test_a_join_made_to_take_for_ever_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser_databases, "IMPORT_DATABASE_STEPS_MAX", 10_000)
    monkeypatch.setattr(browser_databases, "_STEPS_BETWEEN_LOOKS", 1_000)
    connection = sqlite3.connect(tmp_path / "History", isolation_level=None)
    connection.executescript(
        "CREATE TABLE urls (id INTEGER, url TEXT, title TEXT); CREATE TABLE visits (url INTEGER, visit_time INTEGER);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
        " INSERT INTO urls SELECT 1, 'https://bread.example/', '' FROM n;"
        f"INSERT INTO visits SELECT 1, {WEBKIT_2020} FROM urls;"
    )
    connection.close()
    items, report = read_all(tmp_path / "History", "browser_history")
    assert len(items) < 9_000_000
    assert report.skipped == {"damaged_file": 1}


@pytest.mark.parametrize("cut", [100, 5_000, 9_000])
def test_a_database_that_ends_early_never_fails(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "History"
    chromium(path, 200).close()
    path.write_bytes(path.read_bytes()[:cut])
    items, report = read_all(path, "browser_history")
    assert report.parsed == len(items)
