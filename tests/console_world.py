"""A house's console behind a real socket, a clock that tests move, and a browser of nothing but HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil
from eth_account.messages import encode_defunct

from chain.keys import key_from_hex
from storage.house import House
from storage.real_env import real_env
from windrow.console.site import ConsoleOperations, console_routes
from windrow.home import open_home
from windrow.settings import HouseSettings
from windrow_protocol.errors import REASONS

OWNER, ANALYST, SUPPORT, STRANGER = (key_from_hex(f"{number:064x}") for number in (71, 72, 73, 74))


class MovedClock:
    """The machine's clock, and what a test adds to it."""

    def __init__(self, clock: Any) -> None:
        self._clock, self.ahead_ms = clock, 0

    def now_ms(self) -> int:
        return int(self._clock.now_ms()) + self.ahead_ms

    async def sleep(self, wait_s: float) -> None:
        await self._clock.sleep(wait_s)


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Console:
    """A running console."""

    settings: HouseSettings
    house: House
    operations: ConsoleOperations
    clock: MovedClock
    url: str

    def browser(self) -> Browser:
        return Browser(self.url)

    async def entered(self, key: Any) -> Browser:
        """A browser in which this account has signed in."""
        browser = self.browser()
        assert (await browser.sign_in(key)).status == 200
        return browser


@dataclass
class Browser:
    """Sends what a page of the console would send, unless it is told otherwise, and keeps the cookie."""

    url: str
    cookie: str = ""
    kept: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Said:
        own = {"Host": urlsplit(self.url).netloc, "Accept": "text/html"}
        if method == "POST":
            own |= {"Origin": self.url, "Content-Type": "application/x-www-form-urlencoded"}
        own |= {"Cookie": self.cookie} if self.cookie else {}
        sent = {**own, **{name.replace("_", "-"): value for name, value in headers.items()}}
        said = await asyncio.to_thread(self._send, method, path, body, sent)
        given = said.headers.get("Set-Cookie", "")
        if given:
            self.kept.append(given)
            self.cookie = given.partition(";")[0]
        return said

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Said:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(
                method,
                path,
                body or None,
                {name: each for name, each in headers.items() if each or name == "Host"},
            )
            answer = connection.getresponse()
            return Said(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    async def send(self, path: str, value: Any, **headers: str) -> Said:
        kind = {"Content_Type": "application/json", "Accept": "application/json"}
        return await self.ask("POST", path, json.dumps(value).encode(), **{**kind, **headers})

    async def challenge(self, key: Any) -> str:
        return str((await self.send("/console/challenge", {"address": key.address})).json["message"])

    async def sign_in(self, key: Any, text: str = "", **also: Any) -> Said:
        text = text or await self.challenge(key)
        return await self.send("/console/sign-in", {"message": text, "signature": signed(key, text), **also})

    async def token(self) -> str:
        """The form token of the page that is open."""
        found = re.search(r'name="form" value="([0-9a-f]+)"', (await self.ask("GET", "/console")).text)
        assert found, "no form on the page"
        return found[1]

    async def post(self, path: str, **fields: str) -> Said:
        return await self.ask("POST", path, urlencode({"form": await self.token(), **fields}).encode())

    async def answer(self, statement: str, **fields: str) -> Said:
        """Ask a question and follow to its answer."""
        asked = await self.post("/console/ask", statement=statement, **fields)
        if asked.status != 303:
            return asked
        return await self.ask("GET", asked.headers["Location"].partition("#")[0])


async def until_running(count: int) -> None:
    """Wait until so many questions have a process."""
    async with asyncio.timeout(60):
        while sum(map(_is_question, psutil.Process().children(recursive=True))) != count:  # noqa: ASYNC110  processes set no event
            await asyncio.sleep(0.02)


def _is_question(process: psutil.Process) -> bool:
    """One that waits for the next question has not been contained yet, and is none."""
    try:
        return "aggregator.sql.child" in process.cmdline() and process.cwd() == "/"
    except psutil.Error:
        return False  # it has just ended


def signed(key: Any, text: str) -> str:
    return "0x" + bytes(key.sign_message(encode_defunct(text=text)).signature).hex()


@asynccontextmanager
async def running_console(folder: Path, **settings: Any) -> AsyncIterator[Console]:
    """Serve the console of a new house, whose contracts OWNER owns, with an analyst and a supporter."""
    env = real_env()
    clock = MovedClock(env.clock)
    at = HouseSettings(home=str(folder / "house"), network="windrow-test", **settings)
    with open_home(at, replace(env, clock=clock)) as home:
        operations = ConsoleOperations(home.house, OWNER.address)
        await operations.grant(ANALYST.address, "analyst")
        await operations.grant(SUPPORT.address, "support")
        routes = console_routes(at, home.house, OWNER.address)
        server = await env.network.serve(routes, host="127.0.0.1", port=0)
        try:
            yield Console(at, home.house, operations, clock, server.url)
        finally:
            await server.close()


def refused(said: Said, code: str) -> None:
    """Fail unless an answer is a refusal with this code, and gives no cookie."""
    assert said.status == REASONS[code].http_status
    assert code in said.text
    assert "Set-Cookie" not in said.headers
