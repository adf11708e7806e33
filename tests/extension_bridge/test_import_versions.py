"""The forms that services gave their exports over the years: assistants, X, Spotify, Netflix; each written by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from export_files import read_all

from extension_bridge.importers.items import ImportedItem, ImportReport


def export(folder: Path, name: str, content: Any, source: str) -> tuple[list[ImportedItem], ImportReport]:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return read_all(path, source)


def at(item: ImportedItem) -> str:
    return datetime.fromtimestamp(item.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


# --- assistants -------------------------------------------------------------------------------------------------


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    message = {"id": f"m{role}", "author": {"role": role, "name": None, "metadata": {}}, "content": content}
    return {
        "message": {**message, "create_time": 1_760_000_000.25, "recipient": "all", "metadata": {}, **more}
    }


def text(words: str) -> dict[str, Any]:
    return {"content_type": "text", "parts": [words]}


WORDLESS = {
    "a plan": (
        said("assistant", {"content_type": "thoughts", "thoughts": [{"summary": "Bread"}]}),
        "service_notice",
    ),
    "its length": (
        said("assistant", {"content_type": "reasoning_recap", "content": "Thought for 8s"}),
        "service_notice",
    ),
    "a call": (said("assistant", text('{"q": "bread"}'), recipient="web.run"), "service_notice"),
    "code for a tool": (
        said("assistant", {"content_type": "code", "text": "print(1)"}, recipient="python"),
        "service_notice",
    ),
    "a canvas": (
        said("assistant", text('{"name": "loaf"}'), recipient="canmore.create_textdoc"),
        "service_notice",
    ),
    "about me": (
        said(
            "user",
            {"content_type": "user_editable_context", "user_profile": "I bake", "user_instructions": "x"},
        ),
        "service_notice",
    ),
    "memory": (
        said("assistant", {"content_type": "model_editable_context", "model_set_context": "bakes"}),
        "service_notice",
    ),
    "a tool": (said("tool", {"content_type": "execution_output", "text": "1"}), "service_notice"),
    "a quote": (said("tool", {"content_type": "tether_quote", "text": "from a page"}), "service_notice"),
    "nothing yet": (said("assistant", text("")), "no_content"),
    "no content": (said("user", None), "no_content"),
    "a picture": (
        said("user", {"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer"}]}),
        "attachment",
    ),
    "a voice": (
        said(
            "user",
            {"content_type": "multimodal_text", "parts": [{"content_type": "audio_asset_pointer"}, ""]},
        ),
        "attachment",
    ),
    "a file": (said("user", text(""), metadata={"attachments": [{"name": "a.pdf"}]}), "attachment"),
}


@pytest.mark.parametrize("what", WORDLESS)
def test_what_nobody_said_in_a_conversation_is_counted(tmp_path: Path, what: str) -> None:
    node, reason = WORDLESS[what]
    mapping = {"root": {"message": None}, "gone": None, "x": node, "y": said("user", text("Bread?"))}
    items, report = export(
        tmp_path, "conversations.json", [{"title": "Bread", "mapping": mapping}], "chatgpt"
    )
    assert [item.text for item in items] == ["Bread?"]
    assert report.skipped == {reason: 1}


def test_what_was_said_by_voice_and_in_other_branches_is_read(tmp_path: Path) -> None:
    voice = {"content_type": "audio_transcription", "text": "Is it baked?", "direction": "in"}
    mapping = {
        "a": said("user", {"content_type": "multimodal_text", "parts": [{"content_type": "audio"}, voice]}),
        "b": said("assistant", text("Yes \ue200cite\ue202turn0search0\ue201 it is【3†source】.")),
        "c": said("assistant", text("No.")),  # the same question, answered again
    }
    items, report = export(
        tmp_path, "conversations-003.json", [{"title": "B", "mapping": mapping}], "chatgpt"
    )
    assert [item.text for item in items] == ["Is it baked?", "Yes  it is.", "No."]
    assert [item.author for item in items] == ["user", "assistant", "assistant"]
    assert report.skipped == {}


@pytest.mark.parametrize("wrapped", [lambda c: c, lambda c: {"conversations": [c]}, lambda c: [c]])
def test_one_conversation_alone_is_read_as_many_are(tmp_path: Path, wrapped: Any) -> None:
    conversation = {"title": "Bread", "create_time": 1.7e9, "mapping": {"a": said("user", text("Bread?"))}}
    items, report = export(tmp_path, "a.json", wrapped(conversation), "chatgpt")
    assert [(item.title, item.text) for item in items] == [("Bread", "Bread?")]
    assert report.skipped == {}
    claude = {"uuid": "c", "name": "Bread", "chat_messages": [{"sender": "human", "text": "Bread?"}]}
    items, report = export(tmp_path, "b.json", wrapped(claude), "chatgpt")
    assert [item.text for item in items] == ["Bread?"]


def test_what_lies_beside_the_conversations_is_not_taken_for_them(tmp_path: Path) -> None:
    shared = [{"id": "s", "conversation_id": "c", "title": "Bread", "is_anonymous": True}]
    assert export(tmp_path, "shared_conversations.json", shared, "chatgpt")[1].skipped == {"other_file": 1}
    feedback = [{"id": "m", "conversation_id": "c", "rating": "thumbs_up", "content": "{}"}]
    assert export(tmp_path, "message_feedback.json", feedback, "chatgpt")[1].skipped == {"other_file": 1}


def test_claude_s_thoughts_and_files_are_not_its_words(tmp_path: Path) -> None:
    parts = [{"type": "thinking", "thinking": "Flour?"}, {"type": "text", "text": "With flour."}]
    parts += [{"type": "tool_use", "name": "artifacts", "input": {}}, {"type": "tool_result", "content": []}]
    messages = [
        {"sender": "assistant", "text": "old", "content": parts, "created_at": "2025-01-02T03:04:05.6Z"},
        {"sender": "human", "text": "", "content": [], "attachments": [{"extracted_content": "a book"}]},
        {"sender": "human", "text": "", "content": [], "files": [{"file_name": "a.png"}]},
        {"sender": "human", "text": ""},
    ]
    items, report = export(tmp_path, "conversations.json", [{"chat_messages": messages}], "chatgpt")
    assert [item.text for item in items] == ["With flour."]
    assert report.skipped == {"attachment": 2, "no_content": 1}


def test_conversations_with_x_s_assistant(tmp_path: Path) -> None:
    def turn(sender: str, words: str) -> dict[str, Any]:
        who = {"value": "1", "name": sender.title(), "originalName": sender}
        item = {"chatId": "7", "createdAt": "2025-10-23T13:11:59.692Z", "sender": who, "message": words}
        return {"grokChatItem": item}

    archive = [turn("USER", "Bread?"), turn("AGENT", "With flour."), turn("USER", "")]
    items, report = export(
        tmp_path, "grok-chat-item.js", "window.YTD.grok_chat_item.part0 = " + json.dumps(archive), "chatgpt"
    )
    assert [(item.author, item.text, item.thread) for item in items] == [
        ("user", "Bread?", "7"),
        ("assistant", "With flour.", "7"),
    ]
    assert (at(items[0]), report.skipped) == ("2025-10-23 13:11:59", {"no_content": 1})


# --- X ----------------------------------------------------------------------------------------------------------


def archive(name: str, *records: Any) -> str:
    return f"window.YTD.{name}.part0 = " + json.dumps(records, indent=2)


def test_x_s_archive_of_several_years(tmp_path: Path) -> None:
    tweet = {"created_at": "Tue Jan 02 03:04:05 +0000 2024", "id_str": "1", "full_text": "a &gt; b"}
    for name in ("tweet.js", "tweets.js", "tweets-part1.js", "community-tweet.js"):
        (item,), report = export(tmp_path, name, archive("tweets", {"tweet": tweet}), "x")
        assert (item.text, at(item), report.skipped) == ("a > b", "2024-01-02 03:04:05", {})
    note = {"noteTweetId": "5", "createdAt": "2024-01-02T03:04:05.000Z", "core": {"text": "long " * 100}}
    (item,), _ = export(tmp_path, "note-tweet.js", archive("note_tweet", {"noteTweet": note}), "x")
    assert (item.kind, item.text) == ("post", ("long " * 100).strip())
    table = '"tweet_id","in_reply_to_status_id","timestamp","source","text","expanded_urls"\n'
    table += '"1","","2013-01-02 03:04:05 +0000","web","one, ""two""\nthree",""\n'
    (item,), _ = export(tmp_path, "tweets.csv", table, "x")
    assert (item.kind, item.text, at(item)) == ("post", 'one, "two"\nthree', "2013-01-02 03:04:05")


def test_x_s_messages_of_a_group_and_their_headings(tmp_path: Path) -> None:
    def message(**more: Any) -> dict[str, Any]:
        return {
            "messageCreate": {"id": "1", "senderId": "7", "createdAt": "2024-01-02T03:04:05.678Z", **more}
        }

    chat = {
        "conversationId": "900",
        "messages": [
            message(text="Hi", reactions=[], urls=[], mediaUrls=[], editHistory=[]),
            message(text="", mediaUrls=["https://ton.twitter.com/dm/1/2/a.jpg"]),
            {"conversationNameUpdate": {"name": "bakers"}},
            {"participantsLeave": {"userIds": ["8"]}},
        ],
    }
    text = archive("direct_messages_group", {"dmConversation": chat})
    items, report = export(tmp_path, "direct-messages-group.js", text, "x")
    assert [(item.author, item.text, item.thread) for item in items] == [("7", "Hi", "900")]
    assert report.skipped == {"attachment": 1, "service_notice": 2}
    headers = archive(
        "direct_message_headers", {"dmConversation": {"conversationId": "9", "messages": [message()]}}
    )
    assert export(tmp_path, "direct-message-headers.js", headers, "x")[1].skipped == {"other_file": 1}
    heads = archive("tweet_headers", {"tweet": {"tweet_id": "1", "user_id": "2", "created_at": "x"}})
    assert export(tmp_path, "tweet-headers.js", heads, "x")[1].skipped == {"other_file": 1}


# --- Spotify ----------------------------------------------------------------------------------------------------

HEARD = {
    "StreamingHistory0.json": ({"artistName": "A", "trackName": "B"}, ("B", "A")),
    "StreamingHistory_music_0.json": ({"artistName": "A", "trackName": "B"}, ("B", "A")),
    "StreamingHistory_podcast_0.json": ({"podcastName": "P", "episodeName": "E"}, ("E", "P")),
    "StreamingHistory_audiobook_0.json": (
        {"authorName": "W", "audiobookName": "Book", "chapterName": "One"},
        ("One", "Book"),
    ),
}


@pytest.mark.parametrize("name", HEARD)
def test_spotify_s_short_history(tmp_path: Path, name: str) -> None:
    record, heard = HEARD[name]
    (item,), report = export(
        tmp_path, name, [{"endTime": "2024-01-02 03:04", "msPlayed": 5, **record}], "spotify"
    )
    assert ((item.title, item.text), at(item), report.skipped) == (heard, "2024-01-02 03:04:00", {})


@pytest.mark.parametrize("when", ["2024-01-02T03:04:05Z", "2024-01-02 03:04:05 UTC"])
@pytest.mark.parametrize(
    "name", ["endsong_0.json", "Streaming_History_Audio_2023_1.json", "Streaming_History_Video_2.json"]
)
def test_spotify_s_long_history(tmp_path: Path, name: str, when: str) -> None:
    nothing = dict.fromkeys(
        (
            "master_metadata_track_name",
            "master_metadata_album_artist_name",
            "episode_name",
            "episode_show_name",
        )
    )
    row = {
        "ts": when,
        "username": "u",
        "ms_played": 5,
        "ip_addr": "93.184.216.34",
        "user_agent_decrypted": "x",
        **nothing,
    }
    song = row | {"master_metadata_track_name": "B", "master_metadata_album_artist_name": "A"}
    book = row | {"audiobook_title": "Book", "audiobook_chapter_title": "One", "audiobook_chapter_uri": "u"}
    items, report = export(tmp_path, name, [song, book, row], "spotify")
    assert [(item.title, item.text, at(item)) for item in items] == [
        ("B", "A", "2024-01-02 03:04:05"),
        ("One", "Book", "2024-01-02 03:04:05"),
    ]
    assert report.skipped == {"no_content": 1}
    assert "93.184" not in repr(items)


# --- Netflix ----------------------------------------------------------------------------------------------------

WATCHED = {
    "us": ("Title,Date", ("1/31/24", "1/2/24")),
    "uk": ("Title,Date", ("31/01/2024", "02/01/2024")),
    "de": ("Titel,Datum", ("31.01.24", "02.01.24")),
    "fr": ("Titre,Date", ("31/01/2024", "02/01/2024")),
    "es": ("Título,Fecha", ("31/1/24", "2/1/24")),
    "pt": ("Título,Data", ("31/01/24", "02/01/24")),
    "pl": ("Tytuł,Data", ("31.01.2024", "02.01.2024")),
    "nl": ("Titel,Datum", ("31-01-2024", "02-01-2024")),
    "se": ("Titel,Datum", ("2024-01-31", "2024-01-02")),
    "tr": ("Başlık,Tarih", ("31.01.2024", "2.01.2024")),
    "hu": ("Cím,Dátum", ("2024. 01. 31.", "2024. 01. 02.")),
    "ja": ("タイトル,日付", ("2024/01/31", "2024/01/02")),
    "ko": ("제목,날짜", ("2024. 1. 31.", "2024. 1. 2.")),
    "zh": ("标题,日期", ("2024/1/31", "2024/1/2")),
    "english in korea": ("Title,Date", ("24. 1. 31.", "24. 1. 2.")),
    "english in china": ("Title,Date", ("24/1/31", "24/1/2")),
}


@pytest.mark.parametrize("country", WATCHED)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_netflix_s_list_of_several_countries(tmp_path: Path, country: str, mark: str) -> None:
    heading, (first, last) = WATCHED[country]
    middle, later = first.replace("31", "19"), first.replace("31", "14")
    rows = [f'"Brot: ""Mehl, Wasser""","{first}"', f'"B","{middle}"', f'"B","{later}"', f'"C","{last}"']
    items, report = export(
        tmp_path, "NetflixViewingHistory.csv", mark + "\r\n".join([heading, *rows, ""]), "netflix"
    )
    assert [at(item)[:10] for item in items] == ["2024-01-31", "2024-01-19", "2024-01-14", "2024-01-02"]
    assert items[0].title == 'Brot: "Mehl, Wasser"'
    assert report.skipped == {}


def test_netflix_s_whole_answer(tmp_path: Path) -> None:
    heading = (
        "Profile Name,Start Time,Duration,Attributes,Title,Supplemental Video Type,Device Type,Bookmark,"
    )
    heading += "Latest Bookmark,Country\n"
    rows = "Me,2024-01-02 03:04:05,00:10:00,Autoplayed: user action: None; ,Film,,TV,00:10:00,Not latest view,DE\n"
    rows += "Me,2024-01-02 03:04:05,00:00:09,,Film (Trailer),TRAILER,TV,00:00:09,00:00:09,DE\n"
    items, report = export(tmp_path, "ViewingActivity.csv", heading + rows, "netflix")
    assert [(item.title, at(item), item.clock) for item in items] == [
        ("Film", "2024-01-02 03:04:05", "utc"),
        ("Film (Trailer)", "2024-01-02 03:04:05", "utc"),
    ]
    searched = "Profile Name,Country Iso Code,Device,Is Kids,Query Typed,Displayed Name,Action,Section,Utc Timestamp\n"
    searched += "Me,DE,TV,0,bre,Bread,select,Search,2024-01-02 03:04:05\n"
    (item,), _ = export(tmp_path, "SearchHistory.csv", searched, "netflix")
    assert (item.kind, item.text, item.clock) == ("search", "bre", "utc")
    assert report.skipped == {}
