"""Chats and posts in the forms that services give them: Instagram, Facebook, Discord, Slack, Signal, Telegram."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from export_files import read_all, zipped

from extension_bridge.importers.items import ImportedItem, ImportReport


def export(folder: Path, name: str, content: Any, source: str) -> tuple[list[ImportedItem], ImportReport]:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_all(folder, source)


def at(item: ImportedItem) -> str:
    return datetime.fromtimestamp(item.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")


# --- Instagram and Facebook -------------------------------------------------------------------------------------

STYLE = "<style>._3-95{margin-bottom:4px}._a6-g{border:0}" + "._x{color:red}" * 8_000 + "</style>"
PAGE = f"<html><head>{STYLE}<title>Zoë</title></head><body><main>{{}}</main></body></html>"
NEW, OLD = (
    '<div class="pam _3-95 _2ph- _a6-g uiBoxWhite noborder">',
    '<div class="pam _3-95 _2pi0 _2lej uiBoxWhite noborder">',
)
SECTION = '<section class="_a6-g">'


def page_of(boxes: str) -> str:
    return f"<html><head>{STYLE}<title>Zoë</title></head><body><main>{boxes}</main></body></html>"


def message(who: str, words: str, when: str) -> str:
    body = f"<div><div></div><div>{words}</div><div></div></div>"
    reactions = '<ul class="_a6-q"><li><span>😂Ana<span> (Jan 3, 2024 6:56 am)</span></span></li></ul>'
    return (
        f'{NEW}<h2 class="_3-95 _2pim _a6-h _a6-i">{who}</h2><div class="_3-95 _a6-p">{body}{reactions}</div>'
        f'<div class="_3-94 _a6-o">{when}</div></div>'
    )


def test_instagram_s_messages_as_pages(tmp_path: Path) -> None:
    page = page_of(
        message("Ana &amp; Co", "Is it&#039;s rye?<br />Or wheat?", "Jan 2, 2024 7:20 pm")
        + message("Zoë", "", "Jan 2, 2024, 7:21 PM")
        + message("Zoë", 'See <a href="https://bread.example/">bread.example</a>', "Jan 02, 2024 7:22 pm")
    )
    name = "your_instagram_activity/messages/inbox/ana_17/message_1.html"
    items, report = export(tmp_path, name, page, "instagram")
    assert [(item.kind, item.author, item.text, at(item)) for item in items] == [
        ("message", "Ana & Co", "Is it's rye?\nOr wheat?", "2024-01-02 19:20"),
        ("message", "Zoë", "See bread.example", "2024-01-02 19:22"),
    ]
    assert {(item.thread, item.clock) for item in items} == {(name.rpartition("/")[0], "local")}
    assert report.skipped == {"attachment": 1}


def test_instagram_s_older_pages_and_facebook_s(tmp_path: Path) -> None:
    old = f'{OLD}<div class="_3-96 _2pio _2lek _2lel">Ana</div><div class="_3-96 _2let"><div><div></div><div>Hi</div>'
    old += '</div></div><div class="_3-94 _2lem">Jan 2, 2024, 7:20 PM</div></div>'
    new = f'{SECTION}<h2 id="u_0" class="_2ph_ _a6-h _a6-i">Ana</h2><div class="_2ph_ _a6-p"><div><div>Hi</div></div>'
    new += '</div><footer class="_3-94 _a6-o"><div class="_a72d">Jan 02, 2024 7:20:11 pm</div></footer></section>'
    for number, cell in enumerate((old, new)):
        items, report = export(tmp_path, f"inbox/ana/message_{number}.html", page_of(cell), "instagram")
        assert (items[-1].author, items[-1].text, at(items[-1])) == ("Ana", "Hi", "2024-01-02 19:20")
    assert report.skipped == {}


def test_what_instagram_s_pages_say_besides_messages(tmp_path: Path) -> None:
    def row(label: str, value: str) -> str:
        return f'<tr><td colspan="2" class="_2pin _a6_q">{label}<div><div>{value}</div></div></td></tr>'

    when = '<tr><td class="_2pin _a6_q">Zeit</td><td class="_2pin _2piu _a6_r">Jan. 2, 2024 7:20 pm</td></tr>'
    said = f'{NEW}<div class="_a6-p"><table>{row("Kommentar", "Schön!")}{row("Konto", "ana")}{when}</table></div></div>'
    sought = f'{NEW}<div class="_a6-p"><table>{row("Suche", "Brot")}{when}</table></div></div>'
    like = f'{NEW}<h2 class="_a6-h">ana</h2><div class="_a6-p"><div><div><a href="https://www.instagram.com/p/1/">👍</a>'
    like += "</div><div>Jan 2, 2024 7:20 pm</div></div></div></div>"
    post = f'{NEW}<h2 class="_a6-h _a6-i">Rye, baked today</h2><div class="_a6-p"><img src="a.jpg"></div>'
    post += '<div class="_3-94 _a6-o">Jan 2, 2024 7:20 pm</div></div>'
    for name, cell, kind, text in (
        ("comments/post_comments_1.html", said, "post", "Schön!"),
        ("recent_searches/word_or_phrase_searches.html", sought, "search", "Brot"),
        ("likes/liked_posts.html", like, "reaction", ""),
        ("media/posts_1.html", post, "post", "Rye, baked today"),
    ):
        (tmp_path / name.partition("/")[0]).mkdir()
        (item,), report = export(tmp_path / name.partition("/")[0], name, page_of(cell), "instagram")
        assert (item.kind, item.text, at(item)) == (kind, text, "2024-01-02 19:20"), name
        assert report.skipped == {}
    (tmp_path / "x").mkdir()
    items, report = export(tmp_path / "x", "followers_1.html", page_of(like), "instagram")
    assert (items, report.skipped) == ([], {"other_file": 1})


def test_a_page_of_any_size_is_cut_at_its_boxes(tmp_path: Path) -> None:
    page = page_of("".join(message("Ana", f"no {n}", "Jan 2, 2024 7:20 pm") for n in range(600)))
    items, _ = export(tmp_path, "message_1.html", page, "instagram")
    assert [item.text for item in items] == [f"no {n}" for n in range(600)]


def test_a_box_without_end_is_left_out_and_the_next_one_read(tmp_path: Path) -> None:
    page = page_of(
        message("Ana", "first", "Jan 2, 2024 7:20 pm")
        + message("Ana", "long " * 400_000, "Jan 2, 2024 7:20 pm")
        + message("Ana", "last", "Jan 2, 2024 7:20 pm")
        + "<div>" * 5_000  # deeper than is looked at
    )
    items, report = export(tmp_path, "message_1.html", page, "instagram")
    assert ([item.text for item in items], report.skipped) == (["first", "last"], {"item_too_large": 1})


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("reels.json", "ig_reels_media"),
        ("stories.json", "ig_stories"),
        ("archived_posts.json", "ig_archived_post_media"),
        ("threads_and_replies.json", "text_post_app_text_posts"),
    ],
)
def test_reels_stories_and_threads_have_words_too(tmp_path: Path, name: str, form: str) -> None:
    said = {"uri": "a.mp4", "creation_timestamp": 1_704_222_000, "title": "Sch\u00c3\u00b6n"}
    entries = [said if form == "ig_stories" else {"media": [said]}, {"media": [said | {"title": ""}]}]
    (item,), report = export(tmp_path, name, {form: entries}, "instagram")
    assert (item.kind, item.text, at(item)) == ("post", "Schön", "2024-01-02 19:00")
    assert report.skipped == {"attachment": 1}


def test_instagram_s_newest_lists(tmp_path: Path) -> None:
    owner = {"title": "Owner", "dict": [{"title": "", "dict": [{"label": "Username", "value": "ana"}]}]}
    url = {
        "label": "URL",
        "value": "https://www.instagram.com/p/1/",
        "href": "https://www.instagram.com/p/1/",
    }
    like = {"timestamp": 1_704_222_000, "media": [], "label_values": [url, owner], "fbid": "1"}
    (item,), report = export(tmp_path, "likes/liked_posts.json", [like], "instagram")
    assert (item.kind, item.url, at(item), report.skipped) == (
        "reaction",
        url["href"],
        "2024-01-02 19:00",
        {},
    )
    visit = {"timestamp": 1_704_222_000, "media": [], "label_values": [{"label": "Name", "value": "Ball"}]}
    _, report = export(tmp_path, "groups_you_visited.json", [visit], "instagram")
    assert report.skipped == {"other_file": 1}


def test_facebook_s_comments_searches_and_encrypted_chats(tmp_path: Path) -> None:
    when = 1_704_222_000
    comment = {"timestamp": when, "comment": "Sch\u00c3\u00b6n", "author": "Zoe"}
    comments = {
        "comments_v2": [{"timestamp": when, "data": [{"comment": comment}], "title": "Zoe commented"}]
    }
    searches = {
        "searches_v2": [
            {"timestamp": when, "data": [{"text": "Br\u00c3\u00b6tchen"}], "title": "You searched"}
        ]
    }
    said = {
        "isUnsent": False,
        "media": [],
        "reactions": [],
        "senderName": "Zoë",
        "text": "für",
        "type": "text",
    }
    chat = [
        said | {"timestamp": when * 1_000},
        said | {"isUnsent": True},
        said | {"text": "", "media": [{"uri": "a"}]},
    ]
    encrypted = {"participants": ["Ana", "Zoë"], "threadName": "Ana_3", "messages": chat}
    (tmp_path / "comments_and_reactions").mkdir()
    export(tmp_path, "comments_and_reactions/comments.json", comments, "instagram")
    export(tmp_path, "your_search_history.json", searches, "instagram")
    items, report = export(tmp_path, "messages/Ana_3.json", encrypted, "instagram")
    assert sorted((item.kind, item.text, at(item)) for item in items) == [
        ("message", "für", "2024-01-02 19:00"),
        ("post", "Schön", "2024-01-02 19:00"),
        ("search", "Brötchen", "2024-01-02 19:00"),
    ]
    assert {item.author for item in items if item.kind == "message"} == {"Zoë"}
    assert report.skipped == {"deleted": 1, "attachment": 1}


# --- Discord ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "json"])
def test_discord_s_package(tmp_path: Path, form: str) -> None:
    rows = [
        {
            "ID": 3,
            "Timestamp": "2024-01-02 19:20:11.726000+00:00",
            "Contents": 'Rye, "dark"\nor light?',
            "Attachments": "",
        },
        {
            "ID": 2,
            "Timestamp": "2024-01-02 19:19:00",
            "Contents": "",
            "Attachments": "https://cdn.example/a.png",
        },
    ]
    table = (
        'ID,Timestamp,Contents,Attachments\n3,2024-01-02 19:20:11.726000+00:00,"Rye, ""dark""\nor light?",\n'
    )
    table += "2,2024-01-02 19:19:00,,https://cdn.example/a.png\n"
    path = zipped(
        tmp_path / "package.zip",
        {
            f"Messages/c99/messages.{form}": (table if form == "csv" else json.dumps(rows)).encode(),
            "Messages/c99/channel.json": json.dumps(
                {"id": "99", "type": "DM", "recipients": ["1", "2"]}
            ).encode(),
            "Messages/index.json": json.dumps({"99": "Direct Message with ana#0"}).encode(),
        },
    )
    (item,), report = read_all(path, "discord")
    assert (item.text, item.author, item.thread) == ('Rye, "dark"\nor light?', "me", "c99")
    assert (at(item), item.clock) == ("2024-01-02 19:20", "utc")
    assert report.skipped == {"attachment": 1, "other_file": 2}


def test_discord_s_channels_by_another_program(tmp_path: Path) -> None:
    def said(kind: str, words: str, who: str = "ana") -> dict[str, Any]:
        author = {"id": "1", "name": who, "nickname": who.title(), "isBot": who == "bot"}
        when = "2024-01-02T20:20:11.726+01:00"
        return {
            "id": words,
            "type": kind,
            "timestamp": when,
            "content": words,
            "author": author,
            "attachments": [],
        }

    channel = {
        "guild": {"id": "0", "name": "Bakers"},
        "channel": {"id": "99", "type": "GuildTextChat", "name": "rye"},
        "messages": [
            said("Default", "Hi"),
            said("Reply", "Yes"),
            said("GuildMemberJoin", "Joined."),
            said("Default", ""),
        ],
        "messageCount": 4,
    }
    items, report = export(tmp_path, "rye.json", channel, "discord")
    assert [(item.author, item.text, item.thread, at(item)) for item in items] == [
        ("Ana", "Hi", "rye", "2024-01-02 19:20"),
        ("Ana", "Yes", "rye", "2024-01-02 19:20"),
    ]
    assert report.skipped == {"no_content": 1, "service_notice": 1}


# --- Slack ------------------------------------------------------------------------------------------------------


def test_slack_s_export(tmp_path: Path) -> None:
    def said(words: str, **more: Any) -> dict[str, Any]:
        return {"type": "message", "user": "U1", "text": words, "ts": "1704223211.000200", **more}

    day = [
        said("<@U2> has joined the channel", subtype="channel_join"),
        said(
            "Rye &amp; wheat, <@U2>? <https://bread.example/a|see here> <https://b.example> <#C1|bakers> <!here>"
        ),
        said(
            "Yes",
            user_profile={"real_name": "Ana Müller", "display_name": "ana"},
            thread_ts="1704223211.000200",
        ),
        said("", files=[{"name": "a.png"}]),
        said("build passed", subtype="bot_message", bot_id="B1"),
        said("Well", subtype="thread_broadcast"),
    ]
    export(tmp_path, "users.json", [{"id": "U1", "name": "ana", "profile": {"real_name": "Ana"}}], "slack")
    export(tmp_path, "channels.json", [{"id": "C1", "name": "bakers", "members": ["U1"]}], "slack")
    items, report = export(tmp_path, "bakers/2024-01-02.json", day, "slack")
    assert [(item.author, item.text) for item in items] == [
        ("U1", "Rye & wheat, @U2? see here https://b.example #bakers @here"),
        ("Ana Müller", "Yes"),
        ("U1", "Well"),
    ]
    assert {(item.thread, at(item)) for item in items} == {("bakers", "2024-01-02 19:20")}
    assert report.skipped == {"attachment": 1, "other_file": 2, "service_notice": 2}


# --- Signal and Telegram ----------------------------------------------------------------------------------------


def test_signal_s_chats_in_three_forms(tmp_path: Path) -> None:
    said = (("Me", "2024-01-02 19:20:11", "Rye?"), ("Ana", "2024-01-02 19:21:12", "Yes\nand more"))
    more = {"quote": "", "sticker": "", "reactions": [], "attachments": []}
    lines = [{"date": when, "sender": who, "body": words, **more} for who, when, words in said]
    forms = {
        "a/chat.md": "[2024-01-02, 19:20] Me: Rye?\n[2024-01-02, 19:21] Ana: Yes\nand more\n",
        "b/chat.md": "[2024-01-02 19:20:11] Me: Rye?\n[2024-01-02 19:21:12] Ana: Yes\nand more\n",
        "c/data.json": "\n".join(map(json.dumps, lines)),
    }
    for name, content in forms.items():
        items, report = export(tmp_path / name[0], name, content, "signal")
        assert [(item.author, item.text, at(item)) for item in items] == [
            ("Me", "Rye?", "2024-01-02 19:20"),
            ("Ana", "Yes\nand more", "2024-01-02 19:21"),
        ], name
        assert report.skipped == {}


def test_what_is_passed_on_is_not_the_words_of_who_passes_it_on(tmp_path: Path) -> None:
    said = {"type": "message", "date": "2024-01-02T19:20:11", "from": "Ana", "text": "Rye?"}
    chat = {"name": "Bakers", "messages": [said, said | {"forwarded_from": "Zoë", "text": "No."}]}
    items, _ = export(tmp_path, "result.json", chat, "telegram")
    assert [(item.author, item.text) for item in items] == [("Ana", "Rye?"), ("Zoë", "No.")]


def test_telegram_s_export_as_pages(tmp_path: Path) -> None:
    def said(inner: str, kind: str = "default clearfix") -> str:
        when = '<div class="pull_right date details" title="02.01.2024 20:20:11 UTC+01:00">20:20</div>'
        return f'<div class="message {kind}" id="message1"><div class="body">{when}{inner}</div></div>'

    page = "<!DOCTYPE html><html><head><title>Exported Data</title></head><body><div class='page_wrap'>"
    page += '<div class="page_header"><div class="text bold">Bakers</div></div><div class="history">'
    page += said(
        '<div class="from_name">Ana </div><div class="text">Rye <strong>dark</strong>?<br>Or not</div>'
    )
    page += said('<div class="text">Yes</div>', "default clearfix joined")
    page += '<div class="message service" id="message-1"><div class="body details">2 January 2024</div></div>'
    page += said('<div class="from_name">Zoë</div><div class="media_wrap clearfix"></div>')
    items, report = export(tmp_path, "messages.html", page + "</div></div></body></html>", "telegram")
    assert [(item.author, item.text, item.thread, at(item)) for item in items] == [
        ("Ana", "Rye dark?\nOr not", "Bakers", "2024-01-02 19:20"),
        ("Ana", "Yes", "Bakers", "2024-01-02 19:20"),
    ]
    assert report.skipped == {"attachment": 1, "service_notice": 1}
