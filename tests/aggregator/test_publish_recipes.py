"""The recipes that come with Windrow: what each of them chooses from one lake, and that their checks can fail."""

from __future__ import annotations

import inspect
import json.decoder
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from published_world import RECIPES

from aggregator.publish.recipe import load_recipe, recipe_names
from aggregator.publish.rows import open_engine, run_checks
from storage.lake import LAKE_SCHEMA
from windrow_protocol.content import text_sha256

DAY_MS = 86_400_000
NOW_MS = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp() * 1000)
PROSE = "The council met on Monday evening and agreed to repair the bridge over the river.\n" * 8
CODE = inspect.getsource(json.decoder)
SELLABLE = pa.schema([("contribution_id", pa.string()), ("vested", pa.bool_())])


def document(number: int, url: str, text: str, **changes: Any) -> dict[str, Any]:
    row = {
        "seq": number,
        "contribution_id": f"c{number}",
        "url": url,
        "text": f"{text}\n{number}",
        "text_sha256": text_sha256(f"{text}\n{number}"),
        "fetched_at_ms": NOW_MS - DAY_MS,
        "http_status": 200,
        "robots_state": "allowed",
        "optout_signals": [],
        "verdict": "accepted",
        "dup_kind": "unique",
        "dup_cluster_id": f"d{number}",
        "language": "en",
        "language_score": 0.9,
        "token_count": 100,
        "license_detected": "unknown",
        "training_allowed": True,
        "annotation_version": 2,
    }
    return row | changes


def rows_of(dataset: str, *lake: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a recipe builds of these documents; every check must hold of what is not dropped."""
    recipe = load_recipe(RECIPES, dataset)
    table = pa.Table.from_pylist(list(lake), schema=LAKE_SCHEMA)
    may_sell = pa.table(
        {"contribution_id": [row["contribution_id"] for row in lake], "vested": [False] * len(lake)},
        schema=SELLABLE,
    )
    rows = open_engine(recipe, lake=table, sellable=may_sell).execute(recipe.build_sql).to_arrow_table()
    kept = [row for row in rows.to_pylist() if not row["dropped_by"]]
    finished = [{**row, "contributor_pseudonym": "w0", "pii_redactions": 0} for row in kept]
    export = pa.Table.from_pylist(
        [{name: row[name] for name in recipe.schema.names} for row in finished], recipe.schema
    )
    engine = open_engine(recipe, lake=table, sellable=may_sell, export=export)
    assert run_checks(engine, recipe.checks) == []
    return kept


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


WEB = ["docs_and_code", "news_recent", "web_text"]


def test_recipes_of_pages_are_sold_with_the_same_first_columns() -> None:
    assert recipe_names(RECIPES) == sorted(
        [*WEB, "opt_in_browsing", "opt_in_browsing_monthly", "opt_in_interests"]
    )
    columns = list(load_recipe(RECIPES, "web_text").settings.columns)
    for name in WEB:
        assert list(load_recipe(RECIPES, name).settings.columns)[: len(columns)] == columns


@pytest.mark.parametrize("dataset", ["docs_and_code", "news_recent", "web_text"])
@pytest.mark.parametrize(
    "changes",
    [
        {"robots_state": "denied"},
        {"optout_signals": ["noai"]},
        {"training_allowed": False},
        {"verdict": "rejected"},
        {"verdict": "unaudited"},
        {"dup_kind": "near"},
        {"http_status": 404},
        {"language": "und"},
        {"adult_word_share": 0.5},
        {"host_lists": ["spam"]},
        {"annotation_version": None},
    ],
)
def test_no_recipe_sells_what_may_not_be_sold(dataset: str, changes: dict[str, Any]) -> None:
    text = CODE if dataset == "docs_and_code" else PROSE
    good = document(1, "http://a.example/2026/11/20/one.html", text)
    assert ids(rows_of(dataset, good)) == ["c1"]
    assert rows_of(dataset, good | changes) == []


def test_docs_and_code_takes_code_and_manuals_and_leaves_prose() -> None:
    manual = (PROSE * 8) + "json.dumps(value)"
    found = rows_of(
        "docs_and_code",
        document(1, "http://a.example/src/decoder.html", CODE),
        document(2, "http://a.example/bridge.html", PROSE),
        document(3, "http://docs.example/json.html", manual),
        document(4, "http://a.example/blog/json.html", manual),
        document(5, "http://a.example/docs/bridge.html", PROSE),
        document(6, "http://a.example/min.js.html", CODE, word_chars_max=5_000),
    )
    assert ids(found) == ["c1", "c3"]
    assert found[0]["code_line_share"] > 0.2 > 0.02 > found[1]["code_line_share"] > 0.005


@pytest.mark.parametrize(
    ("url", "changes", "day"),
    [
        ("http://a.example/2026/11/20/bridge", {}, "2026-11-20"),
        ("http://a.example/bridge-20261120.html", {}, "2026-11-20"),
        ("http://a.example/b?date=2026-10-24", {}, "2026-10-24"),
        ("http://a.example/news/bridge", {}, None),
        ("http://news.example/bridge", {}, None),
        ("http://a.example/bridge", {"host_lists": ["news"]}, None),
        ("http://a.example/2026/13/40/news/bridge", {"host_lists": ["news"]}, None),
    ],
)
def test_news_is_known_by_its_address_or_by_the_operators_list(
    url: str, changes: dict[str, Any], day: str | None
) -> None:
    (row,) = rows_of("news_recent", document(1, url, PROSE, **changes))
    assert row["published_on"] == day


@pytest.mark.parametrize(
    ("url", "changes"),
    [
        ("http://a.example/bridge", {}),
        ("http://a.example/2026/09/01/bridge", {}),
        ("http://a.example/2027/01/01/bridge", {}),
        ("http://a.example/news/2016/11/20/bridge", {}),
        ("http://a.example/2026/11/20/bridge", {"fetched_at_ms": NOW_MS - 40 * DAY_MS}),
        ("http://a.example/2026/11/20/bridge", {"ended_line_share": 0.1}),
        ("http://a.example/2026/11/20/bridge", {"brace_ratio": 0.2}),
    ],
)
def test_what_is_old_or_no_article_is_no_news(url: str, changes: dict[str, Any]) -> None:
    newest = document(9, "http://a.example/about", PROSE, fetched_at_ms=NOW_MS)
    assert rows_of("news_recent", newest, document(1, url, PROSE, **changes)) == []


def test_of_an_address_fetched_again_the_newest_good_text_is_sold() -> None:
    url = "http://a.example/2026/11/20/bridge"
    later = {"fetched_at_ms": NOW_MS}
    found = rows_of("news_recent", document(1, url, PROSE), document(2, url, PROSE, **later))
    assert ids(found) == ["c2"]
    spoiled = document(2, url, PROSE, **later, adult_word_share=0.5)
    assert ids(rows_of("news_recent", document(1, url, PROSE), spoiled)) == ["c1"]


@pytest.mark.parametrize(
    ("dataset", "change", "check"),
    [
        ("docs_and_code", {"code_line_share": 0.0}, "every row has code"),
        ("news_recent", {"published_on": "2020-01-01"}, "nothing older than promised"),
        ("news_recent", {"fetched_at": NOW_MS - 40 * DAY_MS}, "nothing older than promised"),
    ],
)
def test_the_checks_of_their_own_can_fail(dataset: str, change: dict[str, Any], check: str) -> None:
    recipe = load_recipe(RECIPES, dataset)
    text = CODE if dataset == "docs_and_code" else PROSE
    lake = [document(1, "http://a.example/2026/11/20/x", text)]
    (row,) = rows_of(dataset, *lake)
    sold = {**row, "contributor_pseudonym": "w0", "pii_redactions": 0, **change}
    export = pa.Table.from_pylist([{name: sold[name] for name in recipe.schema.names}], recipe.schema)
    may_sell = pa.table({"contribution_id": ["c1"], "vested": [False]}, schema=SELLABLE)
    table = pa.Table.from_pylist(lake, schema=LAKE_SCHEMA)
    failures = run_checks(open_engine(recipe, lake=table, sellable=may_sell, export=export), recipe.checks)
    changed = {"a row says of its fetch what the lake says"} if "fetched_at" in change else set()
    assert {failure.name for failure in failures} == {check} | changed
