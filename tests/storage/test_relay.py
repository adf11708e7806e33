"""What a gate passes on arrives as it was sent, says truly who asks, and ends with who asked."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from storage.env import Request, Response, Route
from storage.forwarded import behind_gates, proxies_of
from storage.http_server import HttpNetwork
from storage.relay import Relay
from windrow_protocol.errors import WindrowError

LARGE = bytes(range(256)) * 4_000


class Behind:
    """The server behind the relay."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    def routes(self, file: Path) -> list[Route]:
        async def echo(request: Request) -> Response:
            self.asked.append(request)
            return Response(201, request.body, headers={"X-Said": "so", "Set-Cookie": "a=b"})

        async def chunks() -> AsyncGenerator[bytes]:
            yield LARGE
            yield LARGE

        async def broken() -> AsyncGenerator[bytes]:
            yield LARGE
            raise WindrowError("sql_stopped")

        async def streamed(request: Request) -> Response:
            return Response(chunks=broken() if request.query.get("broken") else chunks())

        async def filed(_request: Request) -> Response:
            return Response(file=file)

        async def slow(_request: Request) -> Response:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
            raise AssertionError

        return [
            Route("POST", "/echo/{name}", echo, "", body_bytes_max=2_000_000),
            Route("GET", "/streamed", streamed, ""),
            Route("GET", "/file", filed, ""),
            Route("GET", "/slow", slow, "", ends_with_asker=True),
        ]


@asynccontextmanager
async def relayed(behind: Behind) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        path = Path(folder) / "gates.sock"
        (Path(folder) / "file").write_bytes(LARGE)
        network = HttpNetwork()
        server = await network.serve_local(behind_gates(behind.routes(Path(folder) / "file")), path)
        relay = Relay(path, proxies_of(["127.0.0.9"]), hold_s=0)
        front = await network.serve_socket([], listening, relay.pass_on, ending_s=5)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            await front.close()
            await relay.close()
            await server.close()


async def test_a_request_arrives_as_it_was_and_its_answer_too() -> None:
    behind = Behind()
    async with relayed(behind) as url, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        said = {"X-Forwarded-For": "10.1.2.3", "Host": "other.example", "X-Mine": "1"}
        async with session.post(f"{url}/echo/a%20b?q=%2F&r=", data=LARGE, headers=said) as answer:
            assert (answer.status, await answer.read()) == (201, LARGE)
            assert (answer.headers["X-Said"], answer.headers["Set-Cookie"]) == ("so", "a=b")
        (asked,) = behind.asked
        assert (asked.params, asked.query) == ({"name": "a b"}, {"q": "/", "r": ""})
        assert (asked.header("Host"), asked.header("X-Mine")) == ("other.example", "1")
        assert asked.peer == "127.0.0.1", "what a stranger says of itself is not believed"
        async with session.post(f"{url}/echo/x", data=LARGE * 3) as answer:
            assert (answer.status, (await answer.json())["error"]) == (413, "too_large")


async def test_a_trusted_proxy_is_believed() -> None:
    behind = Behind()
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with relayed(behind) as url, aiohttp.ClientSession(connector=connector) as session:
        await session.post(f"{url}/echo/x", headers={"X-Forwarded-For": "192.0.2.1, 198.51.100.7"})
    assert behind.asked[0].peer == "198.51.100.7"


async def test_answers_stream_and_one_that_breaks_off_is_broken_off() -> None:
    async with relayed(Behind()) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/streamed") as answer:
            assert await answer.read() == LARGE * 2
        async with session.get(f"{url}/file", headers={"Range": "bytes=5-9"}) as answer:
            assert (answer.status, await answer.read()) == (206, LARGE[5:10])
        async with session.get(f"{url}/streamed?broken=1") as answer:
            with pytest.raises(aiohttp.ClientError):
                await answer.read()


async def test_who_leaves_ends_what_was_asked_for() -> None:
    behind = Behind()
    async with relayed(behind) as url, aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.get(f"{url}/slow"))
        await behind.begun.wait()
        asking.cancel()
        await behind.ended.wait()


async def test_while_nobody_is_behind_it_says_so() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        relay = Relay(Path(folder) / "gates.sock", (), hold_s=0)
        front = await HttpNetwork().serve_socket([], listening, relay.pass_on, ending_s=5)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/leases", data=b"x") as answer:
            assert (answer.status, (await answer.json())["error"]) == (503, "restarting")
            assert answer.headers["Retry-After"] == "5"
        await front.close()
        await relay.close()
