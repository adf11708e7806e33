"""The network adapter: serves tables of `Route`s with aiohttp, on TCP or on a local socket.

Rules: bodies are bounded per route before they are read; a `WindrowError` becomes its HTTP status and JSON body; a
database that is away is a 503, which says when to come again; any other failure becomes a 500 that names a reference
found in the log, and never a traceback. A body is taken as it is sent and nothing is unpacked for a stranger; what is
no HTTP leaves one line in the log, without who sent it.

Does not: route by itself (aiohttp does), authenticate, or know what the rooms answer.

Usage: `server = await HttpNetwork().serve(routes, host="127.0.0.1", port=0)`.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from storage.env import Request, Response, Route, json_response
from storage.outages import refusal_of
from storage.ranged_answer import send_ranged
from windrow_protocol.errors import WindrowError

log = structlog.get_logger(__name__)
LEFT_POLL_S = 0.2
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# What breaks while a request is read: the sender's doing, or the line's.
_BROKEN: Final = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


class _WireLog(logging.Logger):
    """What aiohttp says of a connection: its own form is a traceback with the sender's address and words."""

    def exception(self, msg: object, *args: Any, exc_info: Any = True, **kwargs: Any) -> None:
        """Say in one line what a sender broke; the rest is a failure here, with its lines of code."""
        if isinstance(exc_info, _BROKEN):
            log.info("bad_http", error=type(exc_info).__name__)
        else:
            log.error("connection_failed", exc_info=exc_info)


class HttpServer:
    """A running aiohttp server."""

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self._runner = runner
        self.url = url

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._runner.server.connections) if self._runner.server else 0

    async def close(self) -> None:
        """Stop listening and let running requests end."""
        await self._runner.cleanup()


class HttpNetwork:
    """Real sockets."""

    async def serve(self, routes: Sequence[Route], *, host: str, port: int) -> HttpServer:
        """Listen on TCP; port 0 takes a free one. Raises WindrowError `port_taken`."""
        runner = await _runner(routes)
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
                raise WindrowError("port_taken", f"{host}:{port}: {os.strerror(error.errno)}") from error
            raise
        bound = runner.addresses[0]
        return HttpServer(runner, f"http://{bound[0]}:{bound[1]}")

    async def serve_socket(
        self, routes: Sequence[Route], listening: socket.socket, otherwise: RawHandler, *, ending_s: float
    ) -> HttpServer:
        """Serve on a socket that listens already; whatever no route is for goes to `otherwise` as aiohttp has it.

        At its end, running requests have so many seconds.
        """
        runner = await _runner(routes, otherwise, ending_s=ending_s)
        await web.SockSite(runner, listening).start()
        return HttpServer(runner, "")

    async def serve_local(self, routes: Sequence[Route], path: Path) -> HttpServer:
        """Listen on a Unix socket readable by this user alone; a left-over socket file is replaced."""
        path.unlink(missing_ok=True)
        runner = await _runner(routes)
        before = os.umask(0o177)
        try:
            await web.UnixSite(runner, str(path)).start()
        finally:
            os.umask(before)
        return HttpServer(runner, "")


async def _runner(
    routes: Sequence[Route], otherwise: RawHandler | None = None, *, ending_s: float = 2.0
) -> web.AppRunner:
    app = web.Application(client_max_size=max((route.body_bytes_max for route in routes), default=0) + 1)
    for route in routes:
        app.router.add_route(route.method, route.pattern, _adapt(route))
    if otherwise is not None:
        app.router.add_route("*", "/{path:.*}", otherwise)
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=ending_s,
        auto_decompress=False,
        logger=_WireLog("storage.http_server.wire"),
    )
    await runner.setup()
    return runner


def _adapt(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            answer = await _answered(route, request, await _read(request, route.body_bytes_max))
            if answer.ranged is not None:
                return await send_ranged(request, answer)
        except Exception as error:
            answer = answer_to_failure(route.pattern, error)
        return await _send_chunks(request, answer, route) if answer.chunks is not None else _send(answer)

    return handle


def answer_to_failure(door: str, error: Exception) -> Response:
    """Return what is answered where a handler raises: a refusal with its reason, or where to look in the log."""
    if isinstance(error, WindrowError):
        return _refused(error)
    away = refusal_of(error)
    if away is None:
        return _failed(door)
    log.warning(away.code, door=door, cause=away.detail)
    return _refused(away)


def _refused(error: WindrowError) -> Response:
    return json_response(error.as_dict(), error.reason.http_status)


def _failed(door: str) -> Response:
    """Log the failure that is being handled, and answer nothing of it but where to find it.

    The log names the door, not the path: that may hold a name, an id or a word that lets somebody in.
    """
    reference = secrets.token_hex(4)
    log.exception("request_failed", door=door, reference=reference)
    return json_response({"error": "internal", "reference": reference}, 500)


async def _answered(route: Route, request: web.Request, asked: Request) -> Response:
    if not route.ends_with_asker:
        return await route.handle(asked)
    work = asyncio.ensure_future(route.handle(asked))
    try:
        while not (await asyncio.wait({work}, timeout=LEFT_POLL_S))[0]:
            if request.transport is None or request.transport.is_closing():
                raise WindrowError("sql_stopped")
        return work.result()
    finally:
        if work.cancel():
            await asyncio.wait({work})


async def _read(request: web.Request, body_bytes_max: int) -> Request:
    if "\0" in request.path:  # PostgreSQL refuses to look for such a text, and nothing is called so
        raise WindrowError("not_found", "the path holds U+0000")
    if any("\0" in value for value in request.query.values()):
        raise WindrowError("wrong_schema", "the query holds U+0000")
    if (request.content_length or 0) > body_bytes_max:
        raise WindrowError("too_large", f"{request.content_length} bytes, {body_bytes_max} allowed")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise WindrowError("coded_body")
    return Request(
        method=request.method,
        path=request.path,
        body=await _body(request, body_bytes_max),
        params=dict(request.match_info),
        query=dict(request.query),
        headers={name: ", ".join(request.headers.getall(name)) for name in request.headers},
        peer=request.remote or "",
    )


async def _body(request: web.Request, bytes_max: int) -> bytes:
    body = bytearray()
    try:
        async for chunk in request.content.iter_chunked(65_536):
            body += chunk
            if len(body) > bytes_max:
                raise WindrowError("too_large", f"more than {bytes_max} bytes")
    except _BROKEN as error:
        raise WindrowError("broken_body", type(error).__name__) from error
    return bytes(body)


def _send(answer: Response) -> web.StreamResponse:
    headers = dict(answer.headers)
    if answer.status in (429, 503):
        headers.setdefault("Retry-After", "5")
    if answer.file is not None:
        return web.FileResponse(answer.file, headers=headers)
    headers["Content-Type"] = answer.content_type
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _send_chunks(request: web.Request, answer: Response, route: Route) -> web.StreamResponse:
    assert answer.chunks is not None
    response = web.StreamResponse(
        status=answer.status, headers={**answer.headers, "Content-Type": answer.content_type}
    )
    async with aclosing(answer.chunks) as chunks:
        try:
            await response.prepare(request)
            async for chunk in chunks:
                await response.write(chunk)
        except Exception as error:  # the status is sent: only a connection that breaks can still say no
            if not isinstance(error, ConnectionError):
                log.warning(
                    "answer_broken_off",
                    door=route.pattern,
                    error=getattr(error, "code", type(error).__name__),
                )
            if request.transport is not None:
                request.transport.abort()
    return response
