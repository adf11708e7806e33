"""The demo's site as it is served: every entry as promised, nothing outside the table, the same after a restart."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from contributor_node.extraction.main_text import extract
from windrow.demo_site import SiteManifest
from windrow.demo_site.manifest import SiteEntry
from windrow.demo_site.serve import bind_hosts
from windrow_protocol.content import words
from windrow_protocol.errors import WindrowError
from windrow_protocol.optout import denies_training, optout_signals
from windrow_protocol.robots_rules import RobotsRules


def test_bad_listeners_are_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.20.3", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WindrowError) as refused:
            bind_hosts(tuple(f"127.0.20.{number}" for number in range(1, 9)), (port,))
        assert refused.value.code == "port_taken"
    with pytest.raises(WindrowError) as refused:
        bind_hosts(("127.0.20.1",), (0,))
    assert refused.value.code == "bad_config"
    with pytest.raises(WindrowError) as refused:
        bind_hosts(("203.0.113.7",) * 8, (0,))
    assert refused.value.code == "bad_config"


# --- what is served -----------------------------------------------------------------------------------------------


@dataclass
class Served:
    """A running server and what it was built from."""

    root: Path
    manifest: SiteManifest
    bases: list[str]
    log: Path

    def special(self, path: str) -> tuple[str, SiteEntry]:
        """The URL and the entry of one special page."""
        entry = next(entry for entry in self.manifest.entries if entry.path == path)
        return self.bases[entry.host_index] + path, entry

    def requests(self) -> list[dict[str, Any]]:
        """What the access log says."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def _start(root: Path, folder: Path, *options: str) -> tuple[subprocess.Popen[bytes], list[str]]:
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "windrow.demo_site.serve", "--root", str(root), "--die-with-parent"),
            *("--ready-file", str(ready), "--access-log", str(folder / "access.ndjson"), *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"demo site ready on 8 hosts")
    return process, json.loads(ready.read_text())


def _ended(process: subprocess.Popen[bytes]) -> int:
    with process:
        return process.wait(30)


@pytest.fixture(scope="module")
def served(site: tuple[Path, SiteManifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    process, bases = _start(site[0], folder)
    yield Served(*site, bases, folder / "access.ndjson")
    process.terminate()
    assert _ended(process) == 0


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_every_entry_is_answered_as_promised(served: Served, client: aiohttp.ClientSession) -> None:
    robots = {}
    for host_index, base in enumerate(served.bases):
        async with client.get(f"{base}/robots.txt") as answer:
            assert answer.content_type == "text/plain"
            robots[host_index] = RobotsRules.parse(await answer.read(), answer.status)
    for entry in served.manifest.entries:
        url = served.bases[entry.host_index] + entry.path
        allowed = robots[entry.host_index].allows("WindrowBot", url)
        assert allowed is (entry.expect != "robots_denied"), url
        async with client.get(url, allow_redirects=False) as answer:
            body = await answer.read()
            assert answer.status == entry.status, url
            for name, value in entry.headers.items():
                assert answer.headers[name] == value, url
            if entry.status == 200:
                assert answer.headers["Content-Type"] == entry.content_type, url
                assert body == (served.root / entry.file).read_bytes()
            signals = optout_signals(url, list(answer.headers.items()), body)
            assert denies_training(signals) is (entry.expect == "optout_denied"), url
    expected = Counter(entry.expect for entry in served.manifest.entries)
    assert expected["robots_denied"] == 4
    assert expected["optout_denied"] == 4
    assert expected["unsafe_address"] == 2
    assert expected["not_found"] == 1
    assert expected["rendered"] == 1


async def test_redirects_lead_where_they_say(served: Served, client: aiohttp.ClientSession) -> None:
    url, _ = served.special("/old/links.htm")
    async with client.get(url) as answer:
        assert answer.url.path == "/guide/links"
        assert "Why old addresses should keep working" in await answer.text()
    targets = {
        entry.headers["Location"] for entry in served.manifest.entries if entry.expect == "unsafe_address"
    }
    assert targets == {"http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/"}


async def test_variants_of_an_address_are_one_page(served: Served, client: aiohttp.ClientSession) -> None:
    variants = [
        entry.path for entry in served.manifest.entries if entry.path.lower().startswith("/guide/intro")
    ]
    assert len(variants) == 5
    bodies = set()
    for path in [*variants, "/GUIDE/INTRO/?x=1", "/guide/intro/;sid=1"]:
        async with client.get(served.bases[0] + path) as answer:
            bodies.add(await answer.read())
    assert len(bodies) == 1


async def test_languages_arrive_in_their_character_sets(
    served: Served, client: aiohttp.ClientSession
) -> None:
    said = {
        "/sprachen/wiese": "äußere Schicht",
        "/langues/prairie": "À la fin du mois",
        "/idiomas/camino": "Cada otoño",
    }
    for path, phrase in said.items():
        url, entry = served.special(path)
        async with client.get(url) as answer:
            assert phrase in await answer.text(), path
            assert phrase in extract(await answer.read(), entry.content_type).text
    _, latin = served.special("/langues/prairie")
    with pytest.raises(UnicodeDecodeError):
        (served.root / latin.file).read_bytes().decode("utf-8")


async def test_one_page_is_empty_without_its_script(served: Served, client: aiohttp.ClientSession) -> None:
    url, entry = served.special("/app/week")
    assert entry.render == "browser"
    async with client.get(url) as answer:
        page = await answer.read()
    extracted = extract(page, entry.content_type)
    assert "tedder" not in extracted.text
    async with client.get(url + ".json") as answer:
        story = await answer.json()
    assert sum(len(words(text)) for text in story["paragraphs"]) >= 150
    async with client.get(url + ".js") as answer:
        assert answer.content_type == "text/javascript"
        assert '"/app/week.json"' in await answer.text()


OUTSIDE = [
    *("/site.json", "/hosts/0/index.html", "/../site.json", "/%2e%2e/site.json", "/..%2fsite.json"),
    *("//etc/passwd", "/library/../../site.json", "/library/%00", "/library/"[:-1] + "\\..\\site.json"),
]


async def test_nothing_outside_the_table_is_served(served: Served, client: aiohttp.ClientSession) -> None:
    address, port = served.bases[0].removeprefix("http://").split(":")
    for path in OUTSIDE:
        reader, writer = await asyncio.open_connection(address, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        received = await reader.read()
        writer.close()
        assert received.startswith(b"HTTP/1.1 404 "), path
        assert b"There is no page at this address" in received
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with client.request(method, served.bases[0] + "/") as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET, HEAD"
    async with client.head(served.bases[0] + "/library/abc.html") as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 1000


async def test_a_page_of_another_host_is_found_there(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(served.bases[7] + "/library/abc.html", allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"] == served.bases[0] + "/library/abc.html"


async def test_the_log_knows_who_asked_for_what(served: Served) -> None:
    connector = aiohttp.TCPConnector(local_addr=("127.0.30.9", 0))
    async with aiohttp.ClientSession(connector=connector, headers={"User-Agent": "probe/1"}) as session:
        await session.get(served.bases[4] + "/robots.txt?x=1")
        await session.get(served.bases[5] + "/nowhere")
    one, two = (line for line in served.requests() if line["user_agent"] == "probe/1")
    assert (one["client"], one["host_index"], one["path"], one["status"]) == (
        "127.0.30.9",
        4,
        "/robots.txt?x=1",
        200,
    )
    assert (two["host_index"], two["path"], two["status"], two["user_agent"]) == (
        5,
        "/nowhere",
        404,
        "probe/1",
    )
    assert served.bases[5] == f"http://{two['host']}"
    assert one["time_ms"] <= two["time_ms"]


async def test_a_restart_has_the_same_addresses(site: tuple[Path, SiteManifest], tmp_path: Path) -> None:
    process, bases = _start(site[0], tmp_path)
    async with aiohttp.ClientSession() as session, session.get(bases[3] + "/") as answer:
        assert answer.status == 200  # a connection that is still open when the server ends
        process.terminate()
        assert await asyncio.to_thread(_ended, process) == 0
    ports = ",".join(base.rsplit(":", 1)[1] for base in bases)
    process, again = _start(site[0], tmp_path, "--ports", ports)
    assert again == bases
    assert process.stdin is not None
    process.stdin.close()  # as it is when the parent is gone
    assert _ended(process) == 0
