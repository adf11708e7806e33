"""Behind a proxy each node is seen where it is; nobody else says who they are."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.env import Request, Response, Route, json_response
from storage.forwarded import asker, behind_proxies, proxies_of
from storage.real_env import real_env
from windrow_protocol.errors import WindrowError

OURS = proxies_of(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "header", "seen"),
    [
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.9, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "10.9.9.9, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("198.51.100.9", "203.0.113.7", "198.51.100.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.7:5678", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::7]:5678", "2001:db8::7"),
        ("127.0.0.1", "2001:DB8::7", "2001:db8::7"),
        ("127.0.0.1", "::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("fd00::5", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "203.0.113.7, unknown, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "203.0.113.7, <script>", "127.0.0.1"),
        ("127.0.0.1", ",,, 203.0.113.7 ,,", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7" + ", 10.1.2.3" * 5_000, "10.1.2.3"),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxys(peer: str, header: str, seen: str) -> None:
    assert asker(peer, header, OURS) == seen


@given(st.text(max_size=200), st.ip_addresses(v=4).map(str))
def test_what_the_asker_writes_changes_nothing(written: str, own: str) -> None:
    """A proxy appends the address that it saw; whatever stood there before is the asker's word."""
    before = f"{written}, " if written.strip() else ""
    alone = asker("127.0.0.1", own, proxies_of(["127.0.0.1"]))
    assert asker("127.0.0.1", f"{before}{own}", proxies_of(["127.0.0.1"])) == alone or own == "127.0.0.1"


async def test_a_second_header_line_is_read_too() -> None:
    """Some proxies append a line of their own: the asker's comes first, and is not believed."""

    async def door(request: Request) -> Response:
        return json_response({"peer": request.peer})

    doors = behind_proxies([Route("GET", "/", door, "says who asks")], OURS)
    server = await real_env().network.serve(doors, host="127.0.0.1", port=0)
    lines = b"X-Forwarded-For: 198.51.100.9\r\nX-Forwarded-For: 203.0.113.7\r\n"
    try:
        answer = await _ask(server.url, lines)
    finally:
        await server.close()
    assert b'"203.0.113.7"' in answer


async def _ask(url: str, lines: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, family=socket.AF_INET)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + lines + b"\r\n")
    answer = await reader.read()
    writer.close()
    return answer


def test_without_proxies_nothing_is_believed_and_a_wrong_setting_is_named() -> None:
    assert asker("127.0.0.1", "203.0.113.7", proxies_of([])) == "127.0.0.1"
    with pytest.raises(WindrowError, match="trusted_proxies") as caught:
        proxies_of(["10.0.0.1/8"])
    assert caught.value.code == "bad_config"
