"""Exports of services in the forms and versions that they have had, and as banks in several countries write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from export_files import read_all
from hypothesis import given
from hypothesis import strategies as st

from extension_bridge.importers.date_orders import Order, order_of
from extension_bridge.importers.items import ImportedItem, ImportReport
from extension_bridge.importers.meta_services import right_letters


def written(tmp_path: Path, name: str, value: Any, source: str) -> tuple[list[ImportedItem], ImportReport]:
    path = tmp_path / name
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return read_all(path, source)


def day(item: ImportedItem) -> str:
    return datetime.fromtimestamp(item.at_ms / 1_000, UTC).date().isoformat()


def node(role: str, words: str, **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": [words]}
    return {"message": {"author": {"role": role}, "content": content, "create_time": 1_700_000_000.5, **more}}


def test_conversations_with_chatgpt(tmp_path: Path) -> None:
    mapping = {
        "root": {"id": "root", "message": None, "children": ["a"]},
        "s": node("system", "be good"),
        "a": node("user", "How is bread made?", id="a"),
        "b": node("assistant", "With flour.", id="b", create_time=None),
        "t": node("tool", "searched"),
        "h": node("user", "about me", metadata={"is_visually_hidden_from_conversation": True}),
        "p": {
            "message": {
                "author": {"role": "user"},
                "content": {"parts": [{"content_type": "image_asset_pointer", "asset_pointer": "x"}]},
            }
        },
        "m": {
            "message": {
                "author": {"role": "user"},
                "content": {
                    "content_type": "multimodal_text",
                    "parts": [{"asset_pointer": "x"}, "and this?"],
                },
            }
        },
        "c": {
            "message": {
                "author": {"role": "assistant"},
                "content": {"content_type": "code", "text": "print(1)"},
            }
        },
    }
    conversation = {
        "title": "Bread",
        "create_time": 1_690_000_000.0,
        "conversation_id": "c1",
        "mapping": mapping,
    }
    items, report = written(tmp_path, "conversations.json", [conversation, {"mapping": {}}, 5], "chatgpt")
    assert [(item.author, item.text) for item in items] == [
        ("user", "How is bread made?"),
        ("assistant", "With flour."),
        ("user", "and this?"),
        ("assistant", "print(1)"),
    ]
    assert [item.at_ms for item in items[:2]] == [1_700_000_000_500, 1_690_000_000_000]
    assert report.threads == 1
    assert report.skipped == {"attachment": 1, "malformed": 1, "service_notice": 3}


def test_conversations_with_claude(tmp_path: Path) -> None:
    message = {"uuid": "m", "sender": "human", "text": "Bread?", "created_at": "2024-01-02T03:04:05.678901Z"}
    conversation = {
        "uuid": "c",
        "name": "Bread",
        "chat_messages": [message, {**message, "sender": "assistant"}],
    }
    items, _ = written(tmp_path, "conversations.json", [conversation], "chatgpt")
    assert [(item.author, item.text, item.thread) for item in items] == [
        ("user", "Bread?", "c"),
        ("assistant", "Bread?", "c"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "days", "amounts"),
    [
        ("us", "Date,Description,Amount\n01/02/2024,A,-1.50\n01/20/2024,B,2.00\n", "02 20", "-1.50 2.00"),
        (
            "uk",
            "Date,Description,Money Out,Money In\n20/01/2024,A,1.50,\n21/01/2024,B,,2\n",
            "20 21",
            "-1.50 2",
        ),
        (
            "de",
            'Konto;DE00\nVon;Bis\n\n"Buchungstag";"Empfänger";"Verwendungszweck";"Betrag (EUR)"\n'
            '"20.01.2024";"Bäckerei";"Brot";"-1.234,50"\n"21.01.24";"Lohn";"";"2,00"\n',
            "20 21",
            "-1.234,50 2,00",
        ),
        (
            "fr",
            "Date;Libellé;Débit;Crédit\n20/01/2024;PAIN;-1,50;\n21/01/2024;PAIE;;+2,00\n",
            "20 21",
            "-1,50 +2,00",
        ),
        (
            "fintech",
            "Type,Started Date,Completed Date,Description,Amount,Fee,Currency,State\n"
            "CARD,2024-01-20 10:00:00,2024-01-20 10:01:00,A,-1.50,0,EUR,COMPLETED\n"
            "CARD,2024-01-21 10:00:00,,B,-9,0,EUR,REVERTED\n",
            "20",
            "-1.50 EUR",
        ),
        ("brackets", "Posted Date\tPayee\tAmount\n2024-01-20\tA\t($1,234.50)\n", "20", "-1,234.50"),
        (
            "ordered",
            "Date,Description,Amount\n01/02/2024,A,1\n02/02/2024,B,1\n03/02/2024,C,1\n",
            "01 02 03",
            "1 1 1",
        ),
    ],
)
def test_banks_of_several_countries(tmp_path: Path, name: str, text: str, days: str, amounts: str) -> None:
    items, report = written(tmp_path, f"{name}.csv", text, "bank_statement")
    assert " ".join(day(item)[-2:] for item in items) == days
    assert " ".join(item.amount for item in items) == amounts
    assert set(report.skipped) <= {"declined"}


def test_numbers_of_accounts_stay_out_of_a_statement(tmp_path: Path) -> None:
    text = "Date,Description,Account Number,IBAN,Balance,Amount\n2024-01-20,A,12345678,DE89370400440532013000,99,1\n"
    (item,), _ = written(tmp_path, "a.csv", text, "bank_statement")
    assert not {"12345678", "DE89370400440532013000", "99"} & set(item.text.split())


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["13/01/2024"], "dmy"),
        (["01/13/2024"], "mdy"),
        (["01/02/2024", "02/02/2024", "03/02/2024"], "dmy"),
        (["01/31/24", "02/01/24"], "mdy"),
        (["12/01/2023", "12/02/2023", "01/05/2024", "02/03/2024"], "mdy"),
        (["2024-01-02"], "dmy"),
        (["24/1/31", "24/1/19", "24/1/5", "24/1/2"], "ymd"),
        (["24. 1. 31.", "24. 1. 31.", "24. 1. 2."], "dmy"),  # too few to tell
        (["05/01/20", "05/01/19", "05/01/18"], "dmy"),
        (["31.12.24", "01.01.25", "02.01.25"], "dmy"),
        ([], "dmy"),
    ],
)
def test_the_order_of_a_file_s_dates_is_found_out(texts: list[str], order: Order) -> None:
    assert order_of(texts) == order


def test_x(tmp_path: Path) -> None:
    at = "Wed Oct 10 20:19:24 +0000 2018"
    tweets = [{"tweet": {"full_text": "Bread!", "created_at": at, "id_str": "1"}}]
    tweets += [{"tweet": {"full_text": "RT @a: Butter", "created_at": at, "id_str": "2"}}]
    for wrapper in ("window.YTD.tweets.part0 = ", "window.YTD.tweet.part1 = "):
        items, _ = written(tmp_path, "tweets.js", wrapper + json.dumps(tweets), "x")
        assert [(item.kind, item.text, item.at_ms) for item in items] == [
            ("post", "Bread!", 1_539_202_764_000),
            ("reaction", "RT @a: Butter", 1_539_202_764_000),
        ]
    assert written(tmp_path, "tweet.js", [tweets[0]["tweet"]], "x")[1].kinds == {"post": 1}
    assert written(tmp_path, "deleted-tweets.js", tweets, "x")[1].skipped == {"other_file": 1}
    message = {
        "id": "1",
        "text": "Hi",
        "createdAt": "2020-01-02T03:04:05.678Z",
        "senderId": "7",
        "mediaUrls": [],
    }
    chat = {"conversationId": "7-8", "messages": [{"messageCreate": message}, {"joinConversation": {}}]}
    items, report = written(tmp_path, "direct-messages.js", [{"dmConversation": chat}], "x")
    assert [(item.text, item.author, item.thread) for item in items] == [("Hi", "7", "7-8")]
    assert report.skipped == {"service_notice": 1}
    like = {"like": {"tweetId": "1", "fullText": "Fine", "expandedUrl": "https://twitter.com/i/web/status/1"}}
    assert written(tmp_path, "like.js", [like], "x")[1].kinds == {"reaction": 1}


def test_reddit(tmp_path: Path) -> None:
    posts = "id,permalink,date,ip,subreddit,gildings,title,url,body\n"
    posts += 'a,https://r.example/a,2019-08-21 22:02:48 UTC,93.184.216.34,bread,0,Rye,,"one, two\nthree"\n'
    (item,), _ = written(tmp_path, "posts.csv", posts, "reddit")
    assert (item.title, item.text, item.at_ms) == ("Rye", "one, two\nthree", 1_566_424_968_000)
    assert "93.184" not in repr(item)
    comments = "id,permalink,date,ip,subreddit,gildings,link,parent,body,media\n"
    comments += "b,https://r.example/b,2019-08-21 22:02:48 UTC,,bread,0,,,Yes,\n"
    comments += "c,https://r.example/c,2019-08-21 22:02:48 UTC,,bread,0,,,[removed],\n"
    items, report = written(tmp_path, "comments.csv", comments, "reddit")
    assert [item.text for item in items] == ["Yes"]
    votes = "id,permalink,direction\na,https://r.example/a,up\nb,https://r.example/b,none\n"
    hidden = "id,permalink\na,https://r.example/a\n"
    assert written(tmp_path, "hidden_posts.csv", hidden, "reddit")[1].skipped == {"other_file": 1}
    assert written(tmp_path, "saved_posts.csv", hidden, "reddit")[1].kinds == {"reaction": 1}
    assert written(tmp_path, "post_votes.csv", votes, "reddit")[1].kinds == {"reaction": 1}
    messages = "id,permalink,thread_id,date,ip,from,to,subject,body\n1,https://r.example/m,t,"
    messages += "2019-08-21 22:02:48 UTC,,a,b,Hi,Hello\n"
    assert written(tmp_path, "messages.csv", messages, "reddit")[1].kinds == {"message": 1}
    assert report.kinds == {"post": 1}


def test_spotify_and_netflix(tmp_path: Path) -> None:
    short = [{"endTime": "2020-01-02 03:04", "artistName": "A", "trackName": "B", "msPlayed": 1}]
    (item,), _ = written(tmp_path, "StreamingHistory0.json", short, "spotify")
    assert (item.title, item.text, item.at_ms, item.clock) == ("B", "A", 1_577_934_240_000, "utc")
    long = {"ts": "2020-01-02T03:04:05Z", "ms_played": 5, "ip_addr_decrypted": "93.184.216.34"}
    song = {"master_metadata_track_name": "B", "master_metadata_album_artist_name": "A"}
    episode = {"master_metadata_track_name": None, "episode_name": "E", "episode_show_name": "S"}
    items, report = written(
        tmp_path, "Streaming_History_Audio.json", [long | song, long | episode, long], "spotify"
    )
    assert [(item.title, item.text) for item in items] == [("B", "A"), ("E", "S")]
    assert "93.184" not in repr(items)
    assert report.skipped == {"no_content": 1}
    items, _ = written(
        tmp_path, "NetflixViewingHistory.csv", "Title,Date\nA: B,1/31/20\nC,1/2/20\n", "netflix"
    )
    assert [(item.title, day(item), item.clock) for item in items] == [
        ("A: B", "2020-01-31", "day"),
        ("C", "2020-01-02", "day"),
    ]
    full = "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type\n"
    full += "Me,2020-01-02 03:04:05,00:10:00,,Film,,TV\n"
    (item,), _ = written(tmp_path, "ViewingActivity.csv", full, "netflix")
    assert (item.title, item.at_ms, item.clock) == ("Film", 1_577_934_245_000, "utc")


def test_instagram(tmp_path: Path) -> None:
    messages = [
        {"sender_name": "Zo\u00c3\u00ab", "timestamp_ms": 1_600_000_000_000, "content": "\u00c3\u00bcber"},
        {"sender_name": "B", "timestamp_ms": 1_600_000_000_001, "photos": [{"uri": "x"}]},
        {"sender_name": "B", "timestamp_ms": 1_600_000_000_002, "content": "x", "is_unsent": True},
    ]
    items, report = written(
        tmp_path, "message_1.json", {"participants": [], "messages": messages}, "instagram"
    )
    assert [(item.author, item.text) for item in items] == [("Zoë", "über")]
    assert report.skipped == {"attachment": 1, "deleted": 1}
    liked = {
        "title": "a",
        "string_list_data": [{"href": "https://i.example/p", "value": "x", "timestamp": 1_600_000_000}],
    }
    items, _ = written(tmp_path, "liked_posts.json", {"likes_media_likes": [liked]}, "instagram")
    assert [(item.kind, item.url, item.at_ms) for item in items] == [
        ("reaction", "https://i.example/p", 1_600_000_000_000)
    ]
    fields = {
        "Comment": {"value": "Fine"},
        "Media Owner": {"value": "b"},
        "Time": {"timestamp": 1_600_000_000},
    }
    items, _ = written(tmp_path, "post_comments_1.json", [{"string_map_data": fields}], "instagram")
    assert [(item.kind, item.text) for item in items] == [("post", "Fine")]
    post = {"media": [{"uri": "x", "creation_timestamp": 1_600_000_000, "title": "Bread"}]}
    items, _ = written(tmp_path, "posts_1.json", [post], "instagram")
    assert [(item.kind, item.text) for item in items] == [("post", "Bread")]


@given(st.text())
def test_letters_written_as_bytes_are_put_right_and_others_stay(text: str) -> None:
    assert right_letters(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize(
    "line",
    [
        "[20.01.24, 22:54:50] Zoë: {}",
        "20.01.24, 22:54 - Zoë: {}",
        "[20/01/2024, 10:54:50\u202fPM] Zoë: {}",
        "1/20/24, 10:54 PM - Zoë: {}",
        "20-01-2024 22:54 - Zoë: {}",
        "[2024/1/20 下午10:54:50] Zoë: {}",
        "2024. 1. 20. 오후 10:54 - Zoë: {}",
        "22:54, 20/01/2024 - Zoë: {}",
        "20/01/2024 22:54:50: Zoë: {}",
        "[20/01/2024, 22:54:50] ~\u202fZoë: {}",
        "20/1/2024, 10:54 p. m. - Zoë: {}",
    ],
)
def test_chats_of_telephones_in_several_languages(tmp_path: Path, line: str) -> None:
    text = "\n".join(line.format(words) for words in ("Hi", "a: b\nsecond", "<Media omitted>", "ok", "ok"))
    items, report = written(tmp_path, "_chat.txt", text, "whatsapp")
    assert [item.text for item in items] == ["Hi", "a: b\nsecond", "ok", "ok"]
    assert {item.author for item in items} == {"Zoë"}
    assert {datetime.fromtimestamp(item.at_ms / 1_000, UTC).isoformat()[:16] for item in items} == {
        "2024-01-20T22:54"
    }
    assert len({item.item_id for item in items}) == 4
    assert report.skipped == {"attachment": 1}


@pytest.mark.parametrize(
    "words",
    [
        *("This message was deleted", "Du hast diese Nachricht gelöscht.", "Vous avez supprimé ce message"),
        *(
            "Данное сообщение удалено",
            "Bu mesaj silindi",
            "Ta wiadomość została usunięta",
            "Mensagem apagada",
        ),
        *(
            "Ezt az üzenetet törölték",
            "このメッセージは削除されました",
            "삭제된 메시지입니다",
            "此消息已删除",
        ),
    ],
)
def test_what_was_deleted_in_a_chat_says_so_in_any_language(tmp_path: Path, words: str) -> None:
    text = f"13/01/2024, 19:20 - Ana: Hi\n13/01/2024, 19:21 - Ana: {words}\n13/01/2024, 19:22 - Ana: null\n"
    items, report = written(tmp_path, "_chat.txt", text, "whatsapp")
    assert [item.text for item in items] == ["Hi"]
    assert report.skipped == {"attachment": 1, "deleted": 1}
