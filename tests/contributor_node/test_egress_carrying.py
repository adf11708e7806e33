"""What the egress proxy carries between a node and a host, how much of it, for how long and how often."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from crawl_sites import Answer, Site, credentials, grant, html, serve, through
from egress_opening import Opening


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
        for number, (path, time_s) in enumerate([("/wide", 20), ("/slow", 1)]):
            proxy.grants.add(
                grant(f"https://{place}/", str(number), body_bytes_max=50_000, time_s_max=time_s)
            )
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
        # time enough for the head, however busy it is here
        proxy.grants.add(grant(f"{site.base}/x", time_s_max=4))
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
        begun_s = asyncio.get_running_loop().time()
        answers: list[Answer] = await asyncio.gather(
            *(through(proxy, f"{site.base}/{n}", auth=credentials(proxy, str(n))) for n in range(6))
        )
    assert [answer.status for answer in answers] == [200] * 6
    assert moments[-1] - begun_s >= 0.45
