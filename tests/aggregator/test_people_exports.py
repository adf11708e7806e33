"""Exports about people: nobody is named, joined or singled out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, HistoryHouse, payout_of
from people_world import (
    PEOPLE,
    SECRET,
    SHARED,
    columns_in,
    everything_in,
    published,
    recipes_with,
    rows_of,
    with_shared,
    world_from,
)
from published_world import RECIPES
from state_database import database_of

from marketplace.export_checks import ExportChecks
from marketplace.questions import NotChecked
from storage.tables.person_months import month_jobs
from windrow.delta_table import write_delta
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError


@pytest.fixture
def world(people_home: Path, tmp_path: Path) -> HistoryHouse:
    return world_from(people_home, tmp_path / "house")


def test_only_what_enough_people_gave_is_sold_and_what_one_alone_gave_is_not(world: HistoryHouse) -> None:
    export = published(world)
    rows = rows_of(export)
    assert {row["url"] for row in rows} >= set(SHARED)
    assert not any(row["url"].startswith(SECRET) for row in rows)
    for url in SHARED:
        assert len({row["contributor_pseudonym"] for row in rows if row["url"] == url}) == PEOPLE
    assert export.path
    assert SECRET.encode() not in everything_in(export.path)


def test_no_file_of_an_export_names_a_node_a_wallet_a_donation_or_a_time(world: HistoryHouse) -> None:
    export = published(world)
    assert export.path
    values = columns_in(export.path)
    with world.house.state.read() as connection:
        nodes = set(connection.execute(sa.text("SELECT node_id FROM nodes")).scalars())
        donations = set(connection.execute(sa.text("SELECT contribution_id FROM consents")).scalars())
        jobs = set(connection.execute(sa.select(month_jobs.c.job_id)).scalars())
    names = nodes | donations | jobs | {payout_of(number) for number in range(1, PEOPLE + 1)}
    assert values.isdisjoint(names)
    text = everything_in(export.path)
    assert not any(name.encode() in text for name in names)
    assert not any(str(BEGIN_MS)[:6] in value and value.isdigit() for value in values)


def test_two_exports_cannot_be_joined_on_their_contributors(world: HistoryHouse, tmp_path: Path) -> None:
    shutil.copytree(RECIPES, tmp_path / "recipes")
    shutil.copytree(RECIPES / "opt_in_browsing", tmp_path / "recipes" / "opt_in_other")
    one, other = (
        published(world, name, tmp_path / "recipes") for name in ("opt_in_browsing", "opt_in_other")
    )
    assert one.path
    assert other.path
    a, b = rows_of(one), rows_of(other)
    assert sorted((row["url"], row["month"]) for row in a) == sorted((row["url"], row["month"]) for row in b)
    for column in ("id", "contributor_pseudonym"):
        assert {row[column] for row in a}.isdisjoint({row[column] for row in b})
    common = {value for value in columns_in(one.path) & columns_in(other.path) if len(value) > 16}
    pseudonyms = {row["contributor_pseudonym"] for row in (*a, *b)} | {row["id"] for row in (*a, *b)}
    assert common.isdisjoint(pseudonyms)
    assert [row["url"] for row in a] != [row["url"] for row in b], "nor on the order of the rows"


def test_pseudonyms_of_one_dataset_stay_what_they_are(world: HistoryHouse) -> None:
    first = {row["contributor_pseudonym"] for row in rows_of(published(world))}
    again = published(world)
    assert again.state == "unchanged"
    node = world.join(40)
    world.give(node, with_shared(7), title="A story")
    world.days_pass(2)
    assert first < {row["contributor_pseudonym"] for row in rows_of(published(world))}


def test_a_recipe_that_forgets_the_group_is_stopped_and_told_which(
    world: HistoryHouse, tmp_path: Path
) -> None:
    recipes = recipes_with(tmp_path, "opt_in_browsing", "build.sql", ">= getvariable('people_min')", ">= 1")
    with pytest.raises(WindrowError) as refusal:
        published(world, recipes=recipes)
    assert refusal.value.code == "checks_failed"
    assert "every group has enough people" in refusal.value.detail
    assert '"people":1' in refusal.value.detail
    assert '"url":"https://' in refusal.value.detail


@pytest.mark.parametrize(
    ("old", "new"), [("people_min = 5", "people_min = 4"), ('of = "visits"', 'of = "all"')]
)
def test_a_recipe_may_not_ask_for_fewer_people(
    world: HistoryHouse, tmp_path: Path, old: str, new: str
) -> None:
    recipes = recipes_with(tmp_path, "opt_in_browsing", "recipe.toml", old, new)
    with pytest.raises(WindrowError) as refusal:
        published(world, recipes=recipes)
    assert refusal.value.code == "bad_recipe"


def test_a_month_that_was_not_judged_genuine_is_not_sold(world: HistoryHouse) -> None:
    node = world.join(50)
    copied = [replace(each, at_ms=each.at_ms + 60_000) for each in with_shared(1)]
    world.give(node, copied[::2] + copied[1::2], title="Another title")
    world.days_pass(2)
    assert len({row["contributor_pseudonym"] for row in rows_of(published(world))}) == PEOPLE


def test_a_table_that_keeps_what_is_taken_back_gets_none_of_it(world: HistoryHouse, tmp_path: Path) -> None:
    dataset, home = published(world).dataset, world.house.home
    settings = HouseSettings(home=str(home), database_url=database_of(home))
    with pytest.raises(WindrowError) as refusal:
        write_delta(settings, dataset, str(tmp_path / "table"))
    assert (refusal.value.code, (tmp_path / "table").exists()) == ("table_refused", False)


def test_the_offline_check_passes_and_says_what_it_could_not_check(world: HistoryHouse) -> None:
    export = published(world)
    assert export.path
    checks = ExportChecks(export.path, world.house.coordinator_id, world.house.network, world.clock.at_ms)
    told = {}
    for name, ask in checks.questions():
        try:
            told[name] = ask()
        except NotChecked:
            told[name] = "not checked"
    assert [name for name, said in told.items() if said == "not checked"] == [
        "receipts",
        "verdicts",
        "opt-outs",
        "shares",
    ]
