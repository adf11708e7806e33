"""What people searched for and heard: sold only where enough did alike, in nobody's name, and paid to all months."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, HistoryHouse
from month_pay_world import folded
from people_world import columns_in, everything_in, published, recipes_with, rows_of, world_from
from real_house import Node

from aggregator.publish.interests import KINDS
from aggregator.requests import authenticate
from extension_bridge.consent import terms_of
from extension_bridge.donation import Piece, record_of
from extension_bridge.sources import RULES, Source
from rewards.royalties import run_royalties
from storage.tables.contributions import exports, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SAME_INTERESTS_MIN

SONG = Piece(title="Haymaker’s song", text="The Larks", captured_at_ms=BEGIN_MS + 5)
SEARCH = Piece(text="how dry must hay be", captured_at_ms=BEGIN_MS + 5)
NAME = "opt_in_interests"


@pytest.fixture
def world(people_home: Path, tmp_path: Path) -> HistoryHouse:
    return world_from(people_home, tmp_path / "house")


def give(world: HistoryHouse, node: Node, source: Source, pieces: list[Piece]) -> str:
    terms = terms_of(source)
    given = world._donation(node, terms, [record_of(piece, terms) for piece in pieces])
    body = msgspec.json.encode(given)
    world.personal.accept(authenticate(world.house, node.request("personal", body), "personal"), body)
    return given.contribution_id


def person(world: HistoryHouse, number: int) -> Node:
    """Return the node of a person who joined before, whose nonces go on."""
    known: dict[int, Node] = world.__dict__.setdefault("known", {})
    return known.setdefault(number, world.node(number))


def rare(number: int, count: int = 4) -> list[Piece]:
    """Return what one person alone looked for."""
    words = [f"{'abcdefghij'[number]}{'abcdefghijklmnopqrst'[n]} alone" for n in range(count)]
    return [Piece(text=each, captured_at_ms=BEGIN_MS + 5) for each in words]


def nobody_published(world: HistoryHouse) -> bool:
    try:
        return not rows_of(published(world, NAME))
    except WindrowError as error:
        return error.code == "nothing_to_publish"


def test_what_five_did_alike_is_sold_and_what_four_did_or_one_is_not(world: HistoryHouse) -> None:
    for number in range(1, 6):
        node = person(world, number)
        give(world, node, "listen", [SONG])
        give(world, node, "search", [*([SEARCH] if number < 5 else []), *rare(number)])
        give(world, node, "message", [Piece(text="I am there", captured_at_ms=BEGIN_MS, author="self")])
    export = published(world, NAME)
    rows = rows_of(export)
    assert {(row["kind"], row["text"], row["by"], row["month"]) for row in rows} == {
        ("listen", SONG.title, SONG.text, "2026-03")
    }
    assert len({row["contributor_pseudonym"] for row in rows}) == len(rows) == 5
    assert export.path
    held = everything_in(export.path)
    with world.house.state.read() as connection:
        nodes = list(connection.execute(sa.text("SELECT node_id FROM nodes")).scalars())
        donations = list(connection.execute(sa.text("SELECT contribution_id FROM consents")).scalars())
    unsold = [piece.text for number in range(1, 6) for piece in rare(number)]
    hidden = (*nodes, *donations, *unsold, SEARCH.text, "I am there")
    assert not [name for name in hidden if name.encode() in held]
    browsed = {row["contributor_pseudonym"] for row in rows_of(published(world))}
    assert browsed.isdisjoint(columns_in(export.path)), "nor do the two datasets join"


def test_a_fifth_without_a_genuine_month_or_of_another_month_makes_no_group(world: HistoryHouse) -> None:
    for number in range(1, 5):
        give(world, person(world, number), "listen", [SONG])
    give(world, world.join(60), "listen", [SONG])
    april = msgspec.structs.replace(SONG, captured_at_ms=BEGIN_MS + 33 * 86_400_000)
    give(world, person(world, 5), "listen", [april])
    assert nobody_published(world)


def test_the_same_archive_under_many_names_counts_once(world: HistoryHouse) -> None:
    """Each with a genuine month of their own, some with a quarter left out and filled up with something else."""
    archive = rare(0, 2 * SAME_INTERESTS_MIN)
    for number in range(1, 7):
        mixed = archive[: -SAME_INTERESTS_MIN // 2] + rare(number, SAME_INTERESTS_MIN // 2)
        give(world, person(world, number), "search", archive if number % 2 else mixed)
    assert nobody_published(world)


def test_what_is_taken_back_ends_the_version_that_held_it(world: HistoryHouse) -> None:
    ids = {n: give(world, person(world, n), "listen", [SONG]) for n in range(1, 7)}
    first = published(world, NAME)
    assert first.path
    assert len(rows_of(first)) == 6
    world.take_back(person(world, 1), [ids[1]])
    assert not (first.path / "data").exists()
    assert len(rows_of(published(world, NAME))) == 5
    with world.house.state.read() as connection:
        states = connection.execute(sa.select(exports.c.retired).where(exports.c.dataset == NAME)).scalars()
        assert sorted(states) == ["", "done"]
    world.take_back(person(world, 2), [ids[2]])
    assert nobody_published(world)


def test_a_sale_pays_all_months_and_none_for_what_it_gave(world: HistoryHouse) -> None:
    """Who makes ten thousand songs up has ten thousand times nothing."""
    for number in range(1, 7):
        give(world, person(world, number), "listen", [SONG])
    export = published(world, NAME)
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(sales).values(
                sale_id="s" + "1" * 31,
                dataset=NAME,
                version=export.version,
                export_id="e1",
                buyer="0x" + "1" * 40,
                asset="WIND",
                price=1_000,
                royalties=700,
                fees=300,
                tx_hash="0x02",
                block=1,
                sold_at_ms=world.house.now_ms(),
            )
        )
    run_royalties(world.house)
    balances = folded(world)
    assert balances["personal"] == 700
    assert not any(name.startswith("held:") and amount for name, amount in balances.items())


def test_a_recipe_that_forgets_the_group_is_stopped(world: HistoryHouse, tmp_path: Path) -> None:
    give(world, person(world, 1), "search", rare(1))
    recipes = recipes_with(tmp_path, NAME, "build.sql", ">= getvariable('people_min')", ">= 1")
    with pytest.raises(WindrowError) as refusal:
        published(world, NAME, recipes)
    assert refusal.value.code == "checks_failed"
    assert "every group has enough people" in refusal.value.detail


def test_only_sources_whose_consent_says_so_are_sold() -> None:
    assert set(get_args(Source)) == RULES.keys()
    assert {source for source, rule in RULES.items() if rule.price == "pooled"} == set(KINDS)
    assert {source for source, rule in RULES.items() if rule.price == "share_of_sales"} == {
        "browser_page",
        "browser_history",
    }
