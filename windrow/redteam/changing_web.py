"""A local web whose pages change from fetch to fetch, as the real one's do.

    static        the same bytes for everybody, for ever
    rotating      a block of related text that changes with every fetch
    dated         the time of the fetch, a session token and a count of readers
    personal      a greeting and a block chosen by the visitor's address
    flaky         one fetch in eight is a 503 with an error page
    limiting      more than so many fetches of one address in a second are answered 429 with Retry-After
    living        a paragraph is replaced by a new one every day
    own           beside these, one host that belongs to the cheat: pages of invented text without end, or one text
                  at every address (`mirrored`)

Rules: each host is an address of its own in 127/8; what a page says follows from the seed, the day, the visitor and
the number of the fetch. Every tenth page has a mirror on another host.

Does not: leave loopback, or know who is honest. Usage: `async with ChangingWeb(pages=600) as web: web.urls`.
"""

from __future__ import annotations

import html
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from windrow.redteam.invention import fluent_text
from windrow.redteam.prose import pages_of_prose

KINDS: Final = ("static", "rotating", "dated", "personal", "flaky", "limiting", "living")
HOSTS: Final = 21
MIRRORED_EVERY: Final = 10
FLAKY_ONE_IN: Final = 8
LIMIT_A_SECOND: Final = 40
DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Place:
    """Where a page lies: its host's number, its path, and the number of its text."""

    host: int
    path: str
    text: int


class ChangingWeb:
    """A few hundred pages on some hosts of loopback."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        pages: int = 600,
        seed: int = 7,
        own_pages: int = 0,
        *,
        mirrored: bool = False,
    ) -> None:
        self._now_ms = now_ms
        self._seed = seed
        self._prose = pages_of_prose(pages + 400)
        self._blocks = [paragraphs[0] for _, paragraphs in self._prose[pages:]]
        self._prose = self._prose[:pages]
        self._places: dict[tuple[int, str], Place] = {}
        for number in range(len(self._prose)):
            self._put(number % HOSTS, f"/page/{number}.html", number)
            if number % MIRRORED_EVERY == 0:
                self._put((number + 5) % HOSTS, f"/mirror/{number}.html", number)
        for number in range(own_pages):
            self._put(HOSTS, f"/own/{number}.html", 0 if mirrored else number)
        self._fetches: Counter[str] = Counter()
        self._second: Counter[tuple[str, int]] = Counter()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def _put(self, host: int, path: str, text: int) -> None:
        self._places[host, path] = Place(host, path, text)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        for host in range(HOSTS + 1):
            await web.TCPSite(self._runner, address_of(host), self._port).start()
            self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def urls(self) -> list[str]:
        """Every page's address, mirrors included."""
        return [self.url_of(place) for place in self._places.values()]

    @property
    def known_domains(self) -> list[str]:
        """The addresses of all hosts but the cheat's own: what a list of known domains would hold."""
        return [address_of(host) for host in range(HOSTS)]

    def url_of(self, place: Place) -> str:
        """Return the address of one page."""
        return f"http://{address_of(place.host)}:{self._port}{place.path}"

    def kind_of(self, url: str) -> str:
        """Return how the host of a URL behaves."""
        return kind_at(_host_of(url.split("//")[1].split(":")[0]))

    async def _answer(self, request: web.Request) -> web.Response:
        host = _host_of(str(request.url.host))
        place = self._places.get((host, request.path))
        if request.path == "/robots.txt":
            return web.Response(text="User-agent: *\nAllow: /\n")
        if place is None:
            return _page("Not found", ["There is no page at this address."], 404)
        if place.host == HOSTS:
            chance = random.Random(f"{self._seed}/own/{place.text}")
            subject = f"/own/{place.text}.html"
            return _page("Everything about it", [fluent_text(subject, chance, 120) for _ in range(60)])
        visitor = request.remote or ""
        self._fetches[request.path] += 1
        refused = self._refused(place, visitor, self._fetches[request.path])
        return refused or self._shown(place, visitor, self._fetches[request.path])

    def _refused(self, place: Place, visitor: str, fetch: int) -> web.Response | None:
        kind = kind_at(place.host)
        chance = random.Random(f"{self._seed}/{place.text}/{visitor}/{fetch}")
        if kind == "flaky" and chance.randrange(FLAKY_ONE_IN) == 0:
            return _page("Service unavailable", ["Please try again in a moment."], 503)
        if kind == "limiting":
            now_s = self._now_ms() // 1000
            self._second[visitor, now_s] += 1
            if self._second[visitor, now_s] > LIMIT_A_SECOND:
                answer = _page("Too many requests", ["You are going too fast."], 429)
                answer.headers["Retry-After"] = "2"
                return answer
        return None

    def _shown(self, place: Place, visitor: str, fetch: int) -> web.Response:
        title, paragraphs = self._prose[place.text]
        kind = kind_at(place.host)
        chance = random.Random(f"{self._seed}/{place.text}/{kind}/{visitor}/{fetch}")
        body = list(paragraphs)
        if kind == "rotating":
            body.append("Related: " + chance.choice(self._blocks))
        elif kind == "dated":
            body.insert(
                0, f"Read {fetch} times. Generated at {self._now_ms()}; session {chance.getrandbits(64):x}."
            )
        elif kind == "personal":
            theirs = random.Random(f"{self._seed}/{visitor}")
            body.insert(0, f"Good day, visitor from {visitor}. For you: {theirs.choice(self._blocks)[:160]}")
        elif kind == "living":
            body = self._as_of_today(place.text, body)
        return _page(title, body)

    def _as_of_today(self, text: int, paragraphs: list[str]) -> list[str]:
        """Replace one paragraph a day, so that an old copy grows staler with every day."""
        today = self._now_ms() // DAY_MS
        body = list(paragraphs)
        for day in range(today - len(body) + 1, today + 1):
            body[day % len(body)] = self._blocks[(text * 31 + day * 17) % len(self._blocks)]
        return body


def address_of(host: int) -> str:
    """Return the loopback address of a host."""
    return f"127.0.60.{host + 1}"


def kind_at(host: int) -> str:
    """Return how a host behaves."""
    return KINDS[host % len(KINDS)]


def _host_of(address: str) -> int:
    return int(address.rsplit(".", 1)[1]) - 1


def _page(title: str, paragraphs: list[str], status: int = 200) -> web.Response:
    shown = "".join(f"<p>{html.escape(paragraph)}</p>\n" for paragraph in paragraphs)
    links = "".join(f'<li><a href="/page/{n}.html">Page {n}</a></li>' for n in range(5))
    text = (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head><body>'
        f"<header><nav><ul>{links}</ul></nav></header><main><article><h1>{html.escape(title)}</h1>\n{shown}</article>"
        "</main><footer><p>A page of a local web.</p></footer></body></html>"
    )
    return web.Response(text=text, content_type="text/html", status=status)
