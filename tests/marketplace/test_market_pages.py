"""The catalogue's pages and their JSON twins show the same values, escape what strangers wrote and load nothing."""

from __future__ import annotations

import asyncio
import io
import re
from collections import Counter
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

import msgspec
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from files_place import brought, home_alone
from market_world import Market
from published_world import RECIPES, PublishedWorld, manual, open_world

from aggregator.publish import publish
from marketplace.catalogue import Catalogue, sample_rows
from marketplace.plots import bar_plot
from marketplace.rendering import (
    age_text,
    bars,
    bytes_text,
    render_dataset,
    render_market,
    wei_about_text,
    wei_text,
)
from marketplace.routes import MarketDoors
from storage.env import Request as Asked
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SAMPLE_ROWS, SEARCH_CHARS_MAX

OPENER = build_opener(ProxyHandler({}))
SCRIPT = '<script src="/market/page/buy.js" defer></script>'
FREE = ("removed_ids.json", "measures.json")


def get(market: Market, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with OPENER.open(Request(market.url + path, method=method), timeout=30) as answer:
        return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()


def json_of(market: Market, path: str) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(get(market, path)[2])
    return decoded


def test_page_and_twin_show_the_same_values(market: Market) -> None:
    page = unescape(get(market, "/market/web_text")[2].decode())
    twin = json_of(market, "/market/datasets/web_text/0.1.0")
    shown = (
        *(f"{twin['rows']:,}", f"{twin['tokens']:,}", str(twin["export_id"]), str(twin["manifest_sha256"])),
        *(str(twin["coordinator_id"]), str(twin["summary"]), wei_text(str(twin["price"])) + " WIND"),
    )
    for value in shown:
        assert value in page
    for column in twin["columns"]:  # type: ignore[attr-defined]
        assert column["about"] in page


def test_all_ways_to_the_newest_version_agree(market: Market) -> None:
    newest = json_of(market, "/market/datasets")["datasets"]
    latest = json_of(market, "/market/datasets/web_text/latest")
    listed = json_of(market, "/market/datasets/web_text")["versions"]
    assert listed == newest == [{name: value for name, value in latest.items() if name != "chain"}]
    assert latest["chain"]["market"] == market.chain.market.address  # type: ignore[index]
    assert get(market, "/market/web_text/0.1.0")[2] == get(market, "/market/web_text")[2]


def test_the_sample_is_free_and_real(market: Market) -> None:
    rows = json_of(market, "/market/datasets/web_text/0.1.0/sample")["rows"]
    _, headers, body = get(market, "/market/datasets/web_text/0.1.0/sample?format=parquet")
    table = pq.read_table(io.BytesIO(body))
    assert table.num_rows == len(rows) == SAMPLE_ROWS  # type: ignore[arg-type]
    assert [row["id"] for row in rows] == table["id"].to_pylist()  # type: ignore[attr-defined]
    assert headers["content-type"] == "application/vnd.apache.parquet"


@pytest.mark.parametrize("name", ["manifest.json", "manifest.jws", "croissant.json", "README.md", *FREE])
def test_what_describes_an_export_is_free(market: Market, name: str) -> None:
    assert market.export.path is not None
    _, _, body = get(market, f"/market/datasets/web_text/0.1.0/{name}")
    assert body == (brought(market.export.path) / name).read_bytes()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/market/datasets/nothing/latest", 404),
        ("/market/datasets/web_text/9.9.9", 404),
        ("/market/datasets/web_text/..%2f..", 404),
        ("/market/datasets/web_text/0.1.0/provenance.parquet", 404),
        ("/market/datasets/web_text/0.1.0/data", 404),
        ("/market/datasets/web_text/0.1.0/sample?format=exe", 400),
        ("/market/Nothing", 404),
    ],
)
def test_what_is_not_there_or_not_free_is_refused_with_a_remedy(
    market: Market, path: str, status: int
) -> None:
    from urllib.error import HTTPError

    with pytest.raises(HTTPError) as refusal:
        get(market, path)
    assert refusal.value.code == status
    assert msgspec.json.decode(refusal.value.read())["remedy"]


def test_pages_load_nothing_from_elsewhere(market: Market) -> None:
    for path in ("/market", "/market/web_text"):
        _, headers, body = get(market, path)
        assert "default-src 'none'" in headers["content-security-policy"]
        page = body.decode()
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert re.findall(r"<script\b[^>]*></script>", page) == (
            [SCRIPT] if path == "/market/web_text" else []
        )
        assert not re.findall(r"<(?:img|iframe)\b", page)
        assert all(
            target.startswith(("/", "#")) or target == "data:,"
            for target in re.findall(r'(?:href|src)="([^"]*)"', page)
        )
        assert "url(" not in page


async def test_what_strangers_wrote_is_shown_as_text(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path).open()
    hostile = (
        "<script>alert(1)</script> ![x](http://evil.example/x.png) [go](javascript:alert(1)) {{ 7 * 7 }}"
    )
    await world.feed({"http://evil.example/%3Cscript%3E": f"{hostile}\n\n{manual('calendar')}"})
    publish(world.house, RECIPES, "web_text")
    catalogue = Catalogue(world.house)
    offer = catalogue.offer("web_text")
    page = render_dataset(
        offer,
        versions=[offer],
        sample=sample_rows(offer.files),
        card=catalogue.card(offer) + hostile,
        times_sold=0,
    )
    assert "&lt;script&gt;alert(1)" in page
    assert re.findall(r"<script\b[^>]*></script>", page) == [SCRIPT]
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "{{ 7 * 7 }}" in page


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", 1),
        ("WEB en", 1),
        ("h0.example token_count", 1),
        ("web nosuchword", 0),
        ("%", 0),
        ("<script>", 0),
    ],
)
def test_search_finds_by_all_words_on_page_and_twin(market: Market, words: str, found: int) -> None:
    query = urlencode({"q": words})
    page = get(market, f"/market?{query}")[2].decode()
    assert page.count('class="card"') == found
    assert len(json_of(market, f"/market/datasets?{query}")["datasets"]) == found  # type: ignore[arg-type]
    assert "<script" not in page
    assert f'value="{escape(words)}"' in page


def test_a_search_is_bounded(market: Market) -> None:
    from urllib.error import HTTPError

    with pytest.raises(HTTPError) as refusal:
        get(market, "/market?q=" + "a" * (SEARCH_CHARS_MAX + 1))
    assert refusal.value.code == 413


def test_what_was_measured_is_of_the_rows_that_are_sold(market: Market) -> None:
    assert market.export.path is not None
    rows = (
        pads.dataset(sorted((brought(market.export.path) / "data").glob("*.parquet"))).to_table().to_pylist()
    )
    twin: Any = json_of(market, "/market/datasets/web_text/0.1.0")
    measures, ages = twin["measures"], twin["fetch_to_export_ms"]
    fetched = sorted(round(row["fetched_at"].timestamp() * 1000) for row in rows)
    assert ages["oldest"] == twin["created_at_ms"] - fetched[0]
    assert ages["newest"] == twin["created_at_ms"] - fetched[-1]
    assert ages["oldest"] >= ages["median"] >= ages["newest"]
    for name in ("row_tokens", "language_scores", "cluster_sizes"):
        assert sum(each["rows"] for each in measures[name]) == len(rows)
    assert measures["robots_states"] == dict(sorted(Counter(row["robots_state"] for row in rows).items()))
    assert measures["rows_with_optouts"] == 0
    assert measures["rows_redacted"] == sum(row["pii_redactions"] > 0 for row in rows) > 0
    page = get(market, "/market/web_text")[2].decode()
    assert page.count("<svg") == page.count("<desc") == page.count("As a table</summary>") >= 3
    assert "remains its publisher's" in unescape(page).split("<h2>Measured")[0]  # the licence's own words


@home_alone
def test_measures_that_are_not_the_signed_ones_are_no_facts(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    measures = export.path / "measures.json"
    measures.write_bytes(measures.read_bytes().replace(b'"rows_with_optouts": 0', b'"rows_with_optouts": 9'))
    with pytest.raises(WindrowError) as refusal:
        Catalogue(world.house).datasets()[0].as_dict()
    assert refusal.value.code == "export_corrupt"


def test_a_plot_escapes_what_it_is_given_and_says_the_same_in_words() -> None:
    plot = bar_plot("x", "<b>", [("<i>&", 3), ("none", 0), ("b" * 40, 9_000)])
    assert "<b>" not in plot
    assert "<i>" not in plot
    assert "9,003 rows; most, 9,000" in plot
    assert [float(width) for width in re.findall(r'class="bar"[^>]* width="([0-9.]+)"', plot)] == [
        1.5,
        0,
        174,
    ]
    assert "No rows." in bar_plot("x", "t", [])


def test_an_age_reads_well() -> None:
    ages = (0, 90_000, 7_200_000, 2 * 86_400_000, 35 * 86_400_000 + 1)
    assert [age_text(ms) for ms in ages] == ["0 seconds", "90 seconds", "2 hours", "2 days", "35 days"]


async def test_a_page_does_not_wait_for_a_chain_that_never_answers(market: Market) -> None:
    asked = 0

    async def silent() -> Any:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    doors = MarketDoors(market.house, silent)
    wanted = Asked("GET", "/market/web_text", params={"dataset": "web_text"})
    pages = await asyncio.gather(*(doors.dataset_page(wanted) for _ in range(3)))
    assert asked == 1
    assert all(b"windrow buy web_text" in page.body and b"data-market" not in page.body for page in pages)


def test_an_empty_market_says_so() -> None:
    assert "Nothing is for sale yet" in render_market([])


@home_alone
def test_a_changed_manifest_is_no_offer(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    manifest = export.path / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows": 20', b'"rows": 99'))
    with pytest.raises(WindrowError) as refusal:
        Catalogue(world.house).datasets()
    assert refusal.value.code == "export_corrupt"


def test_amounts_and_sizes_read_well() -> None:
    assert [wei_text(n) for n in (0, 1, 10**18, 15 * 10**17, 1234 * 10**18)] == [
        *("0", "0.000000000000000001", "1", "1.5", "1,234")
    ]
    assert [wei_about_text(n) for n in (43_097_875_274_748_954_877, 10**18, 123_456 * 10**18)] == [
        *("43.1", "1", "123,500")
    ]
    assert [bytes_text(n) for n in (0, 999, 1_500, 2_500_000)] == ["0 B", "999 B", "1.5 kB", "2.5 MB"]
    counts = {f"host{i:02}": 20 - i for i in range(12)}
    shown = bars(counts)
    assert shown[-1][0] == "others"
    assert sum(count for _, count, _ in shown) == sum(counts.values())
