"""Serves the demo's web site: one process, eight hosts on loopback addresses of their own.

Rules: only what the manifest lists is served, found by table and never by path, so no request can leave the site's
folder; GET and HEAD only. Like many real servers it does not mind letter case, a trailing slash or a `;session` in
an address. A page that lives on another host is redirected there. Every request becomes one line of NDJSON in the
access log: what was really asked, when and by whom.

Does not: listen beyond loopback unless told to, or pace its clients: that is their duty.

Usage::

    python -m windrow.demo_site.serve --root SITE --ready-file READY --die-with-parent
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Final, TextIO

from aiohttp import web

from windrow.demo_site.manifest import HOSTS_COUNT, SiteEntry, load_manifest
from windrow_protocol.errors import WindrowError

DEFAULT_ADDRESSES: Final = tuple(f"127.0.20.{number}" for number in range(1, HOSTS_COUNT + 1))
FALLBACK_ADDRESS: Final = "127.0.0.1"
ACCESS_LOG_NAME: Final = "access.ndjson"
SHUTDOWN_S: Final = 2.0


class SiteTable:
    """Every address the site knows, and the file behind it. Raises WindrowError `bad_config` for a bad manifest."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        manifest = load_manifest(self._root)
        self._exact: dict[tuple[int, str], SiteEntry] = {}
        self._folded: dict[tuple[int, str], SiteEntry] = {}
        self._owner: dict[str, int] = {}
        for entry in (*manifest.entries, *manifest.assets):
            if entry.file and not self.file(entry).is_relative_to(self._root):
                raise WindrowError("bad_config", f"the site's {entry.path} points outside its folder")
            path = entry.path.partition("?")[0]
            self._exact.setdefault((entry.host_index, path), entry)
            self._folded.setdefault((entry.host_index, folded(path)), entry)
            if entry.kind not in ("special", "asset"):
                self._owner.setdefault(path, entry.host_index)

    def find(self, host_index: int, path: str) -> SiteEntry | None:
        """Return the entry at this path of a host, exactly or but for case, trailing slash and parameters."""
        exact = self._exact.get((host_index, path))
        return exact or self._folded.get((host_index, folded(path)))

    def owner(self, path: str) -> int | None:
        """Return the index of the host that has this path, when any has."""
        return self._owner.get(path)

    def file(self, entry: SiteEntry) -> Path:
        """Return the file behind an entry."""
        return (self._root / entry.file).resolve()

    def lost(self, host_index: int) -> Path:
        """Return the host's 404 page."""
        return self._root / "hosts" / str(host_index) / "404.html"


def folded(path: str) -> str:
    """Return the form of a path in which its variants are equal."""
    return path.partition(";")[0].casefold().rstrip("/")


class Server:
    """Answers for all hosts; which one is asked follows from the socket's own address."""

    def __init__(self, table: SiteTable, sockets: list[socket.socket], access_log: TextIO) -> None:
        self._table = table
        self._access_log = access_log
        names = [listener.getsockname()[:2] for listener in sockets]
        self._host_index = {name: index for index, name in enumerate(names)}
        self.bases = [f"http://{address}:{port}" for address, port in names]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request and log it."""
        own_address = request.transport.get_extra_info("sockname") if request.transport else None
        if own_address is None:
            raise ConnectionResetError("the client went away")
        host_index = self._host_index[tuple(own_address[:2])]
        response = self._answer(request, host_index)
        self._log(request, host_index, response.status)
        return response

    def _answer(self, request: web.Request, host_index: int) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"}, text="Only GET and HEAD.\n")
        entry = self._table.find(host_index, request.path)
        if entry is None:
            owner = self._table.owner(request.path)
            if owner is not None:
                return web.Response(status=302, headers={"Location": self.bases[owner] + request.path})
            return _file(self._table.lost(host_index), 404, "text/html; charset=utf-8", {})
        if not entry.file:
            return web.Response(status=entry.status, headers=entry.headers)
        return _file(self._table.file(entry), entry.status, entry.content_type, entry.headers)

    def _log(self, request: web.Request, host_index: int, status: int) -> None:
        line = {
            "time_ms": time.time_ns() // 1_000_000,
            "client": request.remote,
            "host_index": host_index,
            "host": request.headers.get("Host", ""),
            "method": request.method,
            "path": request.raw_path,
            "status": status,
            "user_agent": request.headers.get("User-Agent", ""),
        }
        self._access_log.write(json.dumps(line, ensure_ascii=True) + "\n")


def _file(path: Path, status: int, content_type: str, headers: dict[str, str]) -> web.FileResponse:
    return web.FileResponse(path, status=status, headers={**headers, "Content-Type": content_type})


def bind_hosts(addresses: tuple[str, ...], ports: tuple[int, ...]) -> list[socket.socket]:
    """Bind one listener for each address and port; `ports` is one for all, or one for each.

    Where the default addresses do not exist (macOS has only 127.0.0.1), eight ports of one address stand in for them.
    Raises WindrowError `port_taken`, or `bad_config` for addresses that cannot be bound or counts that do not fit.
    """
    if len(addresses) != HOSTS_COUNT or len(ports) not in (1, HOSTS_COUNT):
        raise WindrowError("bad_config", f"give {HOSTS_COUNT} addresses, and one port or {HOSTS_COUNT}")
    each = ports if len(ports) == HOSTS_COUNT else ports * HOSTS_COUNT
    try:
        return _bind_all(addresses, each)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise WindrowError("port_taken", str(error)) from error
        if (
            error.errno != errno.EADDRNOTAVAIL
            or addresses != DEFAULT_ADDRESSES
            or len(set(each)) < len(ports)
        ):
            raise WindrowError("bad_config", str(error)) from error
    each = each if len(set(each)) == HOSTS_COUNT else (0,) * HOSTS_COUNT
    return _bind_all((FALLBACK_ADDRESS,) * HOSTS_COUNT, each)


def _bind_all(addresses: tuple[str, ...], ports: tuple[int, ...]) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for address, port in zip(addresses, ports, strict=True):
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            bound.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
    except OSError:
        for listener in bound:
            listener.close()
        raise
    return bound


async def serve(
    table: SiteTable,
    sockets: list[socket.socket],
    access_log: TextIO,
    ready_file: Path | None,
    stop: asyncio.Event,
) -> None:
    """Serve until `stop` is set. The ready file appears, whole, once every host answers."""
    server = Server(table, sockets, access_log)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        for listener in sockets:
            await web.SockSite(runner, listener).start()
        if ready_file:
            _write_whole(ready_file, json.dumps(server.bases) + "\n")
        print(f"demo site ready on {len(server.bases)} hosts: {' '.join(server.bases)}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    unfinished.write_text(text, "utf-8")
    unfinished.replace(path)


def _stop_with_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Wait in a thread of its own until standard input ends, which it does when the parent is gone."""
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


async def _run(options: argparse.Namespace) -> None:
    table = SiteTable(options.root)
    sockets = bind_hosts(options.bind, options.ports or (options.port,))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.die_with_parent:
        threading.Thread(target=_stop_with_parent, args=(loop, stop), daemon=True).start()
    log_path = options.access_log or options.root / ACCESS_LOG_NAME
    with log_path.open("a", encoding="utf-8", buffering=1) as access_log:
        await serve(table, sockets, access_log, options.ready_file, stop)


def _ports(text: str) -> tuple[int, ...]:
    return tuple(int(port) for port in text.split(","))


def main(arguments: list[str] | None = None) -> int:
    """Run the server until SIGTERM, SIGINT or, when asked, the end of standard input; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m windrow.demo_site.serve", description="Serve the demo's web site."
    )
    parser.add_argument("--root", type=Path, required=True, help="the folder that build_site filled")
    parser.add_argument("--bind", type=lambda text: tuple(text.split(",")), default=DEFAULT_ADDRESSES)
    parser.add_argument("--port", type=int, default=0, help="one port for every address; 0 takes free ones")
    parser.add_argument("--ports", type=_ports, help="one port for each address, as after a restart")
    parser.add_argument("--ready-file", type=Path, help="gets the base URLs as a JSON list once all answer")
    parser.add_argument("--access-log", type=Path, help=f"default: {ACCESS_LOG_NAME} in the root")
    parser.add_argument("--die-with-parent", action="store_true", help="stop when standard input ends")
    try:
        asyncio.run(_run(parser.parse_args(arguments)))
    except WindrowError as error:
        print(f"demo site: {error}", file=sys.stderr)
        return error.reason.exit_code
    except OSError as error:
        print(f"demo site: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
