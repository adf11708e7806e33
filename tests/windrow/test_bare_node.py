"""The node of the examples, written from the protocol's page alone: it works and earns on the demo's own network."""

from __future__ import annotations

import ast
import asyncio
import json
import runpy
import sys
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import httpcore
import pytest
from demo_site_size import SITE_DOCUMENTS, SITE_MODULES
from imported_modules import imported_strangers
from real_data import ROOT

from contributor_node.extraction.main_text import extract
from windrow.demo.network import VALIDATORS, DemoNetwork, start_house, start_node, start_site
from windrow.demo.supervisor import Supervisor
from windrow.operator_socket import ask_running
from windrow_protocol.content import normalise_text, shingle_hashes
from windrow_protocol.user_agent import user_agent

PROGRAM = ROOT / "examples" / "bare_node.py"
PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PAGES = 10
WAIT_S = 600


def test_it_uses_public_libraries_and_nothing_of_windrow() -> None:
    assert imported_strangers(PROGRAM) == {"httpcore", "joserfc", "protego", "resiliparse", "zstandard"}


def test_its_code_stays_a_page_to_read() -> None:
    source = PROGRAM.read_text()
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            skipped.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            skipped.add(node.lineno)
    code = [n for n, line in enumerate(source.splitlines(), 1) if line.strip() and n not in skipped]
    assert len(code) <= 160


@pytest.fixture(scope="module")
def bare() -> dict[str, Any]:
    return runpy.run_path(str(PROGRAM))


@pytest.mark.parametrize(
    "text", ["a\r\nb\rc", "  a \t b\u00a0c \n\n\n\n d ", "e\u0301\ufeff\x00f", "\u2003x\u2028y"]
)
def test_its_normal_form_is_the_protocols(text: str, bare: dict[str, Any]) -> None:
    assert bare["normal_form"](text) == normalise_text(text)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1",
     "224.0.0.1", "168.63.129.16", "100.64.0.1", "2001::1", "3fff::1", "fec0::1", "0.0.0.0", "2130706433", "0x7f.1"],
)  # fmt: skip
def test_it_goes_to_public_addresses_only(
    host: str, bare: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[tuple[str, int]] = []  # by the library, which would connect now
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", lambda _, *place: reached.append(place))
    web = bare["Web"]("", [], 2.0)
    with pytest.raises(bare["OutcomeError"], match="unsafe_address"):
        web.connect_tcp(host, 80)
    with pytest.raises(bare["OutcomeError"], match="unsafe_address"):
        web.connect_tcp("93.184.215.14", 8080)
    web.connect_tcp("93.184.215.14", 443)
    assert reached == [("93.184.215.14", 443)]


PAGE = b"<html><body><main><h1>Rows</h1>" + b"<p>The rows of the field were raked.</p>" * 9 + b"</main>"
LEASE = {"time_s_max": 20, "body_bytes_max": 100_000, "redirects_max": 3}


class Pages(BaseHTTPRequestHandler):
    """Serves what the test put into `served`, by path: a body, and headers."""

    served: ClassVar[dict[str, tuple[bytes, dict[str, str]]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers["User-Agent"])
        body, headers = self.served.get(self.path, (b"", {"status": "404"}))
        self.send_response(int(headers.get("status", 200)))
        for name, value in ({"Content-Type": "text/html"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("served", "outcome"),
    [
        ({"/a": (PAGE, {})}, ""),
        ({"/a": (b"", {"status": "302", "Location": "/b"}), "/b": (PAGE, {})}, ""),
        ({"/a": (PAGE, {}), "/robots.txt": (b"User-agent: *\nDisallow: /*a$", {})}, "robots_denied"),
        ({"/a": (PAGE, {}), "/robots.txt": (b"", {"status": "500"})}, "robots_denied"),
        ({"/a": (PAGE, {}), "/robots.txt": (b"User-agent: *\nContent-Usage: train-ai=n", {})}, "optout_denied"),
        ({"/a": (PAGE, {}), "/.well-known/tdmrep.json": (b'[{"tdm-reservation": 1}]', {})}, "optout_denied"),
        ({"/a": (PAGE, {"X-Robots-Tag": "noai"})}, "optout_denied"),
        ({"/a": (PAGE, {"TDM-Reservation": "1"})}, "optout_denied"),
        ({"/a": (b"<meta content='noimageai' name=ROBOTS>" + PAGE, {})}, "optout_denied"),
        ({"/a": (b"<meta name=tdm-reservation content=1>" + PAGE, {})}, "optout_denied"),
        ({"/a": (PAGE * 1_000, {})}, "too_large"),
        ({"/a": (PAGE, {"Content-Type": "image/png"})}, "not_found"),
        ({"/a": (PAGE, {"status": "503"})}, "server_error"),
        ({"/a": (PAGE, {"status": "403"})}, "blocked"),
        ({"/a": (b"", {"status": "302", "Location": "/a"})}, "server_error"),
        ({"/a": (b"", {"status": "302", "Location": "http://10.0.0.1/"})}, "unsafe_address"),
    ],
)  # fmt: skip
def test_it_does_as_a_host_says(served: Any, outcome: str, bare: dict[str, Any], pages: str) -> None:
    Pages.served, Pages.asked = served, []
    web = bare["Web"]("http://127.0.0.1:1/publishers", [pages], 0.0)
    lease = {**LEASE, "url": f"http://{pages}/a"}
    if outcome:
        with pytest.raises(bare["OutcomeError"], match=outcome):
            bare["contribution"](web, lease)
    else:
        assert "rows of the field" in bare["contribution"](web, lease)["text"]
    web.pool.close()
    assert set(Pages.asked) == {user_agent("http://127.0.0.1:1/publishers")}


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_reads_pages_much_as_the_node_does(bare: dict[str, Any], site: tuple[Path, Any]) -> None:
    """What it hands in must match what validators see: 0.60 of the shingles of the shorter text, and of the longer."""
    root, manifest = site
    entries = [entry for entry in manifest.entries if entry.expect == "fetched" and entry.file]
    alike = []
    for entry in entries[:80]:
        body, headers = (root / entry.file).read_bytes(), Message()
        headers["Content-Type"] = entry.content_type
        mine = shingle_hashes(bare["text_of"](body, headers))
        theirs = shingle_hashes(normalise_text(extract(body, entry.content_type).text))
        shared = len(mine & theirs)
        alike.append(min(shared / len(mine), shared / len(theirs)) if mine and theirs else 0.0)
    assert sum(one >= 0.6 for one in alike) >= 0.9 * len(alike)


async def _until(true: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.3)


def _entries(network: DemoNetwork) -> dict[str, Any]:
    with urllib.request.urlopen(f"{network.coordinator}/v1/accounts/{PAYOUT}/entries", timeout=30) as answer:
        return dict(json.load(answer))


async def _earn(home: Path) -> dict[str, Any]:
    """Run the demo's house and validators and the bare node; return its account."""
    async with Supervisor(home) as supervisor:
        hosts, urls = await start_site(home, supervisor, (SITE_MODULES, SITE_DOCUMENTS), lambda *_: None)
        network = await start_house(home, supervisor, hosts, urls, cheat_leases=20)
        endpoints = [host.split("//", 1)[1].rstrip("/") for host in (*hosts, *network.settings.canary_hosts)]
        chosen = [list(pair) for pair in urls if pair[1] == "http"][: PAGES + 6]
        await ask_running(network.settings, "frontier_add", {"urls": chosen})
        program = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-I",
                str(PROGRAM),
                "--coordinator",
                network.coordinator,
                "--home",
                str(home / "bare"),
            ),
            *("--payout", PAYOUT, "--pages", str(PAGES), "--pace-s", "0.1"),
            *(flag for endpoint in endpoints for flag in ("--allow", endpoint)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        _, error = await asyncio.wait_for(program.communicate(), WAIT_S)
        assert program.returncode == 0, error.decode()
        for name in VALIDATORS:
            await start_node(network, supervisor, name)

        async def all_judged() -> bool:
            said = await ask_running(network.settings, "summary", {})
            waiting = said["under_way"]["audits_open"] + said["under_way"]["to_judge"]
            return bool(said["contributions"]["accepted"]) and not waiting

        await _until(all_judged)
        await ask_running(network.settings, "epoch_close", {})
        return await asyncio.to_thread(_entries, network)


async def test_it_earns_on_the_demo_network(tmp_path: Path) -> None:
    account = await _earn(tmp_path)
    assert int(account["totals"]["earned_wei"]) > 0
    assert "fetch_fee" in {entry["reason"] for entry in account["entries"]}
    receipts = [json.loads(line) for line in (tmp_path / "bare" / "receipts.ndjson").read_text().splitlines()]
    assert len({receipt["lease_id"] for receipt in receipts if receipt["seq"]}) == len(receipts) >= PAGES
