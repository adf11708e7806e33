"""Whatever an importer reads can be put aside, redacted, in one's own words, and no more of it than may leave."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from real_data import real_data

from extension_bridge.consent import terms_of
from extension_bridge.donation import build_donation, check_donation
from extension_bridge.drafts import Draft, Drafts, record_of_draft
from extension_bridge.importers.items import ImportedItem
from extension_bridge.importers.putting_aside import LatestItems
from extension_bridge.importers.registry import importer_named, importers_of
from extension_bridge.outbox import Outbox

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NOW_MS = 1_795_000_000_000
CHAT = """[15.03.24, 08:00:00] Ana Plover: Guten Morgen Bo, der Heuwender steht bei Tom
[15.03.24, 08:01:00] Bo Lark: Meine neue Nummer ist +49 30 1234567
[15.03.24, 08:02:00] Ana Plover: > Meine neue Nummer ist +49 30 1234567
Danke! Meine ist +49 30 7654321, @tom_tit weiss es auch.
[15.03.24, 08:03:00] Tom Tit: Ana, Tom ist hier
"""


@pytest.fixture
def drafts(tmp_path: Path) -> Iterator[Drafts]:
    with Outbox.open(tmp_path / "bridge.db") as outbox:
        yield Drafts(outbox.file)


def items_of(path: Path, name: str) -> list[ImportedItem]:
    with importer_named(name).reads(path) as reading:
        return list(reading)


def put(drafts: Drafts, items: list[ImportedItem], me: str = "", with_answers: bool = False) -> LatestItems:
    chosen = LatestItems(500, me=me, with_answers=with_answers)
    for item in items:
        chosen.see(item)
    chosen.put_aside(drafts)
    return chosen


def taken(draft: Draft) -> None:
    """Send a row as the node does and have it checked as the coordinator does."""
    terms = terms_of(draft.source)
    record = record_of_draft(draft)
    assert record.item_id == draft.draft_id, "what is put aside is what leaves"
    donation = build_donation(KEY, record, terms, network="t", controller_id="c" * 64, now_ms=NOW_MS)
    check_donation(donation, network="t", now_ms=NOW_MS, controller_id="c" * 64)


def test_one_s_own_words_of_a_chat_without_anybody_s_name(drafts: Drafts, tmp_path: Path) -> None:
    path = tmp_path / "_chat.txt"
    path.write_text(CHAT)
    items = items_of(path, "whatsapp")
    unknown = put(drafts, items)
    assert (unknown.stayed, drafts.counts()["open"]) == (Counter(unknown_author=4), 0)
    assert set(unknown.authors) == {"Ana Plover", "Bo Lark", "Tom Tit"}
    chosen = put(drafts, items, me="ana plover")
    assert chosen.stayed == Counter(others=2)
    later, first = drafts.open_items(10)
    # two letters are mostly other words
    assert first.text == "Guten Morgen Bo, der Heuwender steht bei [NAME]"
    assert later.text == "[QUOTE]\nDanke! Meine ist [PHONE], [USER] weiss es auch."
    assert later.redactions == {"phone": 1, "quote": 1, "user": 1}
    for draft in (first, later):
        taken(draft)


def conversation(tmp_path: Path) -> Path:
    def node(n: int, role: str, text: str) -> dict[str, object]:
        message = {"author": {"role": role}, "content": {"parts": [text]}, "create_time": 1_790_000_000 + n}
        return {"id": f"n{n}", "message": {"id": f"m{n}", **message}}

    words = [("user", "How dry must hay be? I am ana@example.org"), ("assistant", "15 to 20 %, Ana.")]
    mapping = {f"n{n}": node(n, *each) for n, each in enumerate([*words, ("system", "hidden")])}
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([{"title": "Hay of Ana", "id": "c1", "mapping": mapping}]))
    return path


def test_of_a_conversation_with_a_machine_one_s_own_side_unless_asked_for(
    drafts: Drafts, tmp_path: Path
) -> None:
    items = items_of(conversation(tmp_path), "chatgpt")
    assert put(drafts, items).stayed == Counter(answers=1)
    (mine,) = drafts.open_items(10)
    assert (mine.source, mine.title, mine.text) == ("ai_prompt", "", "How dry must hay be? I am [EMAIL]")
    put(drafts, items, with_answers=True)
    answer = next(draft for draft in drafts.open_items(10) if draft.source == "ai_answer")
    for draft in (mine, answer):
        taken(draft)


def test_of_a_statement_only_what_was_paid_and_roughly(drafts: Drafts, tmp_path: Path) -> None:
    path = tmp_path / "umsaetze.csv"
    path.write_text(
        "Buchungstag;Empfänger;Verwendungszweck;Betrag;Währung\n"
        "03.03.2024;REWE SAGT DANKE 45213;Karte 4711 Ref 99;-43,17;EUR\n"
        "17.03.2024;REWE SAGT DANKE 45213;Karte 4711 Ref 98;-38,02;EUR\n"
        "28.03.2024;Plover Verlag GmbH;Gehalt März;2.345,00;EUR\n"
    )
    chosen = put(drafts, items_of(path, "bank_statement"))
    assert chosen.stayed == Counter(incoming=1)
    (row,) = drafts.open_items(10)  # two like it in one month are one
    assert (row.title, row.text, row.amount, row.captured_at_ms) == (
        "REWE SAGT DANKE [NUMBER]",
        "",
        "-40 EUR",
        1_709_251_200_000,
    )
    taken(row)


def test_what_others_wrote_is_not_even_a_reaction(drafts: Drafts) -> None:
    retweet = ImportedItem("1", "x", "reaction", NOW_MS, "utc", text="RT @bo: what Bo wrote")
    like = ImportedItem(
        "2", "x", "reaction", NOW_MS, "utc", text="what Bo wrote", url="https://x.example/1?s=2"
    )
    unknown = ImportedItem("3", "google_takeout", "activity", NOW_MS, "utc", title="Used Maps near home")
    chosen = put(drafts, [retweet, like, unknown])
    assert chosen.stayed == Counter(no_address=1, no_words=1)
    (row,) = drafts.open_items(10)
    assert (row.url, row.title, row.text) == ("https://x.example/1", "", "")
    taken(row)


def test_an_edit_cannot_bring_in_what_does_not_leave(drafts: Drafts, tmp_path: Path) -> None:
    put(drafts, items_of(conversation(tmp_path), "chatgpt"))
    (row,) = drafts.open_items(10)
    edited = drafts.edit(row.draft_id, "A title", "Mine.\n> and Bo's\nbo@example.org")
    assert (edited.title, edited.text) == ("", "Mine.\n[QUOTE]\n[EMAIL]")
    assert drafts.mask("mine") == 1
    assert drafts.get(row.draft_id).text.startswith("[MASKED].")


SERVICES: list[tuple[str, str, str, dict[str, int]]] = [
    (
        "x",
        "tweets.js",
        "window.YTD.tweets.part0 = "
        + json.dumps(
            [
                {"tweet": {"id_str": "1", "created_at": "Tue Mar 05 10:00:00 +0000 2024", "full_text": text}}
                for text in ("@bo_lark the hay is dry", "RT @bo_lark: what Bo wrote")
            ]
        ),
        {"post": 1},
    ),
    (
        "spotify",
        "StreamingHistory0.json",
        json.dumps(
            [
                {"endTime": f"2024-03-0{day} 10:00", "artistName": "Larks", "trackName": "Hay", "msPlayed": 9}
                for day in (1, 2)
            ]
        ),
        {"listen": 1},  # twice in a month is once
    ),
    ("netflix", "NetflixViewingHistory.csv", "Title,Date\nHaymakers,3/14/24\n", {"watch": 1}),
    (
        "instagram",
        "liked_posts.json",
        json.dumps(
            {
                "likes_media_likes": [
                    {
                        "title": "bo_lark",
                        "string_list_data": [
                            {
                                "href": "https://www.instagram.example/p/1/",
                                "value": "x",
                                "timestamp": 1710000000,
                            }
                        ],
                    }
                ]
            }
        ),
        {"reaction": 1},
    ),
]


@pytest.mark.parametrize(("name", "file", "content", "given"), SERVICES, ids=lambda value: str(value)[:12])
def test_exports_of_services_are_given_without_whom_they_name(
    drafts: Drafts, tmp_path: Path, name: str, file: str, content: str, given: dict[str, int]
) -> None:
    (tmp_path / file).write_text(content)
    put(drafts, items_of(tmp_path / file, name))
    rows = drafts.open_items(10)
    assert Counter(row.source for row in rows) == given
    for row in rows:
        assert "bo" not in f"{row.title} {row.text} {row.url}".casefold()
        taken(row)


def test_every_real_export_can_be_given(drafts: Drafts) -> None:
    """By whoever wrote most in it; each row is taken by the coordinator's own checks."""
    given: Counter[str] = Counter()
    for path in sorted(each for each in real_data("personal_exports").rglob("*") if each.is_file()):
        for importer in importers_of(path):
            items = items_of(path, importer.name)
            authors = Counter(item.author for item in items if item.author)
            me = authors.most_common(1)[0][0] if authors else ""
            put(drafts, items, me=me, with_answers=True)
            rows = drafts.open_items(1_000)
            own = {item.text for item in items if item.author == me}
            assert sum(row.source == "message" for row in rows) <= len(own), path
            for row in rows:
                taken(row)
            given[importer.name] += len(rows)
            drafts.delete(row.draft_id for row in rows)
    assert all(given.values()), "something of what each importer found in them can be given"
    assert given.keys() >= {
        *("google_takeout", "browser_history", "bank_statement", "reddit", "instagram", "whatsapp"),
        *("telegram", "signal", "plain_lists"),
    }
