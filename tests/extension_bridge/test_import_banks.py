"""Statements in the dialects of some fifty banks and programs: names of columns, signs, dates, letters, preambles."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from bank_dialects_elsewhere import BANKS_ELSEWHERE
from bank_dialects_european import EUROPEAN_BANKS
from export_files import read_all

from extension_bridge.importers.registry import importers_of

DIALECTS = EUROPEAN_BANKS | BANKS_ELSEWHERE


@pytest.mark.parametrize("bank", DIALECTS)
def test_a_bank_s_dialect_is_read(tmp_path: Path, bank: str) -> None:
    encoding, text, said = DIALECTS[bank]
    path = tmp_path / "statement.csv"
    path.write_bytes(text.encode(encoding))
    items, report = read_all(path, "bank_statement")
    assert "; ".join(f"{item.title}: {item.amount}" for item in items) == said
    days = {datetime.fromtimestamp(item.at_ms / 1_000, UTC).date().isoformat() for item in items}
    assert days <= {"2024-01-30", "2024-01-31"}
    assert report.skipped == ({"no_date": 2} if bank == "postfinance" else {})  # what stands below the table


@pytest.mark.parametrize(
    "text",
    [
        "Date,Title\n2024-01-31,Film\n",
        "id,name,value\n1,a,2\n",
        "2024-01-31,1.00,2\n2024-01-30,-3.00,4\n",  # no words
        "2024-01-31,1.00,walked\n2024-01-30,3.00,ran\n",  # nothing went out: it may be anything
        "2024-01-31,-1.00,cold\n2024-01-30,-3.00\n",  # rows of several lengths
        "99.99.2024x,-1.00,cold\n",
    ],
)
def test_what_is_no_statement_is_not_taken_for_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert "bank_statement" not in [importer.name for importer in importers_of(path)]


@pytest.mark.parametrize(
    ("charset", "posted"),
    [
        *(
            (each, "20240131")
            for each in ("hex", "zlib", "rot13", "undefined", "idna", "punycode", "nonsense")
        ),
        ("1252", f"20240131120000[{'9' * 400}:X]"),
        ("1252", "20240131120000[.:X]"),
    ],
)
def test_a_header_of_ofx_that_names_no_text_or_no_zone_is_passed_over(
    tmp_path: Path, charset: str, posted: str
) -> None:
    path = tmp_path / "statement.ofx"
    entry = f"<STMTTRN><DTPOSTED>{posted}<TRNAMT>-1.00<NAME>Bäcker</STMTTRN>"
    path.write_bytes(f"OFXHEADER:100\nCHARSET:{charset}\n\n<OFX><BANKTRANLIST>{entry}".encode("cp1252"))
    items, report = read_all(path, "bank_statement")
    assert [(item.title, item.amount) for item in items] == [("Bäcker", "-1.00")]
    assert datetime.fromtimestamp(items[0].at_ms / 1_000, UTC).date().isoformat() == "2024-01-31"
    assert report.skipped == {}
