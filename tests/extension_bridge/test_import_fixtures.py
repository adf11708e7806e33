"""Every importer reads every real export it is meant for, and finds as much in it as others counted."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from export_files import read_all
from real_data import real_data

from extension_bridge.importers.registry import IMPORTERS, importers_of

SECURITIES = re.compile(
    r"<(?:STMTTRN|INCOME|TRANSFER|REINVEST|(?:BUY|SELL)(?:MF|STOCK|DEBT|OPT|OTHER))>", re.IGNORECASE
)


def test_browser_databases_have_as_many_visits_as_were_counted() -> None:
    folder = real_data("personal_exports")
    counted = json.loads((folder / "expected_history_counts.json").read_text())
    for name, tables in counted.items():
        visits = next(
            tables[t] for t in ("visits", "moz_historyvisits", "history_visits", "History") if t in tables
        )
        items, report = read_all(folder / name, "browser_history")
        assert (len(items), report.skipped) == (visits, {}), name
        assert len({item.item_id for item in items}) == visits, name
        assert all(2018 <= datetime.fromtimestamp(item.at_ms / 1_000, UTC).year <= 2026 for item in items), (
            name
        )
    _, report = read_all(folder / "browserexport_databases", "browser_history")
    assert (report.parsed, report.files) == (39, 11)


@pytest.mark.parametrize("source", ["whatsapp", "telegram", "signal", "instagram"])
def test_chats_say_what_the_targets_say(source: str) -> None:
    folder = real_data("personal_exports") / "chat_miner" / source
    target = json.loads((folder / "target.json").read_text())
    exports = [path for path in folder.iterdir() if path.name.startswith("test_")]
    assert exports
    for export in exports:
        items, _ = read_all(export, source)
        said = {(item.author, " ".join(item.text.split())) for item in items}
        assert said == {(each["author"], each["message"]) for each in target}, export.name
        if source in ("whatsapp", "signal"):  # the others' targets are in the zone of whoever made them
            told = {datetime.fromtimestamp(item.at_ms / 1_000, UTC).isoformat()[:19] for item in items}
            assert told == {each["timestamp"] for each in target}, export.name


def test_what_a_chat_has_besides_words_is_counted() -> None:
    path = real_data("personal_exports") / "timelinize/whatsapp/testdata/fixtures/_chat.txt"
    items, report = read_all(path, "whatsapp")
    assert report.skipped == {"service_notice": 4, "attachment": 3, "deleted": 2}
    assert [item.text for item in items if item.text.startswith("An edited")] == ["An edited message"]
    assert sum("\n" in item.text for item in items) == 3  # two polls and a message of three lines


def test_statements_have_as_many_transactions_as_their_files() -> None:
    folder = real_data("personal_exports") / "ofx_ofxparse"
    files = sorted(folder.rglob("*.ofx"))
    assert len(files) >= 20
    for path in files:
        written = len(SECURITIES.findall(path.read_text(encoding="latin-1")))
        items, report = read_all(path, "bank_statement")
        assert len(items) + sum(report.skipped.values()) == written, path.name
    assert read_all(folder / "fail_nice" / "date_missing.ofx", "bank_statement")[1].skipped == {"no_date": 3}
    (item,) = read_all(folder / "suncorp.ofx", "bank_statement")[0]
    assert (item.title, item.amount, item.clock) == ("EFTPOS WDL HANDYWAY ALDI STORE", "-16.85 AUD", "day")


def test_lists_of_other_programs_are_read() -> None:
    folder = real_data("personal_exports")
    monte = folder / "monte_fixtures"
    assert read_all(monte, "plain_lists")[1].kinds == {"search": 12, "watch": 12}
    assert read_all(monte, "reddit")[1].kinds == {"post": 3}
    assert read_all(monte, "bank_statement")[1].kinds == {"transaction": 10}
    dumps = folder / "browserexport_databases"
    for ending, count in (("json", 1), ("json.gz", 1), ("json.xz", 1), ("jsonl", 3)):
        assert len(read_all(dumps / f"merged_dump.{ending}", "plain_lists")[0]) == count
    assert read_all(folder / "promnesia/auto/pocket.json", "plain_lists")[1].parsed == 2
    stars = folder / "timelinize/github/testdata/fixtures"
    assert read_all(stars / "ghstars-multi.json", "plain_lists")[1].parsed == 2
    assert read_all(stars / "ghstars-missing-starred-at.json", "plain_lists")[1].skipped == {"no_date": 1}


def test_no_real_file_makes_an_importer_fail_or_claim_what_is_not_its_own() -> None:
    folder = real_data("personal_exports")
    foreign = (
        "dtp_schemas",
        "dogsheep_apple_health",
        "flighty",
        "obsidian-vault",
        "logseq-graph",
        "traverse",
    )
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        for importer in importers_of(path):
            assert not any(part in foreign for part in path.parts), (importer.name, path)
            with importer.reads(path) as reading:
                assert all(item.item_id for item in reading)


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda importer: importer.name)
def test_no_importer_fails_over_strings_made_to_break_parsers(importer: object) -> None:
    folder = real_data("hostile")
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        read_all(Path(path), importer.name)  # type: ignore[attr-defined]
