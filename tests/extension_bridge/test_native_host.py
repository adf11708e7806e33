"""The real host over pipes, with a real coordinator: bad frames harm nothing, and no acknowledged donation is lost."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bridge_world import PAGE, TERMS, Coordinator, coordinator, donation, frame, host, new_home, no_bytes_of

from extension_bridge.settings import FIREFOX_EXTENSION_ID, BridgeSettings, write_settings
from windrow_protocol.limits import NATIVE_MESSAGE_BYTES_MAX, NATIVE_MESSAGE_SKIP_BYTES_MAX
from windrow_protocol.signing import verify

NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


@pytest.fixture
async def home(tmp_path: Path, place: Coordinator) -> Path:
    made = new_home(tmp_path / "node")
    await place.register(made)
    return made


async def test_a_page_goes_from_preview_to_receipt(place: Coordinator, home: Path) -> None:
    async with host(home, "--coordinator", place.url) as bridge:
        hello = await bridge.ask({"type": "hello", "id": "7"})
        assert (hello["ok"], hello["id"], hello["protocol"]) == (True, "7", 1)
        seen = await bridge.ask({"type": "preview", "page": PAGE, "terms": TERMS, "language": "de"})
        assert seen["record"]["url"] == "https://blog.example/post/7"
        assert "[EMAIL]" in seen["record"]["text"]
        assert seen["findings"] == [{"kind": "email", "count": 1}, {"kind": "phone", "count": 1}]
        assert "365 Tage" in seen["notice"]
        message = donation()
        message["consent"]["notice_sha256"] = seen["notice_sha256"]
        given = await bridge.ask({**message, "language": "de"})
        assert (given["ok"], given["state"]) == (True, "delivered")
        assert await bridge.end() == 0
    (received,) = place.received()
    assert received.records[0].text == seen["record"]["text"]
    assert received.contribution_id == given["contribution_id"]
    statement = verify(
        given["receipt"],
        signer=place.house.coordinator_id,
        network=place.house.network,
        purpose="personal_receipt",
        subject=hello["node_id"],
        now_ms=place.house.now_ms(),
    )
    assert statement.content
    assert statement.content["consent_receipt_id"] == given["consent_receipt_id"]


async def test_the_same_item_is_the_same_donation(place: Coordinator, home: Path) -> None:
    answers = []
    for _ in range(2):
        async with host(home, "--coordinator", place.url, "--once") as bridge:
            answers.append(await bridge.ask(donation()))
            assert await bridge.process.wait() == 0, "--once ends by itself"
    assert answers[0] == answers[1]
    async with host(home, "--coordinator", place.url) as bridge:
        later = await bridge.ask(donation(captured_at_ms=PAGE["captured_at_ms"] + 1))  # type: ignore[operator]
        assert later["contribution_id"] == answers[0]["contribution_id"], "the same text of the same page"
    assert len(place.received()) == 1


BAD_FRAMES: list[tuple[bytes, str]] = [
    (frame(b"{"), "not_json"),
    (frame(b""), "not_json"),
    (frame(b"\xff\xfe"), "not_json"),
    (frame(b"[" * 100_000), "wrong_schema"),
    (frame(b"[]"), "wrong_schema"),
    (frame(b"7"), "wrong_schema"),
    (frame({"type": "nonsense"}), "wrong_schema"),
    (frame({"type": "hello", "surprise": 1}), "wrong_schema"),
    (frame({"type": "preview"}), "wrong_schema"),
    (frame({"type": "preview", "page": {**PAGE, "captured_at_ms": "now"}}), "wrong_schema"),
    (frame({"type": "preview", "page": {**PAGE, "url": "file:///etc/passwd"}}), "bad_url"),
    (frame({"type": "preview", "page": {**PAGE, "text": " "}}), "empty_text"),
    (frame({"type": "donate", "page": PAGE, "consent": {**TERMS, "agreed": False}}), "not_agreed"),
    (frame({"type": "donate", "page": PAGE, "consent": TERMS}), "wrong_schema"),
    (
        frame({"type": "donate", "page": PAGE, "consent": {**TERMS, "agreed": True, "purpose": "any"}}),
        "wrong_schema",
    ),
    (
        frame({"type": "donate", "page": PAGE, "consent": {**TERMS, "agreed": True, "notice_sha256": "0"}}),
        "bad_consent",
    ),
    (frame({"type": "withdraw", "contribution_id": "p" + "0" * 31}), "not_found"),
    (frame({"type": "status", "count_max": 10_000}), "wrong_schema"),
    (frame(b'{"type":"hello","id":"' + b"x" * NATIVE_MESSAGE_BYTES_MAX + b'"}'), "too_large"),
    (frame({"type": "preview", "page": {**PAGE, "text": '"\n' * 300_000}}), "too_large"),
]


async def test_bad_frames_get_a_clear_answer_and_the_host_goes_on(place: Coordinator, home: Path) -> None:
    async with host(home, "--coordinator", place.url) as bridge:
        for data, code in BAD_FRAMES:
            await bridge.send(data)
            answer = await bridge.read()
            assert answer["error"] == code, data[:80]
            assert answer["ok"] is False
            assert answer["sentence"]
            assert answer["remedy"]
        assert (await bridge.ask({"type": "hello"}))["ok"], "still there"
        assert await bridge.end() == 0
    assert place.received() == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x01", "not_json"),
        (struct.pack("=I", 50) + b"short", "not_json"),
        (struct.pack("=I", NATIVE_MESSAGE_SKIP_BYTES_MAX + 1) + b"x", "too_large"),
        (struct.pack("=I", 0xFFFFFFFF), "too_large"),
        (struct.pack("=I", NATIVE_MESSAGE_BYTES_MAX + 1) + b"x", "too_large"),
    ],
    ids=["half a length", "half a frame", "a huge length", "the largest length", "a long frame cut short"],
)
async def test_a_broken_stream_ends_the_host_cleanly(home: Path, data: bytes, code: str) -> None:
    async with host(home, "--coordinator", NOWHERE) as bridge:
        await bridge.send(data)
        assert bridge.process.stdin
        bridge.process.stdin.write_eof()
        assert (await bridge.read())["error"] == code
        assert await bridge.read() is None
        assert await bridge.process.wait() == 0


@pytest.mark.parametrize(
    "origin", ["", "chrome-extension://" + "a" * 32 + "/", "https://blog.example/", "evil@windrow"]
)
async def test_only_the_extension_is_answered(home: Path, origin: str) -> None:
    async with host(home, "--coordinator", NOWHERE, origin=origin) as bridge:
        assert (await bridge.read())["error"] == "wrong_origin"
        assert await bridge.process.wait() == 2


async def test_firefox_is_answered_by_its_id(home: Path) -> None:
    async with host(
        home, "--coordinator", NOWHERE, "/somewhere/manifest.json", origin=FIREFOX_EXTENSION_ID
    ) as bridge:
        assert (await bridge.ask({"type": "hello"}))["ok"]


async def test_the_coordinator_is_read_from_the_home(place: Coordinator, home: Path) -> None:
    write_settings(home, BridgeSettings(coordinator_url=place.url))
    async with host(home) as bridge:
        assert (await bridge.ask(donation()))["state"] == "delivered"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (None, "bad_config"),
        ("{", "bad_config"),
        ('{"coordinator_url": "http://far.example"}', "bad_config"),
        ('{"coordinator_url": "file:///etc"}', "bad_config"),
        ('{"surprise": "1"}', "bad_config"),
    ],
)
async def test_a_bad_configuration_is_named_in_every_answer(
    home: Path, settings: str | None, code: str
) -> None:
    if settings is not None:
        (home / "bridge.json").write_text(settings)
    async with host(home) as bridge:
        for _ in range(2):
            answer = await bridge.ask({"type": "hello"})
            assert answer["error"] == code
            assert answer["remedy"]


async def test_without_a_node_key_the_remedy_is_named(tmp_path: Path) -> None:
    async with host(tmp_path / "empty", "--coordinator", NOWHERE) as bridge:
        assert (await bridge.ask({"type": "hello"}))["error"] == "no_node_key"


async def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    (home / "bridge.db").mkdir()
    async with host(home, "--coordinator", NOWHERE) as bridge:
        assert (await bridge.ask(donation()))["error"] == "home_unwritable"


async def test_before_first_contact_nothing_is_taken(home: Path) -> None:
    async with host(home, "--coordinator", NOWHERE) as bridge:
        answer = await bridge.ask(donation())
        assert (answer["ok"], answer["error"]) == (False, "not_running")
        assert (await bridge.ask({"type": "status"}))["donations"] == []


async def first_contact(place: Coordinator, home: Path) -> None:
    """Let the home learn the network and its key, as on an earlier day."""
    async with host(home, "--coordinator", place.url) as bridge:
        assert (await bridge.ask(donation(text="an earlier page")))["state"] == "delivered"


async def test_an_outage_keeps_the_donation_until_it_is_over(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    async with host(home, "--coordinator", NOWHERE) as bridge:
        given = await bridge.ask(donation())
        assert given["ok"]
        assert given["state"] == "sent"
        assert given["reason"] == "not_running"
    async with host(home, "--coordinator", place.url) as bridge:
        status = await bridge.ask({"type": "status"})
        assert status["counts"]["delivered"] == 2
        assert {d["reason"] for d in status["donations"]} == {""}
    assert len(place.received()) == 2


async def test_an_unregistered_node_waits_and_is_told_why(tmp_path: Path, place: Coordinator) -> None:
    home = new_home(tmp_path / "fresh")
    async with host(home, "--coordinator", place.url) as bridge:
        given = await bridge.ask(donation())
        assert (given["state"], given["reason"]) == ("sent", "unknown_node")
        assert "register" in given["sentence"]
        await place.register(home)
        assert (await bridge.ask({"type": "status"}))["counts"]["delivered"] == 1


@asynccontextmanager
async def _listener(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


async def test_killed_before_the_coordinator_answers_nothing_is_lost(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    arrived = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        arrived.set()
        await reader.read()

    async with _listener(never_answer) as url, host(home, "--coordinator", url) as bridge:
        await bridge.send(frame(donation()))
        await arrived.wait()
        bridge.process.kill()
        await bridge.process.wait()
    async with host(home, "--coordinator", place.url) as bridge:
        assert (await bridge.ask({"type": "status"}))["counts"]["delivered"] == 2
        again = await bridge.ask(donation())
        assert again["state"] == "delivered"
    assert len(place.received()) == 2


async def test_killed_before_it_saw_the_receipt_nothing_is_doubled(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    accepted = asyncio.Event()

    async def swallow_the_answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        port = int(place.url.rpartition(":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(request)
        answer = await there.read()
        assert b"200 OK" in answer
        accepted.set()
        back.close()
        await reader.read()

    async with _listener(swallow_the_answer) as url, host(home, "--coordinator", url) as bridge:
        await bridge.send(frame(donation()))
        await accepted.wait()
        bridge.process.kill()
        await bridge.process.wait()
    assert len(place.received()) == 2, "the coordinator has it, the host does not know"
    async with host(home, "--coordinator", place.url) as bridge:
        assert (await bridge.ask({"type": "status"}))["counts"]["delivered"] == 2
    assert len(place.received()) == 2


NO_RECEIPTS = {
    "no receipt": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no JWS": b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"receipt":"a.b"}',
    "no object": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "failure": b"HTTP/1.1 500 Oops\r\nContent-Length: 3\r\n\r\nno!",
    "garbage": b"garbage\r\n\r\n",
    "closed": b"",
}


async def test_what_is_no_receipt_is_not_delivered(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    answers = list(NO_RECEIPTS.items())

    async def give_the_next(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _read_request(reader)
        writer.write(answers[0][1])
        await writer.drain()
        writer.close()

    async with _listener(give_the_next) as url, host(home, "--coordinator", url) as bridge:
        given = await bridge.ask(donation())
        while answers:
            name, _ = answers[0]
            waits, earlier = (await bridge.ask({"type": "status"}))["donations"]
            assert earlier["state"] == "delivered"
            assert waits["contribution_id"] == given["contribution_id"]
            assert (waits["state"], waits["reason"]) == ("sent", "not_running"), name
            answers.pop(0)


async def test_a_final_refusal_is_shown_and_not_repeated(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    with sqlite3.connect(home / "bridge.db") as connection:  # the home was moved to another network
        connection.execute("UPDATE facts SET value = 'windrow-elsewhere' WHERE name = 'network'")
    async with host(home, "--coordinator", place.url) as bridge:
        given = await bridge.ask(donation())
        assert (given["state"], given["reason"]) == ("refused", "wrong_network")
        assert given["sentence"]
        assert (await bridge.ask({"type": "status"}))["counts"]["refused"] == 1
    assert len(place.received()) == 1


async def test_withdrawal_is_signed_acknowledged_and_only_once(place: Coordinator, home: Path) -> None:
    async with host(home, "--coordinator", place.url) as bridge:
        hello = await bridge.ask({"type": "hello"})
        given = await bridge.ask(donation())
        message = {"type": "withdraw", "contribution_id": given["contribution_id"]}
        taken_back = await bridge.ask(message)
        assert taken_back["state"] == "withdrawn"
        receipt = verify(
            taken_back["withdrawal_receipt"],
            signer=place.house.coordinator_id,
            network=place.house.network,
            purpose="personal_withdrawal_receipt",
            subject=hello["node_id"],
            now_ms=place.house.now_ms(),
        )
        assert receipt.content
        assert receipt.content["contribution_id"] == given["contribution_id"]
        assert (await bridge.ask(message))["error"] == "nothing_to_withdraw"
    assert place.received() == []
    with sqlite3.connect(home / "bridge.db") as connection:
        ((token,),) = connection.execute("SELECT withdrawal_jws FROM donations").fetchall()
    statement = verify(
        token,
        signer=hello["node_id"],
        network=place.house.network,
        purpose="withdrawal",
        now_ms=place.house.now_ms(),
    )
    assert statement.content
    assert statement.content["contribution_id"] == given["contribution_id"]


async def test_what_is_withdrawn_leaves_no_trace_on_the_disk(place: Coordinator, home: Path) -> None:
    await first_contact(place, home)
    secret = "a very recognisable sentence about the hay"
    with no_bytes_of(secret.encode(), home):
        async with host(home, "--coordinator", NOWHERE) as bridge:
            given = await bridge.ask(donation(text=secret))
            assert secret.encode() in b"".join(p.read_bytes() for p in home.iterdir()), "it is kept meanwhile"
            message: dict[str, Any] = {"type": "withdraw", "contribution_id": given["contribution_id"]}
            assert (await bridge.ask(message))["state"] == "withdrawing", (
                "an attempt was made: the other side is told"
            )
    assert len(place.received()) == 1


async def test_a_delivered_text_is_not_kept(place: Coordinator, home: Path) -> None:
    secret = "another very recognisable sentence"
    with no_bytes_of(secret.encode(), home):
        async with host(home, "--coordinator", place.url) as bridge:
            assert (await bridge.ask(donation(text=secret)))["state"] == "delivered"
    assert (home / "bridge.db").stat().st_mode & 0o077 == 0
