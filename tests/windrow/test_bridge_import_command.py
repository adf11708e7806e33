"""The command shows what an export holds without what identifies a person, and says what it left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from extension_bridge.drafts import Drafts
from extension_bridge.outbox import Outbox
from extension_bridge.settings import OUTBOX_FILE
from windrow.cli import app
from windrow_protocol.errors import WindrowError


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["bridge", "import", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def export(tmp_path: Path) -> Path:
    entries = [
        {
            "header": "Search",
            "title": f"Searched for ana{i}@example.org and bread",
            "titleUrl": f"https://www.google.com/search?q=ana{i}%40example.org",
            "time": "2024-01-02T03:04:05Z",
            "products": ["Search"],
        }
        for i in range(9)
    ]
    path = tmp_path / "MyActivity.json"
    path.write_text(json.dumps([*entries, {"title": "x", "products": []}]))
    return path


def test_it_shows_counts_first_rows_and_what_was_skipped(export: Path) -> None:
    shown = run(str(export))
    assert "Google Takeout: 9 items from 1 files (9 search)" in shown
    assert shown.count("[EMAIL]") == 5
    assert "example.org" not in shown
    assert "I skipped 1 entry because nothing says when it was." in shown


def test_it_answers_programs_too(export: Path) -> None:
    told = json.loads(run(str(export), "--json", "--rows", "1", "--source", "google_takeout"))
    assert (told["parsed"], told["kinds"], told["skipped"]) == (9, {"search": 9}, {"no_date": 1})
    assert told["first"][0]["url"] == "https://www.google.com/search"


def test_it_lists_what_can_be_read() -> None:
    assert {json.loads(line)["name"] for line in run("--list", "--json").splitlines()} >= {
        *("google_takeout", "browser_history", "chatgpt", "bank_statement", "x", "reddit", "spotify"),
        *("netflix", "instagram", "whatsapp", "telegram", "signal"),
    }


def test_what_cannot_be_read_is_said(tmp_path: Path, export: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing")
    for arguments, code in (
        ([str(tmp_path / "a.txt")], "unknown_export"),
        ([str(tmp_path / "absent.zip")], "unknown_export"),
        ([str(export), "--source", "none"], "not_found"),
        ([], "bad_usage"),
    ):
        with pytest.raises(WindrowError, match=code):
            run(*arguments)


def test_visits_are_put_aside_redacted_the_latest_first_and_once(tmp_path: Path) -> None:
    visits = [
        {
            "title": f"Row {i} of ana@example.org",
            "url": f"https://rows{i}.example/page?q=secret{i}",
            "time_usec": 1_700_000_000_000_000 + i * 60_000_000,
            "page_transition": "LINK",
        }
        for i in range(30)
    ]
    path, home = tmp_path / "History.json", tmp_path / "node"
    path.write_text(json.dumps({"Browser History": visits}))
    told = run(str(path), "--put-aside", "10", "--node-home", str(home))
    assert "Put aside on this computer: 10 new items." in told
    assert "Nothing has left" in told
    again = run(str(path), "--put-aside", "12", "--home", str(home), "--json").splitlines()[-1]
    assert json.loads(again) == {"put_aside": 2, "left_out": {}, "stayed": {}}
    with Outbox.open(home / OUTBOX_FILE) as outbox:
        kept = Drafts(outbox.file).open_items(100)
        given = outbox.all(100)
    assert [draft.url for draft in kept] == [f"https://rows{i}.example/page" for i in range(29, 17, -1)]
    assert {draft.source for draft in kept} == {"browser_history"}
    assert all("ana@" not in draft.title and "secret" not in draft.url for draft in kept)
    assert given == []


def test_what_may_not_leave_stays_and_is_said_why(tmp_path: Path) -> None:
    path, home = tmp_path / "_chat.txt", tmp_path / "node"
    path.write_text(
        "[15.03.24, 08:00:00] Ana: Good morning, ana@example.org here\n[15.03.24, 08:01:00] Bo\u202e: Hi\n"
    )
    told = run(str(path), "--put-aside", "10", "--node-home", str(home))
    assert "0 new items" in told
    assert "2 stay here: nothing says which of their authors is you: name it with --me." in told
    assert "Their authors: “Ana”, “'Bo\\u202e'”." in told
    told = run(str(path), "--put-aside", "10", "--me", "ana", "--node-home", str(home))
    assert "1 new item." in told
    assert "1 stay here: other people wrote them." in told
    with Outbox.open(home / OUTBOX_FILE) as outbox:
        (row,) = Drafts(outbox.file).open_items(10)
    assert (row.source, row.text) == ("message", "Good morning, [EMAIL] here")


def test_searches_are_put_aside_as_searches(export: Path, tmp_path: Path) -> None:
    told = run(str(export), "--put-aside", "10", "--node-home", str(tmp_path / "node"))
    assert "1 new item." in told, "nine that are one without what identifies somebody"
