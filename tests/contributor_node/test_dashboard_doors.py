"""The dashboard keeps strangers out: other hosts, other origins, other programs, other methods, and whoever is slow."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from crawl_sites import wall_ms
from dashboard_world import Visitor
from node_world import NodeProcess, coordinator, node, run_node, until

from contributor_node.dashboard.admission import make_link_token
from contributor_node.dashboard.link_file import LINK_FILE, new_link
from contributor_node.egress.line_log import read_rows
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    DASHBOARD_BODY_BYTES_MAX,
    DASHBOARD_CONNECTIONS_MAX,
)

PAGES = ("", "log", "data", "money", "questions", "live.json?page=now", "log/export")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NodeProcess]:
    folder = tmp_path_factory.mktemp("dashboard")
    async with coordinator(folder / "house") as house, node(folder / "node", house.url) as process:
        await until(lambda: process.status.get("role"), "the node's registration")
        yield process


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def visitor(running: NodeProcess) -> Visitor:
    return Visitor(running.home)


async def ask(visitor: Visitor, *arguments: object, **named: object) -> tuple[int, dict[str, str], str]:
    """Ask from a thread, since the coordinator runs in this loop."""
    return await asyncio.to_thread(visitor.ask, *arguments, **named)  # type: ignore[arg-type]


@pytest.fixture
async def guest(visitor: Visitor) -> Visitor:
    await asyncio.to_thread(visitor.enter)
    return visitor


# --- who is let in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
async def test_without_a_session_nothing_of_the_node_is_shown(visitor: Visitor, page: str) -> None:
    status, _, body = await asyncio.to_thread(visitor.page, page)
    assert status == 401
    assert "windrow node dashboard" in body
    assert "0x5aAeb" not in body


@pytest.mark.parametrize("page", PAGES)
async def test_with_one_every_page_is_there(guest: Visitor, page: str) -> None:
    status, headers, _ = await asyncio.to_thread(guest.page, page)
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.lower().startswith("access-control")]


async def test_a_cookie_is_for_this_path_and_no_script(visitor: Visitor) -> None:
    link = new_link(visitor.home, wall_ms()).removeprefix(f"http://{visitor.host}")
    _, headers, _ = await ask(visitor, "GET", link)
    parts = headers["Set-Cookie"].split("; ")
    assert set(parts[1:]) == {f"Path={visitor.place.path}", "HttpOnly", "SameSite=Strict"}
    assert headers["Location"] == visitor.place.path, "the token does not stay in the address"


async def test_a_link_lets_in_once(visitor: Visitor) -> None:
    link = new_link(visitor.home, wall_ms()).removeprefix(f"http://{visitor.host}")
    assert (await ask(visitor, "GET", link))[0] == 303
    assert (await ask(visitor, "GET", link))[0] == 401


async def test_a_wrong_token_or_cookie_lets_nobody_in(guest: Visitor) -> None:
    enter = f"{guest.place.path}enter?token="
    good = make_link_token(guest.place.secret, wall_ms())
    for token in ("", ".", "..", "a.b.c", good[:-1], good[:-1] + "é", make_link_token("0" * 64, wall_ms())):
        assert (await ask(guest, "GET", enter + token.replace("é", "%C3%A9")))[0] == 401
    right = guest.cookie
    for cookie in (
        "windrow_node=",
        right[:-1],
        right + "x",
        f"other={right}",
        "windrow_node=\xff",
        "a=b;;;=,",
    ):
        guest.cookie = cookie
        assert (await asyncio.to_thread(guest.page))[0] == 401


async def test_the_secret_is_for_the_owner_alone(running: NodeProcess) -> None:
    assert stat.S_IMODE((running.home / LINK_FILE).stat().st_mode) == 0o600
    place = Visitor(running.home).place
    assert place.secret not in running.log()
    assert place.path not in running.log(), "what a service's journal keeps lets nobody in"


async def test_it_listens_on_loopback_alone(visitor: Visitor) -> None:
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", visitor.place.port))


# --- where a request says it comes from --------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}"),
        *(
            "127.0.0.1:{port}.evil.example",
            "0.0.0.0:{port}",
            "[::1]:{port}",
            "localhost.:{port}",
            "LOCALHOST",
            "",
        ),
        *(
            "127.0.0.1:{port}@evil.example",
            "2130706433:{port}",
            "127.1:{port}",
            "evil.example,127.0.0.1:{port}",
        ),
    ],
)
async def test_a_foreign_host_is_refused(guest: Visitor, host: str) -> None:
    named = host.format(port=guest.place.port)
    for path in (guest.place.path, "/assets/style.css", "/"):
        assert (await ask(guest, "GET", path, {"Host": named}))[0] == 403


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "http://evil.example",
            "null",
            "https://127.0.0.1:{port}",
            "http://127.0.0.1",
            "http://127.0.0.1:1",
        ),
        *("http://127.0.0.1:{port}.evil.example", "http://localhost:{port}", "http://127x0x0x1:{port}", ""),
        *("file://", "chrome-extension://abcdefghijklmnop", "http://127.0.0.1:{port} http://evil.example"),
    ],
)
async def test_a_foreign_origin_is_refused(guest: Visitor, origin: str) -> None:
    named = origin.format(port=guest.place.port)
    token = await asyncio.to_thread(guest.form_token)
    assert (await asyncio.to_thread(guest.page, "", Origin=named))[0] == 403
    status, _, _ = await asyncio.to_thread(guest.post, "control", f"form={token}&do=pause", Origin=named)
    assert status == 403
    assert (await asyncio.to_thread(guest.page, "live.json"))[2].count('"control":"running"') == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_page_of_the_browser_is_refused(guest: Visitor, site: str) -> None:
    """`same-site` is another port of this machine: cookies do not keep ports apart."""
    assert (await asyncio.to_thread(guest.page, "", **{"Sec-Fetch-Site": site}))[0] == 403
    assert (await ask(guest, "GET", "/assets/live.js", {"Sec-Fetch-Site": site}))[0] == 403


async def test_localhost_is_a_name_for_it(guest: Visitor) -> None:
    named = {"Host": f"localhost:{guest.place.port}"}
    assert (await ask(guest, "GET", guest.place.path, named))[0] == 200


async def test_two_hosts_in_one_request_are_no_http(visitor: Visitor) -> None:
    head = f"GET / HTTP/1.1\r\nHost: {visitor.host}\r\nHost: evil.example\r\n\r\n"
    assert (await asyncio.to_thread(visitor.raw, head.encode())).startswith(b"HTTP/1.1 400 ")


# --- what changes something --------------------------------------------------------------------------------


async def test_nothing_changes_without_the_sessions_own_form(guest: Visitor) -> None:
    token = await asyncio.to_thread(guest.form_token)
    stranger = Visitor(guest.home)
    await asyncio.to_thread(stranger.enter)
    other = await asyncio.to_thread(stranger.form_token)
    assert other != token
    for fields in ("do=pause", "form=&do=pause", f"form={other}&do=pause", f"form={token}x&do=pause"):
        assert (await asyncio.to_thread(guest.post, "control", fields))[0] == 403
    wrong_kind = {"Content-Type": "text/plain"}
    sent = await asyncio.to_thread(guest.post, "control", f"form={token}&do=pause", **wrong_kind)
    assert sent[0] == 400
    without_origin = {"Content-Type": "application/x-www-form-urlencoded"}
    path = f"{guest.place.path}control"
    assert (await ask(guest, "POST", path, without_origin, f"form={token}&do=pause".encode()))[0] == 403
    assert (await ask(guest, "GET", f"{path}?form={token}&do=pause"))[0] == 405
    for do in ("", "shutdown", "PAUSE"):
        assert (await asyncio.to_thread(guest.post, "control", f"form={token}&do={do}"))[0] == 400
    assert not (guest.home / "control.json").exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE", "CONNECT"])
async def test_pages_answer_get_alone(guest: Visitor, method: str) -> None:
    origin = {"Origin": f"http://{guest.host}"}
    assert (await ask(guest, method, guest.place.path, origin))[0] in (400, 405)


# --- hostile bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/../site.py", "/assets/..%2fsite.py", "/assets/%2e%2e/site.py", "/assets//etc/passwd"),
        *(
            "/assets/style.css%00",
            "/assets/",
            "/assets",
            "//assets/style.css",
            "/assets/style.css/",
            "/..",
            "*",
        ),
        *(
            "{path}../assets/style.css",
            "{path}log/../log",
            "{path}log/export/../../../etc/passwd",
            "{path}%6cog",
        ),
        *("http://evil.example/", "http://{host}/assets/style.css", "{path}node_key", "{path}dashboard.json"),
    ],
)
async def test_only_known_names_are_served(guest: Visitor, path: str) -> None:
    named = path.format(path=guest.place.path, host=guest.host)
    status, _, body = await ask(guest, "GET", named)
    assert status in (400, 401, 404)
    assert "root:" not in body
    assert guest.place.secret not in body


async def test_what_is_too_large_or_no_http_is_refused(guest: Visitor) -> None:
    token = await asyncio.to_thread(guest.form_token)
    long = f"form={token}&do=pause&x=" + "x" * DASHBOARD_BODY_BYTES_MAX
    assert (await asyncio.to_thread(guest.post, "control", long))[0] == 413
    many = f"form={token}&do=pause" + "&a=b" * 50
    assert (await asyncio.to_thread(guest.post, "control", many))[0] == 400
    head = f"GET / HTTP/1.1\r\nHost: {guest.host}\r\nX: {'x' * 200_000}\r\n\r\n".encode()
    for data in (head, b"\x16\x03\x01\x02\x00\x01\x00", b"GET /\r\n\r\n", b"\0" * 70_000):
        got = await asyncio.to_thread(guest.raw, data)
        assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert (await asyncio.to_thread(guest.page))[0] == 200, "it goes on"


async def test_who_says_nothing_is_left_and_keeps_nobody_out_for_long(guest: Visitor) -> None:
    silent = [
        await asyncio.open_connection("127.0.0.1", guest.place.port) for _ in range(DASHBOARD_CONNECTIONS_MAX)
    ]
    for _, writer in silent[:4]:
        writer.write(b"GET / HTTP/1.1\r\nHost: ")
    assert await asyncio.to_thread(guest.raw, b"GET / HTTP/1.1\r\n\r\n") == b"", "there is a bound"
    ends = await asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True)
    assert all(end == b"" or isinstance(end, ConnectionResetError) for end in ends)
    for _, writer in silent:
        writer.close()
    assert (await asyncio.to_thread(guest.page))[0] == 200


# --- where it is -------------------------------------------------------------------------------------------


async def test_the_dashboards_own_requests_stand_in_the_log(guest: Visitor, running: NodeProcess) -> None:
    await asyncio.to_thread(guest.page, "money")
    urls = [row.url for row in read_rows(running.home / "line_log.ndjson")]
    assert any("/v1/accounts/" in url for url in urls)


async def test_it_ends_with_its_node(tmp_path: Path) -> None:
    async with (
        coordinator(tmp_path / "house") as house,
        node(tmp_path / "node", house.url) as alone,
    ):
        await until(lambda: alone.status.get("role"), "the node's registration")
        port = Visitor(alone.home).place.port
        assert await alone.stop() == 0
        assert not (tmp_path / "node" / LINK_FILE).exists()
        with pytest.raises(WindrowError) as refusal:
            new_link(alone.home, wall_ms())
        assert refusal.value.code == "no_dashboard"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


async def test_a_port_that_is_taken_is_said(tmp_path: Path, visitor: Visitor) -> None:
    flags = ("--home", str(tmp_path / "n"), "--payout", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    said = await asyncio.to_thread(run_node, *flags, "--dashboard-port", str(visitor.place.port))
    assert said.returncode == 2
    assert "dashboard_port" in said.stderr
    assert "[port_taken]" in said.stderr
