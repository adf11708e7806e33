"""Passes requests on to the server behind a local socket, as they are, and its answers back.

Rules: only what belongs to one connection is left out (RFC 9110, 7.6.1), and who asks is said in X-Forwarded-For in
place of whatever was said there. Bodies stream both ways and the server bounds them. While the server is away a
request is held back for a bounded time. One that was sent and not answered is sent again only where its method says
that this is harmless and it has no body; for any other the asker is told `restarting`. An answer that breaks off
breaks the asker's connection off too, and who leaves ends what was asked for.

Does not: cache, retry what may have happened, or look into anything.

Usage: `relay = Relay(path, proxies, hold_s=30)`, `await network.serve_socket(routes, listening, relay.pass_on, …)`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from storage.env import Response
from storage.forwarded import HEADER, Proxies, asker
from storage.http_server import LEFT_POLL_S, answer_to_failure
from windrow_protocol.errors import WindrowError

_OF_ONE_CONNECTION: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOK_AGAIN_S: Final = 0.1
_WHOLE_BYTES_MAX: Final = 262_144  # an answer up to this is sent in one piece


class Relay:
    """See the module's docstring."""

    def __init__(self, path: Path, proxies: Proxies, *, hold_s: float) -> None:
        """Take the server's socket, the proxies that stand before us, and how long requests are held back."""
        self._path = path
        self._proxies = proxies
        self._hold_s = hold_s
        self._session: aiohttp.ClientSession | None = None

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Answer a request with what the server behind answers."""
        work = asyncio.ensure_future(self._answered(request))
        try:
            while not (await asyncio.wait({work}, timeout=LEFT_POLL_S))[0]:
                if request.transport is None or request.transport.is_closing():
                    break
            else:
                return work.result()
        finally:
            if work.cancel():
                await asyncio.wait({work})
        return web.Response(status=499)  # which nobody reads

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        try:
            upstream = await self._asked(request)
        except Exception as error:
            told = answer_to_failure("relay", error)
            return _whole(told)
        async with upstream:
            return await _sent_back(request, upstream)

    async def _asked(self, request: web.Request) -> aiohttp.ClientResponse:
        """Return the answer's beginning. Raises WindrowError `restarting`."""
        deadline_s = asyncio.get_running_loop().time() + self._hold_s
        while True:
            try:
                return await self._send(request)
            except aiohttp.ClientConnectorError:  # nothing was sent
                pass
            except (aiohttp.ClientConnectionError, ConnectionError) as error:
                if request.method not in _HARMLESS or request.body_exists:
                    raise WindrowError("restarting", "the answer was lost on its way") from error
            if asyncio.get_running_loop().time() > deadline_s:
                raise WindrowError("restarting", "it has not come back yet")
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _send(self, request: web.Request) -> aiohttp.ClientResponse:
        return await self._connections().request(
            request.method,
            URL(f"http://writer{request.raw_path}", encoded=True),
            headers=self._headers(request),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        )

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(self._path), limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session

    def _headers(self, request: web.Request) -> CIMultiDict[str]:
        headers = _lasting(request.headers)
        said = ", ".join(request.headers.getall(HEADER, ()))
        headers[HEADER] = asker(request.remote or "", said, self._proxies)
        return headers


def _lasting(headers: CIMultiDict[str] | aiohttp.typedefs.LooseHeaders) -> CIMultiDict[str]:
    """Return headers without those of one connection."""
    kept = CIMultiDict(headers)
    named = {part.strip().lower() for value in kept.getall("Connection", []) for part in value.split(",")}
    for name in {*map(str.lower, kept.keys())} & (named | _OF_ONE_CONNECTION):
        del kept[name]
    return kept


def _whole(told: Response) -> web.Response:
    headers = {"Retry-After": "5"} if told.status == 503 else {}
    return web.Response(
        status=told.status, body=told.body, headers={**headers, "Content-Type": told.content_type}
    )


async def _sent_back(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = _lasting(upstream.headers)
    if (upstream.content_length or _WHOLE_BYTES_MAX + 1) <= _WHOLE_BYTES_MAX and request.method != "HEAD":
        return web.Response(status=upstream.status, body=await upstream.read(), headers=headers)
    response = web.StreamResponse(status=upstream.status, headers=headers)
    await response.prepare(request)
    try:
        async for chunk in upstream.content.iter_any():
            await response.write(chunk)
    except (aiohttp.ClientError, ConnectionError):  # the status is sent: only a broken connection can say no
        if request.transport is not None:
            request.transport.abort()
    return response
