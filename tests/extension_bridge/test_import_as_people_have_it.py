"""Exports as people have them: other countries' banks, encodings nobody names, translated services, odd ends."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from extension_bridge.importers.items import ImportedItem
from extension_bridge.importers.registry import importer_named, importers_of
from windrow_protocol.errors import WindrowError


def read(folder: Path, name: str, content: Any, source: str) -> list[ImportedItem]:
    """Write an export and return its items; nothing of it may be skipped."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    assert source in [importer.name for importer in importers_of(path)]
    with importer_named(source).reads(path) as reading:
        items = list(reading)
        assert reading.report.skipped == {}
    return items


def at(item: ImportedItem) -> str:
    return datetime.fromtimestamp(item.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")


BANKS = {
    "nl": (
        '"Datum";"Naam / Omschrijving";"Af Bij";"Bedrag (EUR)"\n"20240131";"Bakker";"Af";"12,34"\n'
        '"20240131";"Loon";"Bij";"1.012,34"\n',
        "utf-8",
        [("Bakker", "-12,34"), ("Loon", "1.012,34")],
    ),
    "se": (
        "Bokföringsdag;Belopp;Rubrik;Valuta\n2024/01/31;-12,00;Åhlén;SEK\n",
        "utf-8-sig",
        [("Åhlén", "-12,00 SEK")],
    ),
    "dk": ('"Dato";"Tekst";"Beløb"\n"31.01.2024";"Købmand";"-45,50"\n', "cp1252", [("Købmand", "-45,50")]),
    "no": (
        "Dato;Forklaring;Ut fra konto;Inn på konto\n31.01.2024;Kiosk;45,50;\n",
        "utf-8",
        [("Kiosk", "-45,50")],
    ),
    "ru": (
        "Дата операции;Сумма операции;Валюта операции;Описание\n31.01.2024 12:34:56;-1,00;RUB;Магазин\n",
        "cp1251",
        [("Магазин", "-1,00 RUB")],
    ),
    "pl": (
        "Data operacji;Opis operacji;Kwota\n2024-01-31;Społem żywność;-9,00\n",
        "cp1250",
        [("Społem żywność", "-9,00")],
    ),
    "tr": ("Tarih;Açıklama;Tutar\n31.01.2024;Çarşı;-45,50\n", "utf-8", [("Çarşı", "-45,50")]),
    "us": (
        "Date,Description,Amount,Transaction Type\n1/31/2024,A shop,5.00,debit\n1/31/2024,Wage,7.00,credit\n",
        "utf-8",
        [("A shop", "-5.00"), ("Wage", "7.00")],
    ),
    "debit and minus": ("Date,Name,Amount,D/C\n2024-01-31,A,-5.00,D\n", "utf-8", [("A", "-5.00")]),
    "no mark": ("Datum;Empfänger;Betrag\n31.01.2024;Müller;-1,00\n", "utf-16-le", [("Müller", "-1,00")]),
    "mark": ("Datum;Empfänger;Betrag\n31.01.2024;Müller;-1,00\n", "utf-16", [("Müller", "-1,00")]),
    "two dates": ("Buchungstag;Valuta;Empfänger;Betrag\n31.01.2024;02.02.2024;A;1\n", "utf-8", [("A", "1")]),
}


@pytest.mark.parametrize("bank", BANKS)
def test_statements_of_other_countries_and_encodings(tmp_path: Path, bank: str) -> None:
    text, encoding, said = BANKS[bank]
    items = read(tmp_path, "statement.csv", text.encode(encoding), "bank_statement")
    assert [(item.title, item.amount) for item in items] == said
    assert {at(item)[:10] for item in items} == {"2024-01-31"}


def test_a_letter_far_behind_a_head_in_ascii_is_read(tmp_path: Path) -> None:
    text = "Date;Description;Amount\n" + "2024-01-31;Shop;-1\n" * 5_000 + "2024-01-31;Müller\u2019s;-2\n"
    assert read(tmp_path, "a.csv", text.encode("cp1252"), "bank_statement")[-1].title == "Müller\u2019s"


def transaction(name: str, amount: str) -> str:
    return f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20240131<TRNAMT>{amount}<NAME>{name}"


SGML = "OFXHEADER:100\nENCODING:USASCII\nCHARSET:{}\n\n<OFX><BANKTRANLIST>{}</BANKTRANLIST></OFX>"
XML = '<?xml version="1.0" encoding="{}"?><OFX><BANKTRANLIST>{}</BANKTRANLIST></OFX>'


@pytest.mark.parametrize(
    ("frame", "charset", "encoding", "name"),
    [
        (SGML, "1251", "cp1251", "Магазин"),
        (SGML, "1252", "cp1252", "Café"),
        (SGML, "1252", "utf-8", "Café"),  # the header lies
        (SGML, "8859-1", "latin-1", "Café"),
        (SGML, "NONE", "cp1252", "Café"),
        (XML, "ISO-8859-2", "iso-8859-2", "Dvořák"),
        (XML, "UTF-8", "utf-8", "日本"),
        (XML, "UTF-16", "utf-16", "Café and more of it"),
    ],
)
def test_a_statement_s_letters_are_those_of_its_header_or_its_bytes(
    tmp_path: Path, frame: str, charset: str, encoding: str, name: str
) -> None:
    text = frame.format(charset, transaction(name, "-1.00") + "</STMTTRN>")
    (item,) = read(tmp_path, "a.ofx", text.encode(encoding), "bank_statement")
    assert item.title == name


def test_no_letter_is_lost_where_a_piece_of_the_file_ends(tmp_path: Path) -> None:
    text = SGML.format("NONE", "".join(transaction("ü" * (1 + n % 7), f"-{n}") for n in range(1, 9_000)))
    items = read(tmp_path, "a.ofx", text.encode(), "bank_statement")
    assert len(items) == 8_999, "the last one has no end tag either"
    assert {*"".join(item.title for item in items)} == {"ü"}


@pytest.mark.parametrize(
    ("title", "url", "product", "kind"),
    [
        (
            "Wikipedia besucht",
            "https://www.google.com/url?q=https://de.wikipedia.org/wiki/Heu",
            "Suche",
            "visit",
        ),
        ("Heu besucht", "https://heu.example/", "Chrome", "visit"),
        ("heu.example を訪問しました", "https://heu.example/", "Chrome", "visit"),
        ("Nach heu gesucht", "https://www.google.com/search?q=heu", "Suche", "search"),
        ("Nach heu gesucht", "https://www.google.com/search?q=heu", "Chrome", "search"),
        ("Heu angesehen", "https://www.youtube.com/watch?v=1", "YouTube", "watch"),
        ("Heu verwendet", "https://play.google.com/store/apps/details?id=heu", "Google Play", "activity"),
    ],
)
def test_visits_of_a_translated_takeout_are_visits(
    tmp_path: Path, title: str, url: str, product: str, kind: str
) -> None:
    entry = {
        "header": product,
        "title": title,
        "titleUrl": url,
        "time": "2024-01-31T12:34:56Z",
        "products": [product],
    }
    (item,) = read(tmp_path, "MeineAktivitäten.json", [entry], "google_takeout")
    assert item.kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "[٣١/٠١/٢٠٢٤، ١:٣٤:٥٦ م] آنا: {}",
        "\u200f31/1/2024، 13:34 - آنا: {}",
        "31.01.24 г., 13:34 ч. - آنا: {}",
    ],
)
def test_chats_in_other_scripts(tmp_path: Path, line: str) -> None:
    text = "\n".join(line.format(words) for words in ("hi", "ok"))
    items = read(tmp_path, "_chat.txt", text.encode(), "whatsapp")
    assert [(item.author, item.text, at(item)) for item in items] == [
        ("آنا", words, "2024-01-31 13:34") for words in ("hi", "ok")
    ]


def test_posts_of_x_are_read_as_they_were_written_and_from_the_old_archive(tmp_path: Path) -> None:
    tweet = {"created_at": "Wed Jan 31 12:34:56 +0000 2024", "id_str": "1", "full_text": "a &amp; b &lt;3"}
    (item,) = read(
        tmp_path, "tweets.js", b"window.YTD.tweets.part0 = " + json.dumps([{"tweet": tweet}]).encode(), "x"
    )
    assert item.text == "a & b <3"
    old = {"created_at": "2015-01-31 12:34:56 +0000", "id_str": "1", "text": "once"}
    name = b"Grailbird.data.tweets_2015_01 = \n "
    (item,) = read(tmp_path, "2015_01.js", name + json.dumps([old]).encode(), "x")
    assert (item.text, at(item)) == ("once", "2015-01-31 12:34")


def test_comments_of_a_translated_instagram_are_comments(tmp_path: Path) -> None:
    fields = {"Kommentar": {"value": "sch\u00c3\u00b6n"}, "Zeit": {"timestamp": 1706704496}}
    entry = {"media_list_data": [{"uri": ""}], "string_map_data": fields}
    (item,) = read(tmp_path, "post_comments_1.json", [entry], "instagram")
    assert (item.kind, item.text, at(item)) == ("post", "schön", "2024-01-31 12:34")


def test_china_s_time_is_not_america_s(tmp_path: Path) -> None:
    box = '<div class="content-cell mdl-cell mdl-typography--body-1">{}<br>{}<br></div>'
    page = "<html><body>" + "".join(
        '<div class="outer-cell mdl-cell">' + box.format("看了", when) + "</div>"
        for when in ("2024年1月31日 20:34:56 CST", "Jan 31, 2024, 6:34:56 AM CST")
    )
    items = read(tmp_path, "a.html", page.encode(), "google_takeout")
    assert [at(item) for item in items] == ["2024-01-31 12:34"] * 2


def test_a_list_of_contents_cannot_hide_behind_a_small_one(tmp_path: Path) -> None:
    """Python reads the size in the ZIP64 record wherever there is one, whatever the short record says."""
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 500_000_000, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4, 1)
    short = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 46, 0, 0)
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK\x03\x04" + record + locator + short)
    with pytest.raises(WindrowError, match="export_refused"):
        importers_of(path)
