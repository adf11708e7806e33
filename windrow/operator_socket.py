"""The operator's door: a local socket in the home, over which commands reach the one process that writes.

Rules: a command first asks the running `windrow up`; when none runs it takes the home's lock and does the work itself,
through the same `Operations`. The socket is readable by this user alone.

Does not: define operations. Usage: `await operate(settings, "frontier_add", {"urls": [...]})`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from storage.env import Request, Response, Route, json_response
from windrow.home import reading_state
from windrow.local_sockets import socket_path
from windrow.operations import BEGINNING, OPERATIONS, Operations, offline_operations
from windrow.settings import HouseSettings
from windrow_protocol.errors import REASONS, WindrowError
from windrow_protocol.limits import OPERATOR_BYTES_MAX

Operate = Callable[[str, dict[str, Any]], Awaitable[Any]]


def operator_routes(operations: Operations) -> list[Route]:
    """Return the one door of the socket: POST /{operation}."""

    async def handle(request: Request) -> Response:
        name = request.params["name"]
        if name not in OPERATIONS:
            raise WindrowError("not_found", f"no operation `{name}`")
        arguments = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        return json_response(await operations.run(name, arguments))

    return [Route("POST", "/{name}", handle, "One operation", body_bytes_max=OPERATOR_BYTES_MAX)]


async def ask_running(settings: HouseSettings, name: str, arguments: dict[str, Any]) -> Any:
    """Run one operation in the running house. Raises its WindrowError, or `not_running`."""
    try:
        return await _ask(socket_path(Path(settings.home)), name, arguments)
    except (aiohttp.ClientConnectionError, FileNotFoundError) as error:
        raise WindrowError("not_running", settings.home) from error


async def operate(settings: HouseSettings, name: str, arguments: dict[str, Any]) -> Any:
    """Run one operation in the running house, or in this process when none runs.

    Raises its WindrowError, or `no_house` where none has run and there is nothing that it could work on.
    """
    try:
        return await ask_running(settings, name, arguments)
    except WindrowError as error:
        if error.code != "not_running":
            raise
    if name not in BEGINNING or arguments.get("dry_run"):
        with reading_state(settings):
            pass  # a wrong home is said, and not made
    async with offline_operations(settings) as operations:
        return await operations.run(name, arguments)


@asynccontextmanager
async def operator(settings: HouseSettings) -> AsyncIterator[Operate]:
    """Give a way to run several operations in the running house, or in this process when none runs."""
    try:
        await ask_running(settings, "lake_stats", {})
    except WindrowError as error:
        if error.code != "not_running":
            raise
    else:
        yield partial(ask_running, settings)
        return
    async with offline_operations(settings) as operations:
        yield operations.run


async def _ask(path: Path, name: str, arguments: dict[str, Any]) -> Any:
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.post(f"http://operator/{name}", data=msgspec.json.encode(arguments)) as answer,
    ):
        value = msgspec.json.decode(await answer.read())
    if answer.status == 200:
        return value
    if value.get("error") in REASONS:
        raise WindrowError(value["error"], value.get("detail", ""))
    raise WindrowError("not_running", f"the house failed; see its log for {value.get('reference')}")
