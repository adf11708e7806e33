"""Filters of a recipe: what they drop, for whom, what is counted, and mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pytest
from published_world import RECIPES, PublishedWorld, open_world

from aggregator.curation import annotate
from aggregator.publish.export import publish
from aggregator.publish.filters import Dropped, Filter, curated_view
from aggregator.publish.recipe import load_recipe
from storage.lake import LAKE_SCHEMA
from windrow_protocol.errors import WindrowError

ROWS = [
    {"seq": 1, "language": "en", "words": 10, "stop_words": 0, "host_lists": ["spam"]},
    {"seq": 2, "language": "de", "words": 60, "stop_words": None, "host_lists": []},
    {"seq": 3, "language": "ja", "words": 10, "stop_words": 3, "host_lists": None},
    {"seq": 4, "language": "en", "words": None, "stop_words": 3, "host_lists": ["it's"]},
]


def dropped_by(rows: list[dict[str, Any]], **filters: Filter) -> dict[int, list[str]]:
    engine = duckdb.connect()
    engine.register("lake", pa.Table.from_pylist(rows, schema=LAKE_SCHEMA))
    engine.execute(curated_view(filters))
    return dict(engine.execute("SELECT seq, dropped_by FROM curated").fetchall())


@pytest.mark.parametrize(
    ("settings", "dropped"),
    [
        ({"column": "words", "min": 11}, {1, 3}),
        ({"column": "words", "min": 10, "max": 59}, {2}),
        ({"column": "words", "min": 11, "languages": ["en"]}, {1}),
        ({"column": "words", "min": 11, "other_languages": ["en", "de"]}, {3}),
        ({"column": "words", "min": 11, "missing": "drop"}, {1, 3, 4}),
        ({"column": "stop_words", "min": 2}, {1}),
        ({"column": "host_lists", "none_of": ["adult", "spam"]}, {1}),
        ({"column": "host_lists", "none_of": ["it's"]}, {4}),
    ],
)
def test_a_filter_drops_what_is_not_good_enough(settings: dict[str, Any], dropped: set[int]) -> None:
    found = dropped_by(ROWS, one=msgspec.convert({"about": "", **settings}, Filter))
    assert {seq for seq, names in found.items() if names == ["one"]} == dropped
    assert all(names == [] for seq, names in found.items() if seq not in dropped)


def test_every_filter_is_asked_and_what_each_costs_is_counted() -> None:
    few, none = Filter("words", "", min=11), Filter("stop_words", "", min=2)
    found = dropped_by(ROWS, few=few, none=none)
    assert found[1] == ["few", "none"]
    counted = Dropped()
    for names in found.values():
        if names:
            counted.count(names)
    assert counted.rows == 2
    assert counted.table() == [
        {"filter": "few", "rows": 2, "alone": 1},
        {"filter": "none", "rows": 1, "alone": 0},
    ]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("one", {"column": "nothing", "min": 1}),
        ("one", {"column": "words); DROP TABLE x; --", "min": 1}),
        ("one", {"column": "words"}),
        ("one", {"column": "text", "min": 1}),
        ("one", {"column": "words", "none_of": ["a"]}),
        ("one", {"column": "words", "min": 1, "languages": ["en') OR ('a' = 'a"]}),
        ("one'; --", {"column": "words", "min": 1}),
    ],
)
def test_a_mistake_in_a_filter_is_named(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(WindrowError) as refusal:
        curated_view({name: msgspec.convert({"about": "", **settings}, Filter)})
    assert refusal.value.code == "bad_recipe"


def note_of(text: str) -> dict[str, Any]:
    return annotate(text, url="http://a.example/", robots_state="allowed", optout_signals=[]).columns


GERMAN = (
    "Die Fähre legt um halb neun in {} an, und der Wind ist nicht zu stark. Wir kamen mit dem Zug aus Köln und"
    " warteten auf die Kinder von nebenan. Nach dem Essen gingen alle zum Hafen hinunter, wo {} Boote lagen."
)
JAPANESE = (
    "会議は{}に開かれ、計画が承認された。次の会議は{}の予定です。参加者は駅から歩いて会場に向かいました。"
)


@pytest.mark.parametrize("sentence", [GERMAN, JAPANESE])
def test_a_good_page_in_another_language_is_kept_by_the_default_recipe(sentence: str) -> None:
    names = ["Emden", "火曜日", "Leer", "来月", "Norden", "東京", "Aurich", "大阪", "Husum", "京都"]
    page = "\n".join(sentence.format(a, b) for a, b in zip(names[::2], names[1::2], strict=True))
    page = (
        page
        if sentence == JAPANESE
        else page.split("\n")[0] + "\n" + "Der zweite Absatz ist anders und kurz."
    )
    page += "\n" + (
        "最後の行。" if sentence == JAPANESE else "Das ist das Ende. Es war gut. Und nun nach Haus."
    )
    filters = load_recipe(RECIPES, "web_text").settings.filters
    repeats = {name for name in filters if "again" in name or "top" in name}
    (names_found,) = dropped_by([{"seq": 1, **note_of(page)}], **filters).values()
    assert set(names_found) <= repeats if sentence == JAPANESE else not names_found


def test_spam_is_dropped_with_its_reasons() -> None:
    page = "\n".join(["Casino jackpot bookmaker casino online now", "Best casino jackpot"] * 30)
    filters = load_recipe(RECIPES, "web_text").settings.filters
    (names,) = dropped_by([{"seq": 1, **note_of(page)}], **filters).values()
    assert {"spam_words", "gopher_lines_again", "fineweb_chars_again"} <= set(names)


@pytest.fixture
def world(tmp_path: Path) -> PublishedWorld:
    return open_world(tmp_path / "house")


def test_a_dry_run_says_what_each_filter_drops(world: PublishedWorld) -> None:
    dry = publish(world.house, RECIPES, "web_text", dry_run=True)
    assert (dry.rows, dry.dropped.rows) == (20, 0), "the tiny page is below text_chars_min already"


def test_build_sql_must_give_what_the_filters_drop(world: PublishedWorld, tmp_path: Path) -> None:
    folder = tmp_path / "recipes" / "web_text"
    folder.mkdir(parents=True)
    for path in (RECIPES / "web_text").iterdir():
        text = path.read_text().replace("AS consent_receipt_id,\n    dropped_by\n", "AS consent_receipt_id\n")
        (folder / path.name).write_text(text)
    with pytest.raises(WindrowError, match="dropped_by"):
        publish(world.house, folder.parent, "web_text")
