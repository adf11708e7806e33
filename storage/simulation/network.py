"""A network that loses, doubles, delays, reorders and parts: requests from simulated nodes to simulated doors.

Rules: every request and every answer draws its own fate from a seeded source, so a later request may arrive earlier and
a retry beside its original. While a sender is cut off nothing passes either way. A caller waits `timeout_s` and then
knows nothing: the request may have been done or not. A door's refusal is an answer; any other failure of a door is kept
in `failures`, because no fault of a network may cause one.

Does not: speak HTTP, or know what the doors do.

Usage::

    network = SimulatedNetwork(Random(1), Weather(lost=0.1, doubled=0.1))
    await network.serve(doors.routes(), host="", port=0)
    answer = await network.send("node 3", Request("POST", "/v1/leases", body))
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from storage.env import Request, Response, Route, Server, json_response
from storage.simulation.life import SimulatedCrash
from windrow_protocol.errors import WindrowError


@dataclass(frozen=True)
class Weather:
    """Shares of requests and answers that meet each fault; delays in virtual seconds."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    delay_s_max: float = 20.0
    latency_s: float = 0.05


CALM = Weather()


class SimulatedServer:
    """Doors that are open until `close`."""

    url = "simulated"

    def __init__(self, network: SimulatedNetwork, routes: Sequence[Route]) -> None:
        self._network = network
        self.routes = [(route.method, _pattern(route.pattern), route) for route in routes]
        self.running: set[asyncio.Task[Response]] = set()

    async def close(self) -> None:
        """Stop listening; what runs is cut off in the middle, as by the end of its process."""
        if self._network.server is self:
            self._network.server = None
        for task in self.running:
            task.cancel()


class SimulatedNetwork:
    """The one network of a simulation, with one server on it at a time."""

    def __init__(self, randomness: Random, weather: Weather = CALM, timeout_s: float = 15.0) -> None:
        self._randomness = randomness
        self._timeout_s = timeout_s
        self.weather = weather
        self.cut_off: set[str] = set()
        self.failures: list[Exception] = []
        self.server: SimulatedServer | None = None

    async def serve(self, routes: Sequence[Route], *, host: str, port: int) -> Server:
        """Open doors; whoever sends next reaches them."""
        self.server = SimulatedServer(self, routes)
        return self.server

    async def serve_local(self, routes: Sequence[Route], path: Path) -> Server:
        """No simulated operator speaks through a local socket: the doors lead nowhere."""
        return SimulatedServer(self, routes)

    async def send(self, sender: str, request: Request) -> Response:
        """Return an answer. Raises TimeoutError when none comes, whatever the reason."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Response] = loop.create_future()
        copies = 2 if self._randomness.random() < self.weather.doubled else 1
        for _ in range(copies):
            delivery = loop.create_task(self._deliver(sender, request, answered))
            delivery.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.wait_for(asyncio.shield(answered), self._timeout_s)

    async def _deliver(self, sender: str, request: Request, answered: asyncio.Future[Response]) -> None:
        if not await self._passes(sender) or (server := self.server) is None:
            return
        task = asyncio.get_running_loop().create_task(self._answer(server, request))
        server.running.add(task)
        task.add_done_callback(server.running.discard)
        try:
            response = await task
        except (asyncio.CancelledError, SimulatedCrash):
            return
        if await self._passes(sender) and not answered.done():
            answered.set_result(response)

    async def _passes(self, sender: str) -> bool:
        """Let one message travel and say whether it arrived."""
        weather, draw = self.weather, self._randomness.random
        lost = draw() < weather.lost
        delay_s = weather.latency_s * (0.5 + draw())
        if draw() < weather.delayed:
            delay_s += draw() * weather.delay_s_max
        await asyncio.sleep(delay_s)
        return not lost and sender not in self.cut_off

    async def _answer(self, server: SimulatedServer, request: Request) -> Response:
        for method, pattern, route in server.routes:
            match = pattern.fullmatch(request.path)
            if match and method in (request.method, "*"):
                return await self._handle(route, replace(request, params=match.groupdict()))
        return json_response({"error": "not_found"}, 404)

    async def _handle(self, route: Route, request: Request) -> Response:
        try:
            return await route.handle(request)
        except WindrowError as error:
            return json_response(error.as_dict(), error.reason.http_status)
        except Exception as error:
            self.failures.append(error)
            return json_response({"error": "internal"}, 500)


def _pattern(pattern: str) -> re.Pattern[str]:
    """Turn a route's pattern, `/v1/epochs/{epoch_id}` or `/{path:.*}`, into a regular expression."""
    parts = re.split(r"\{(\w+)(?::([^}]*))?\}", pattern)
    built = re.escape(parts[0])
    for name, rule, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        built += f"(?P<{name}>{rule or '[^/]+'}){re.escape(text)}"
    return re.compile(built)
