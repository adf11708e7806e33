"""The node of the examples, written from the protocol's page alone: it works and earns on the demo's own network."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from demo_site_size import SITE_DOCUMENTS, SITE_MODULES
from imported_modules import imported_strangers
from real_data import ROOT

from contributor_node.extract import extract
from windrow.demo.network import VALIDATORS, DemoNetwork, start_house, start_node, start_site
from windrow.demo.supervisor import Supervisor
from windrow.operator_socket import ask_running
from windrow_protocol.content import normalise_text, shingle_hashes

PROGRAM = ROOT / "examples" / "bare_node.py"
PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PAGES = 10
WAIT_S = 600


def test_it_uses_nothing_but_the_standard_library_and_ed25519() -> None:
    assert imported_strangers(PROGRAM) == {"cryptography"}


@pytest.fixture(scope="module")
def bare() -> dict[str, Any]:
    return runpy.run_path(str(PROGRAM))


@pytest.mark.parametrize("size", [0, 1, 131_072, 131_073, 500_000])
def test_its_frames_are_zstd(size: int, bare: dict[str, Any]) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert zstandard.ZstdDecompressor().decompress(bare["zstd_frame"](data)) == data


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
def test_it_goes_to_public_addresses_only(host: str, bare: dict[str, Any]) -> None:
    web = bare["Web"]([], 2.0)
    with pytest.raises(bare["OutcomeError"], match="unsafe_address"):
        web.address(host, 80)
    assert web.address("93.184.215.14", 443) == "93.184.215.14"
    with pytest.raises(bare["OutcomeError"], match="unsafe_address"):
        web.address("93.184.215.14", 8080)


def test_it_reads_pages_much_as_the_node_does(bare: dict[str, Any], site: tuple[Path, Any]) -> None:
    """What it hands in must match what validators see: 0.60 of the shingles of the shorter text, and of the longer."""
    root, manifest = site
    pages = [entry for entry in manifest.entries if entry.expect == "fetched" and entry.file]
    alike = []
    for entry in pages[:80]:
        body = (root / entry.file).read_bytes()
        page = bare["Text"]()
        page.feed(body.decode("latin-1" if "8859-1" in entry.content_type else "utf-8", "replace"))
        mine = shingle_hashes(bare["normal_form"]("".join(page.main or page.all)))
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


async def _earn(home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the demo's house and validators and the bare node; return its sums and its account."""
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
        out, error = await asyncio.wait_for(program.communicate(), WAIT_S)
        assert program.returncode == 0, error.decode()
        for name in VALIDATORS:
            await start_node(network, supervisor, name)
        sums = json.loads(out)

        async def all_judged() -> bool:
            said = await ask_running(network.settings, "summary", {})
            waiting = said["under_way"]["audits_open"] + said["under_way"]["to_judge"]
            return bool(said["contributions"]["accepted"]) and not waiting

        await _until(all_judged)
        await ask_running(network.settings, "epoch_close", {})
        return sums, await asyncio.to_thread(_entries, network)


async def test_it_earns_on_the_demo_network(tmp_path: Path) -> None:
    sums, account = await _earn(tmp_path)
    assert sums["receipts"] >= PAGES
    assert sums["refused"] == 0
    assert int(account["totals"]["earned_wei"]) > 0
    assert "fetch_fee" in {entry["reason"] for entry in account["entries"]}
    receipts = [json.loads(line) for line in (tmp_path / "bare" / "receipts.ndjson").read_text().splitlines()]
    assert len({receipt["lease_id"] for receipt in receipts}) == sums["receipts"]
