"""The egress proxy against real servers on loopback: what leaves, what does not, and what is said about it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from crawl_sites import Answer, Site, credentials, grant, html, serve, through, wall_ms

from contributor_node.egress import EgressProxy, EgressSettings
from contributor_node.egress_grants import GrantTable, target_of
from contributor_node.line_log import LineLog, read_refusals, read_rows
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SUBRESOURCES_PER_PAGE_MAX

Opening = Callable[..., AbstractAsyncContextManager[EgressProxy]]


@pytest.fixture
def open_proxy(tmp_path: Path) -> Opening:
    @asynccontextmanager
    async def opening(*sites: Site, **options: Any) -> AsyncIterator[EgressProxy]:
        source = options.pop("source_address", "")
        allowed = frozenset(site.endpoint for site in sites)
        settings = EgressSettings(allow_private=allowed, pace_private_s=0.1, source_address=source)
        log = options.pop("log", None) or LineLog(tmp_path / "line_log.ndjson", wall_ms)
        proxy = EgressProxy(settings, log, wall_ms, **options)
        await proxy.start()
        try:
            yield proxy
        finally:
            await proxy.close()

    return opening


async def hello(request: web.Request) -> web.StreamResponse:
    return html("hello")


def resolving(*addresses: str) -> Callable[[str, int], Any]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


# --- what is covered by a lease --------------------------------------------------------------------------------


async def test_a_leased_page_comes_through_and_is_a_row(open_proxy: Opening, tmp_path: Path) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x?q=1"))
        answer = await through(proxy, f"{site.base}/x?q=1", auth=credentials(proxy))
        state = proxy.grants.revoke("l1")
    assert (answer.status, site.hits) == (200, ["/x?q=1"])
    assert b"hello" in answer.body
    (row,) = read_rows(tmp_path / "line_log.ndjson")
    assert (row.url, row.purpose, row.lease_id, row.status) == (f"{site.base}/x?q=1", "page", "l1", 200)
    assert state is not None
    assert row.bytes_down == state.traffic.bytes_down > len(answer.body)


REFUSED_ASKS = [
    ("no credentials", None, "/x"),
    ("another lease", ("l2", "page"), "/x"),
    ("no purpose", ("l1", "whatever"), "/x"),
    ("another path", ("l1", "page"), "/y"),
    ("another query", ("l1", "page"), "/x?a=1"),
    ("a redirect nobody saw", ("l1", "redirect"), "/y"),
    ("a sub-resource of an http lease", ("l1", "subresource"), "/x"),
    ("robots of another path", ("l1", "robots"), "/y/robots.txt"),
]


@pytest.mark.parametrize(
    ("auth", "path"), [ask[1:] for ask in REFUSED_ASKS], ids=[ask[0] for ask in REFUSED_ASKS]
)
async def test_what_no_lease_covers_does_not_leave(
    auth: tuple[str, str] | None, path: str, open_proxy: Opening, tmp_path: Path
) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(
            proxy, site.base + path, auth=credentials(proxy, *auth) if auth is not None else None
        )
    assert (answer.status, answer.refused, site.hits) == (403, "not_leased", [])
    assert json.loads(answer.body).keys() >= {"error", "sentence", "remedy"}
    assert list(read_rows(tmp_path / "line_log.ndjson")) == []
    assert [row.error for row in read_refusals(tmp_path / "line_log.ndjson")] == ["not_leased"]


async def test_a_wrong_secret_is_no_lease(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        token = base64.b64encode(b"l1.page:" + b"0" * 32).decode()
        for auth in (
            f"Basic {token}",
            "Basic %%%",
            "Bearer x",
            "Basic " + base64.b64encode(b"\xff.page:x").decode(),
        ):
            assert (await through(proxy, f"{site.base}/x", auth=auth)).refused == "not_leased"
    assert site.hits == []


async def test_tunnels_need_a_lease_for_that_host_and_port(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site, other) as proxy:
        secure = f"https://{site.address}:{site.port}/x"
        proxy.grants.add(grant(secure))
        proxy.grants.add(grant(f"{site.base}/x", "l2"))
        place, elsewhere = f"{site.address}:{site.port}", f"{other.address}:{other.port}"
        refused = [
            await through(proxy, place, auth=None, method="CONNECT"),
            await through(proxy, elsewhere, auth=credentials(proxy), method="CONNECT"),
            await through(proxy, place, auth=credentials(proxy, "l2"), method="CONNECT"),
            await through(proxy, place, auth=credentials(proxy, "l1", "redirect"), method="CONNECT"),
        ]
        assert [answer.refused for answer in refused] == ["not_leased"] * 4
        inside = f"GET /inside HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode()
        opened = await through(proxy, place, auth=credentials(proxy), method="CONNECT", body=inside)
    assert opened.status == 200
    assert opened.body.startswith(b"HTTP/1.1 200")
    assert (site.hits, other.hits) == (["/inside"], [])


async def test_only_get_and_head_without_a_body_leave(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        auth = credentials(proxy)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert (
                await through(proxy, f"{site.base}/x", auth=auth, method=method)
            ).refused == "method_refused"
        body = await through(proxy, f"{site.base}/x", auth=auth, extra="Content-Length: 3\r\n", body=b"abc")
        assert body.refused == "method_refused"
        assert (await through(proxy, f"{site.base}/x", auth=auth, method="HEAD")).status == 200
    assert site.hits == ["/x"]


async def test_an_expired_lease_is_no_lease_even_while_waiting_for_its_turn(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/1"))
        proxy.grants.add(grant(f"{site.base}/2", "l2", expires_at_ms=wall_ms() + 50))
        proxy.grants.add(grant(f"{site.base}/3", "l3", expires_at_ms=wall_ms() - 1))
        await through(proxy, f"{site.base}/1", auth=credentials(proxy))
        second = await through(proxy, f"{site.base}/2", auth=credentials(proxy, "l2"))
        third = await through(proxy, f"{site.base}/3", auth=credentials(proxy, "l3"))
    assert [second.refused, third.refused] == ["lease_expired", "lease_expired"]
    assert site.hits == ["/1"]


async def test_only_redirects_that_the_proxy_saw_may_be_followed_and_only_so_many(
    open_proxy: Opening,
) -> None:
    async def onward(request: web.Request) -> web.StreamResponse:
        number = int(request.path[1:])
        return web.Response(status=302, headers={"Location": f"/{number + 1}"})

    async with serve(onward) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/0", redirects_max=2))
        answers = [await through(proxy, f"{site.base}/0", auth=credentials(proxy))]
        for number in (1, 2, 3):
            answers.append(
                await through(proxy, f"{site.base}/{number}", auth=credentials(proxy, "l1", "redirect"))
            )
    assert [answer.status for answer in answers] == [302, 302, 302, 403]
    assert site.hits == ["/0", "/1", "/2"]


@pytest.mark.parametrize("location", ["http://[10.0.0.1]/", "//[", "http://a.example:port/"])
async def test_a_redirect_to_what_is_no_url_is_handed_on_and_leads_nowhere(
    location: str, open_proxy: Opening
) -> None:
    async def astray(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    async with serve(astray) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/0"))
        assert (await through(proxy, f"{site.base}/0", auth=credentials(proxy))).status == 302
        onward = await through(proxy, location, auth=credentials(proxy, "l1", "redirect"))
    assert onward.refused in ("bad_url", "not_leased", "")
    assert site.hits == ["/0"]


def test_the_child_may_announce_redirects_for_https_leases_only() -> None:
    table = GrantTable()
    table.add(grant("http://a.example/", "plain"))
    table.add(grant("https://a.example/", "secure", redirects_max=1))
    assert not table.announce_redirect("plain", "redirect", "http://b.example/")
    assert table.announce_redirect("secure", "redirect", "https://b.example/")
    assert not table.announce_redirect("secure", "redirect", "https://c.example/")
    assert not table.announce_redirect("secure", "redirect", "ftp://b.example/")
    assert not table.announce_redirect("nobody", "redirect", "https://b.example/")
    assert not table.announce_redirect("secure", "subresource", "https://b.example/")


async def test_sub_resources_only_for_browser_leases_same_host_and_bounded(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site, other) as proxy:
        proxy.grants.add(grant(f"{site.base}/x", render="browser"))
        auth = credentials(proxy, "l1", "subresource")
        assert (await through(proxy, f"{site.base}/app.js", auth=auth)).status == 200
        assert (await through(proxy, f"{other.base}/app.js", auth=auth)).refused == "not_leased"
        many = [
            await through(proxy, f"{site.base}/{n}.js", auth=auth) for n in range(SUBRESOURCES_PER_PAGE_MAX)
        ]
    assert [answer.status for answer in many].count(200) == SUBRESOURCES_PER_PAGE_MAX - 1
    assert other.hits == []


# --- addresses ---------------------------------------------------------------------------------------------------

ODD_HOSTS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "localhost", "localhost.", "LOCALHOST",
    "127.0.0.1.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::a9fe:a9fe]", "[::127.0.0.1]",
    "[2002:7f00:1::]", "[fec0::1]", "169.254.169.254", "10.0.0.1", "192.168.0.1", "172.31.255.255", "100.64.0.1",
    "0.0.0.0", "0", "224.0.0.1", "255.255.255.255", "168.63.129.16", "[fe80::1]", "①②⑦.⓪.⓪.①", "127。0。0。1",
]  # fmt: skip


def ascii_host(url: str) -> str:
    """The host as a client would put it into a request line: ASCII, otherwise as written."""
    place = target_of(url).place.host
    return f"[{place}]" if ":" in place else place


@pytest.mark.parametrize("host", ODD_HOSTS)
async def test_no_notation_of_a_private_address_is_reached(
    host: str, open_proxy: Opening, tmp_path: Path
) -> None:
    url = f"http://{host}/x"
    async with open_proxy() as proxy:
        proxy.grants.add(grant(url))
        asked = f"http://{ascii_host(url)}/x"
        answer = await through(proxy, asked, auth=credentials(proxy))
    assert answer.refused == "unsafe_address"
    assert list(read_rows(tmp_path / "line_log.ndjson")) == []


@pytest.mark.parametrize(
    "url", ["http://u:p@a.example/", "ftp://a.example/", "//a.example/", "http:///x", "x"]
)
def test_urls_that_are_none_are_no_leases(url: str) -> None:
    with pytest.raises(WindrowError, match="URL cannot be used"):
        GrantTable().add(grant(url))


async def test_a_listed_endpoint_is_exactly_that_address_and_port(open_proxy: Opening) -> None:
    async with serve(hello) as site, serve(hello) as other, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{other.base}/x"))
        proxy.grants.add(grant(f"http://127.0.0.2:{site.port}/x", "l2"))
        assert (await through(proxy, f"{other.base}/x", auth=credentials(proxy))).refused == "unsafe_address"
        second = await through(proxy, f"http://127.0.0.2:{site.port}/x", auth=credentials(proxy, "l2"))
    assert (second.refused, other.hits) == ("unsafe_address", [])


async def test_one_bad_answer_among_good_ones_refuses_the_name(open_proxy: Opening) -> None:
    async with serve(hello) as site, open_proxy(site, resolve=resolving(site.address, "10.0.0.1")) as proxy:
        proxy.grants.add(grant(f"http://a.example:{site.port}/x"))
        answer = await through(proxy, f"http://a.example:{site.port}/x", auth=credentials(proxy))
    assert (answer.refused, site.hits) == ("unsafe_address", [])


async def test_a_name_is_asked_once_and_its_answer_pinned(open_proxy: Opening) -> None:
    asked: list[str] = []

    async with serve(hello) as site:

        async def rebinding(host: str, port: int) -> list[str]:
            asked.append(host)
            return [site.address if len(asked) == 1 else "10.0.0.1"]

        async with open_proxy(site, resolve=rebinding) as proxy:
            url = f"http://a.example:{site.port}/x"
            proxy.grants.add(grant(url))
            first = await through(proxy, url, auth=credentials(proxy))
            second = await through(proxy, url, auth=credentials(proxy))
    assert (first.status, second.refused) == (200, "unsafe_address")
    assert (asked, len(site.hits)) == (["a.example", "a.example"], 1)
    assert site.heads[0]["host"] == f"a.example:{site.port}"


@pytest.mark.parametrize("addresses", [[], ["93.184.215.14"] * 65])
async def test_a_name_without_usable_addresses_is_unreachable(
    addresses: list[str], open_proxy: Opening
) -> None:
    async with open_proxy(resolve=resolving(*addresses)) as proxy:
        proxy.grants.add(grant("http://a.example/x"))
        answer = await through(proxy, "http://a.example/x", auth=credentials(proxy))
    assert (answer.status, answer.refused) == (502, "host_unreachable")


async def test_other_ports_of_public_addresses_are_refused(open_proxy: Opening) -> None:
    async with open_proxy(resolve=resolving("93.184.215.14")) as proxy:
        proxy.grants.add(grant("http://a.example:8080/x"))
        answer = await through(proxy, "http://a.example:8080/x", auth=credentials(proxy))
    assert answer.refused == "unsafe_address"


async def test_the_source_address_is_used_towards_loopback(open_proxy: Opening) -> None:
    async def who(request: web.Request) -> web.StreamResponse:
        return web.Response(text=str(request.remote))

    async with serve(who) as site, open_proxy(site, source_address="127.0.77.1") as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
    assert answer.body == b"127.0.77.1"


# --- the line log and the owner's caps ------------------------------------------------------------------------------


async def test_the_row_is_there_before_the_host_sees_the_request(open_proxy: Opening, tmp_path: Path) -> None:
    seen: list[int] = []

    async def looking(request: web.Request) -> web.StreamResponse:
        seen.append(
            sum(1 for row in read_rows(tmp_path / "line_log.ndjson") if row.url.endswith(request.path))
        )
        return html("x")

    async with serve(looking) as site, open_proxy(site) as proxy:
        for number in range(3):
            proxy.grants.add(grant(f"{site.base}/{number}"))
            await through(proxy, f"{site.base}/{number}", auth=credentials(proxy))
    assert seen == [1, 1, 1]


async def test_a_full_disk_means_no_fetch(open_proxy: Opening, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (tmp_path / "full.ndjson").symlink_to("/dev/full")
    log = LineLog(tmp_path / "full.ndjson", wall_ms)
    async with serve(hello) as site, open_proxy(site, log=log) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
    assert (answer.refused, site.hits) == ("line_log_unwritable", [])


class Cap:
    """A meter with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room, self.counted = room, 0

    async def before_request(self) -> None:
        if self.counted >= self.room:
            raise WindrowError("budget_exhausted")

    def after_request(self) -> None:
        pass

    async def count(self, bytes_n: int, way: str) -> None:
        self.counted += bytes_n
        if self.counted > self.room:
            raise WindrowError("budget_exhausted")


async def test_the_owners_cap_stops_requests_and_breaks_off_answers(open_proxy: Opening) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 3_000_000)

    async with serve(large) as site, open_proxy(site, meter=Cap(500_000)) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        cut = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
        refused = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
        state = proxy.grants.revoke("l1")
    assert len(cut.body) < 600_000
    assert (refused.refused, site.hits) == ("budget_exhausted", ["/x"])
    assert state is not None
    assert state.cut == "budget_exhausted"


# --- what is carried ---------------------------------------------------------------------------------------------


async def test_cookies_credentials_and_forged_refusals_pass_neither_way(open_proxy: Opening) -> None:
    async def telling(request: web.Request) -> web.StreamResponse:
        return html(
            "x", headers={"Set-Cookie": "a=b", "Windrow-Refused": "unsafe_address", "Alt-Svc": 'h3=":443"'}
        )

    async with serve(telling) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        extra = "Cookie: a=b\r\nAuthorization: Basic eDp5\r\nUser-Agent: WindrowBot/0.1\r\nX-Kept: yes\r\n"
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy), extra=extra)
    assert answer.headers.keys().isdisjoint({"set-cookie", "windrow-refused", "alt-svc"})
    (head,) = site.heads
    assert head.keys().isdisjoint({"cookie", "authorization", "proxy-authorization"})
    assert (head["user-agent"], head["x-kept"]) == ("WindrowBot/0.1", "yes")
    assert head["host"] == f"{site.address}:{site.port}"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_beyond_the_cap_is_cut(announced: bool, open_proxy: Opening) -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        if announced:
            return web.Response(body=b"x" * 400_000)
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b"x" * 10_000)
        return response

    async with serve(large) as site, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x", body_bytes_max=100_000))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
        state = proxy.grants.revoke("l1")
    assert state is not None
    assert (answer.refused, state.cut) == (("too_large", "") if announced else ("", "too_large"))
    assert state.traffic.bytes_down < 300_000


async def test_a_tunnel_has_caps_of_bytes_and_time(open_proxy: Opening) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        size = 20_000 if request.path == "/wide" else 1
        for _ in range(200):
            await response.write(b"x" * size)
            await asyncio.sleep(0.02)
        return response

    async with serve(drip) as site, open_proxy(site) as proxy:
        place = f"{site.address}:{site.port}"
        cuts = []
        for number, path in enumerate(["/wide", "/slow"]):
            proxy.grants.add(grant(f"https://{place}/", str(number), body_bytes_max=50_000, time_s_max=1))
            inside = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            await through(proxy, place, auth=credentials(proxy, str(number)), method="CONNECT", body=inside)
            state = proxy.grants.revoke(str(number))
            assert state is not None
            cuts.append((state.cut, state.traffic.bytes_down < 300_000))
    assert cuts == [("too_large", True), ("fetch_timeout", True)]


async def test_an_endless_drip_ends_with_the_leases_time(open_proxy: Opening) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return html("late")

    async with serve(drip) as site, serve(silent) as mute, open_proxy(site, mute) as proxy:
        proxy.grants.add(grant(f"{site.base}/x", time_s_max=1))
        proxy.grants.add(grant(f"{mute.base}/x", "l2", time_s_max=1))
        dripped, unanswered = await asyncio.gather(
            through(proxy, f"{site.base}/x", auth=credentials(proxy)),
            through(proxy, f"{mute.base}/x", auth=credentials(proxy, "l2")),
        )
        state = proxy.grants.revoke("l1")
    assert (dripped.status, unanswered.status, unanswered.refused) == (200, 504, "fetch_timeout")
    assert state is not None
    assert state.cut == "fetch_timeout"


RAW_ANSWERS = [
    (b"", 502),
    (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 502),
    (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 60_000 + b"\r\n", 502),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 502),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nshort", 200),
]


@pytest.mark.parametrize(
    ("raw", "status"), RAW_ANSWERS, ids=["nothing", "ssh", "endless head", "two lengths", "continue", "short"]
)
async def test_answers_that_are_not_http_are_named_so(raw: bytes, status: int, open_proxy: Opening) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    site = Site("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server, open_proxy(site) as proxy:
        proxy.grants.add(grant(f"{site.base}/x"))
        answer = await through(proxy, f"{site.base}/x", auth=credentials(proxy))
    assert answer.status == status
    assert answer.refused == ("bad_answer" if status == 502 else "")


async def test_a_client_that_speaks_no_http_is_dropped(open_proxy: Opening) -> None:
    async with open_proxy() as proxy:
        for nonsense in (
            b"\x16\x03\x01\x02\x00",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
            writer.write(nonsense)
            writer.write_eof()
            assert isinstance(await _rest(reader), bytes)
            writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_hosts_are_paced_whoever_asks(open_proxy: Opening) -> None:
    moments: list[float] = []

    async def when(request: web.Request) -> web.StreamResponse:
        moments.append(asyncio.get_running_loop().time())
        return html("x")

    async with serve(when) as site, open_proxy(site) as proxy:
        for number in range(6):
            proxy.grants.add(grant(f"{site.base}/{number}", str(number)))
        answers: list[Answer] = await asyncio.gather(
            *(through(proxy, f"{site.base}/{n}", auth=credentials(proxy, str(n))) for n in range(6))
        )
    assert [answer.status for answer in answers] == [200] * 6
    assert moments[-1] - moments[0] >= 0.45
