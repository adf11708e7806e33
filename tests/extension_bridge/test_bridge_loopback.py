"""The bridge over a loopback WebSocket: only paired browsers, only with the right words, and nothing is ever lost."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bridge_world import PAGE, TERMS, Coordinator, coordinator, donation, new_home
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from contributor_node.bridge_host import HomeRemote
from extension_bridge.loopback import PATH, serve
from extension_bridge.native_host import open_host
from extension_bridge.pairing import Pairing, may_pair
from extension_bridge.settings import CHROMIUM_ORIGIN
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import NATIVE_MESSAGE_BYTES_MAX, PAIRING_CODE_MS, PAIRING_TRIES_MAX

ORIGIN = CHROMIUM_ORIGIN.rstrip("/")
FIREFOX = "moz-extension://0b5e9d9c-0000-4000-8000-00000000abcd"
NOWHERE = "http://127.0.0.1:9"


@dataclass
class SetClock:
    at_ms: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.at_ms


@dataclass
class Bridge:
    pairing: Pairing
    clock: SetClock
    port: int

    def dial(self, origin: str = ORIGIN, host: str = "", path: str = PATH) -> ClientConnection:
        """Open a connection as a browser would, or as an attacker."""
        named = host or f"127.0.0.1:{self.port}"
        raw = socket.create_connection(("127.0.0.1", self.port))
        return connect(
            f"ws://{named}{path}",
            origin=origin,
            sock=raw,
            proxy=None,
            max_size=NATIVE_MESSAGE_BYTES_MAX,
            open_timeout=None,
        )  # type: ignore[arg-type]

    @contextmanager
    def paired(self) -> Iterator[ClientConnection]:
        with self.dial() as connection:
            assert ask(connection, {"code": self.pairing.offer()})["ok"]
            yield connection


def _closed_with(connection: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv()
    return closed.value.rcvd.code if closed.value.rcvd else None


def ask(connection: ClientConnection, message: Any) -> Any:
    connection.send(message if isinstance(message, str | bytes) else json.dumps(message))
    return json.loads(connection.recv())


@contextmanager
def bridge(home: Path, url: str) -> Iterator[Bridge]:
    clock = SetClock()
    pairing = Pairing(home, clock)
    with open_host(home, url, HomeRemote) as host, serve(host.answer, pairing, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Bridge(pairing, clock, server.socket.getsockname()[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


async def test_a_paired_browser_gives_a_page_and_comes_back_with_its_token(
    tmp_path: Path, place: Coordinator
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)

    def talk() -> None:
        with bridge(home, place.url) as door:
            code = door.pairing.offer()
            assert len(code) == 8
            assert code.isdigit()
            with door.dial() as first:
                token = ask(first, {"code": code})["token"]
            with door.dial() as second:
                assert ask(second, {"token": token}) == {"ok": True}
                seen = ask(second, {"type": "preview", "page": PAGE, "terms": TERMS, "id": "7"})
                assert (seen["ok"], seen["id"]) == (True, "7")
                assert ask(second, donation())["state"] == "delivered"
            with door.dial() as again:
                assert ask(again, {"code": code})["error"] == "not_paired", "a code is good for one use"
            with door.dial(FIREFOX) as stranger:
                assert ask(stranger, {"token": token})["error"] == "not_paired", "a token is one origin's"
            kept = (home / "bridge_pairs.json").read_text()
            assert code not in kept
            assert token not in kept
            assert (home / "bridge_pairs.json").stat().st_mode & 0o077 == 0

    await asyncio.to_thread(talk)
    assert len(place.received()) == 1


def test_other_hosts_origins_and_paths_are_refused_before_they_can_say_a_word(tmp_path: Path) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door:
        attempts: list[dict[str, str]] = [
            {"origin": "http://127.0.0.1"},
            {"origin": "https://evil.example"},
            {"origin": "chrome-extension://" + "a" * 32},
            {"origin": ORIGIN + ".evil.example"},
            {"origin": ORIGIN + "/"},
            {"origin": "moz-extension://not-a-uuid"},
            {"origin": "null"},
            {"host": f"evil.example:{door.port}"},
            {"host": "127.0.0.1:1"},
            {"path": "/"},
            {"path": PATH + "/.."},
            {"path": PATH + "?token=x"},
            {"host": f"127.0.0.1.evil.example:{door.port}"},
            {"host": "localhost"},
        ]
        for attempt in attempts:
            with pytest.raises(InvalidStatus) as refusal, door.dial(**attempt):
                pass
            assert refusal.value.response.status_code == 403, attempt
            assert "wrong_origin" in (refusal.value.response.body or b"").decode()
        with door.paired() as honest:
            assert ask(honest, {"type": "hello"})["ok"], "it goes on"


def test_codes_end_by_time_by_tries_and_by_a_newer_code(tmp_path: Path) -> None:
    clock = SetClock()
    pairing = Pairing(new_home(tmp_path / "node"), clock)

    def redeem(code: str, origin: str = ORIGIN) -> str:
        try:
            return pairing.redeem(code, origin)
        except WindrowError as error:
            return error.code

    code = pairing.offer()
    clock.at_ms += PAIRING_CODE_MS + 1
    assert redeem(code) == "not_paired"
    older, newer = pairing.offer(), pairing.offer()
    assert redeem(older) == "not_paired" or older == newer
    assert redeem(newer, "https://evil.example") == "wrong_origin"
    code = pairing.offer()
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _ in range(PAIRING_TRIES_MAX):
        assert redeem(wrong) == "not_paired"
    assert redeem(code) == "not_paired", "too many guesses void the right one too"
    code = pairing.offer()
    token = redeem(code)
    pairing.require(token, ORIGIN)
    assert redeem(code) == "not_paired"
    assert may_pair(FIREFOX)


@pytest.mark.parametrize(
    "knock", ["", "{", "[]", "7", '{"token": 7}', '{"token": "x"}', '{"code": "1", "x": 1}', "{}"]
)
def test_who_does_not_knock_properly_is_told_and_left(tmp_path: Path, knock: str) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door, door.dial() as connection:
        answer = ask(connection, knock)
        assert answer["ok"] is False
        assert answer["remedy"]
        with pytest.raises(ConnectionClosed):
            connection.recv()


def test_bad_and_huge_messages_harm_nothing_and_a_dead_coordinator_loses_nothing(tmp_path: Path) -> None:
    home = new_home(tmp_path / "node")
    with bridge(home, NOWHERE) as door:
        with door.paired() as connection:
            for message in ("{", "[]", b"\xff\xfe", '{"type": "nonsense"}', "[" * 50_000):
                answer = ask(connection, message)
                assert answer["ok"] is False, message[:20]
                assert answer["sentence"]
            assert ask(connection, donation())["error"] == "not_running", "it never met a coordinator"
            put = {"type": "put_aside", "source": "browser_page", "pages": [PAGE]}
            assert ask(connection, put)["added"] == 1
            node = ask(connection, {"type": "node"})
            assert (node["is_running"], node["earned_today_wei"]) == (False, None)
            assert node["heading"] == "Not running"
            assert ask(connection, {"type": "node", "language": "de"})["heading"] == "Läuft nicht"
            assert ask(connection, {"type": "node", "do": "pause"})["control"] == "paused"
            assert ask(connection, {"type": "node", "do": "resume"})["control"] == "running"
            assert ask(connection, {"type": "dashboard", "page": "give"})["error"] == "no_dashboard"
        with door.paired() as connection, pytest.raises(ConnectionClosed):
            ask(connection, "x" * (NATIVE_MESSAGE_BYTES_MAX + 1))
        with door.paired() as connection:
            assert ask(connection, {"type": "status"})["put_aside"] == 1, "what was put aside is still there"


def test_no_compression_is_agreed_on_so_nothing_can_unfold(tmp_path: Path) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door:
        with door.paired() as connection:  # the client offers permessage-deflate, as browsers do
            assert connection.response
            assert "Sec-WebSocket-Extensions" not in connection.response.headers
        packer = zlib.compressobj(wbits=-15)
        bomb = packer.compress(b" " * 50_000_000) + packer.flush()
        compressed_text, masked_64_bit_length = 0b1100_0001, 0b1111_1111
        # the mask of 0 changes nothing
        head = struct.pack("!BBQ4x", compressed_text, masked_64_bit_length, len(bomb))
        with door.paired() as connection:
            connection.socket.sendall(head + bomb)
            assert _closed_with(connection) == 1002
        with door.paired() as honest:
            assert ask(honest, {"type": "hello"})["ok"], "it goes on"


def test_a_message_in_pieces_is_one_message_and_bounded_as_one(tmp_path: Path) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door:
        with door.paired() as connection:
            connection.send(iter(['{"type":', "", ' "hello"}']))
            assert json.loads(connection.recv())["ok"]
        piece = "x" * (NATIVE_MESSAGE_BYTES_MAX // 4)
        with door.paired() as connection:
            with suppress(ConnectionClosed):
                connection.send(piece for _ in range(8))
            assert _closed_with(connection) in (1009, None), (
                "None where the rest of the pieces met a closed door"
            )


def test_clients_that_neither_speak_nor_read_keep_no_other_waiting(tmp_path: Path) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door, door.dial(), door.paired() as mute:
        mute.send(
            json.dumps({"type": "preview", "page": {**PAGE, "text": "The hay. " * 50_000}, "terms": TERMS})
        )
        mute.send('{"type": "status"}')
        with door.paired() as honest:
            assert ask(honest, {"type": "hello"})["ok"]


def test_a_second_browser_does_not_unpair_the_first_and_guesses_do_not_either(tmp_path: Path) -> None:
    with bridge(new_home(tmp_path / "node"), NOWHERE) as door:
        with door.dial() as first:
            token = ask(first, {"code": door.pairing.offer()})["token"]
        with door.dial(FIREFOX) as second:
            assert ask(second, {"code": door.pairing.offer()})["ok"]
        for _ in range(PAIRING_TRIES_MAX + 1):
            with door.dial() as guess:
                assert ask(guess, {"code": "00000000"})["error"] == "not_paired"
        with door.dial() as first:
            assert ask(first, {"token": token})["ok"]
