"""What a person takes back leaves every version of every dataset, and a sale pays exactly the months it sold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from history_world import HistoryHouse, payout_of
from people_world import (
    PEOPLE,
    columns_in,
    everything_in,
    give_back,
    published,
    rows_of,
    with_shared,
    world_from,
)

from aggregator.personal import Personal
from aggregator.publish import people_rows, retiring
from aggregator.publish.retiring import retire
from marketplace.catalogue import Catalogue
from rewards.ledger import balances
from rewards.ledger_checks import verify_ledger
from rewards.personal.month_breadth import breadth_ppm
from rewards.royalties import run_royalties
from storage.backup import write_backup
from storage.tables.contributions import exports, sales
from storage.tables.person_months import export_donations
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import PPM

SEED = "The seeded title of one person"


@pytest.fixture
def world(people_home: Path, tmp_path: Path) -> HistoryHouse:
    return world_from(people_home, tmp_path / "house")


def test_what_is_taken_back_leaves_the_next_version_and_stands_in_removed_ids(world: HistoryHouse) -> None:
    first = published(world)
    assert first.path
    before = rows_of(first)
    pseudonyms = {row["contributor_pseudonym"] for row in before}
    with world.house.state.read() as connection:
        behind = {row.row_id: row.contribution_id for row in connection.execute(sa.select(export_donations))}
    give_back(world, 1)
    mine = {
        row_id
        for row_id, contribution_id in behind.items()
        if contribution_id in world.personal.withdrawals.removals()["ids"]
    }
    assert mine
    second = published(world)
    assert second.path
    assert second.version != first.version
    after = rows_of(second)
    assert not mine & {row["id"] for row in after}
    assert len({row["contributor_pseudonym"] for row in after}) == len(pseudonyms) - 1
    removed = json.loads((second.path / "removed_ids.json").read_bytes())
    assert set(removed["ids"]) == mine & {row["id"] for row in before}
    assert mine <= {row["id"] for row in before}


def test_a_version_that_holds_it_is_given_out_no_more_and_no_row_of_it_is_left(world: HistoryHouse) -> None:
    first = published(world)
    assert first.path
    titles = everything_in(first.path / "data")
    assert titles
    export_id = first.export_id
    assert Catalogue(world.house).offer_of(export_id)
    give_back(world, 1)
    with pytest.raises(WindrowError) as refusal:
        Catalogue(world.house).offer_of(export_id)
    assert refusal.value.code == "version_retired"
    assert not list(first.path.rglob("*.parquet")) or [p.name for p in first.path.rglob("*.parquet")] == [
        "shares.parquet"
    ]
    with pytest.raises(WindrowError) as waiting:
        Catalogue(world.house).delivered_for(export_id)
    assert waiting.value.code == "version_retired"
    second = published(world)
    given = Catalogue(world.house).delivered_for(export_id)
    assert given.manifest.version == second.version, "who bought it gets its successor"
    assert [offer.manifest.version for offer in Catalogue(world.house).versions("opt_in_browsing")] == [
        second.version
    ]


def test_from_gift_to_withdrawal_neither_log_nor_file_nor_backup_can_be_read(
    world: HistoryHouse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Taken on, judged, published, counted, backed up and taken back: of what one person alone gave no byte is told."""
    alone = [replace(each, url=f"https://seeded.example/{i}") for i, each in enumerate(with_shared(7))]
    caplog.set_level("INFO")
    with structlog.testing.capture_logs() as told:
        given = world.give(world.join(7), [*with_shared(7), *alone[:50]], title=SEED)
        world.days_pass(2)
        published(world)
        with pytest.raises(WindrowError):  # seven people are too few to be named, but were counted
            published(world, "opt_in_browsing_monthly")
        assert SEED.encode() in world.personal.vault.read(given[0]), "it is there to be found"
        write_backup(world.house, tmp_path / "before")
        give_back(world, 7)
        write_backup(world.house, tmp_path / "after")
        world.work()
    world.house.state.forget_bytes()
    kept = [everything_in(folder) for folder in (world.folder, tmp_path / "before", tmp_path / "after")]
    kept += [str(columns_in(folder)).encode() for folder in (world.folder, tmp_path / "before")]
    for place in (*kept, str(told).encode(), caplog.text.encode()):
        assert SEED.encode() not in place
        assert b"seeded.example" not in place


def test_a_crash_between_mark_and_deletion_is_finished_at_the_next_start(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = published(world)
    assert export.path

    def cut(*_: object) -> Path:
        raise OSError("cut")

    monkeypatch.setattr(retiring, "published_files", cut)
    with pytest.raises(OSError, match="cut"):
        give_back(world, 1)
    monkeypatch.undo()
    with pytest.raises(WindrowError):
        Catalogue(world.house).offer_of(export.export_id)
    assert (export.path / "data").exists()
    Personal(world.house, world.segments)
    assert not (export.path / "data").exists()
    assert retire(world.house) == []


def test_what_is_taken_back_while_an_export_is_built_stops_it(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = people_rows.build_data

    def built_then_taken_back(*arguments: Any) -> Any:
        built = build(*arguments)
        give_back(world, 1)
        return built

    monkeypatch.setattr(people_rows, "build_data", built_then_taken_back)
    with pytest.raises(WindrowError) as refusal:
        published(world)
    assert refusal.value.code == "withdrawn"
    monkeypatch.undo()
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(exports)).all() == []
    assert len({row["contributor_pseudonym"] for row in rows_of(published(world))}) == PEOPLE - 1


def test_a_sale_pays_the_months_of_exactly_the_rows_sold(world: HistoryHouse) -> None:
    give_back(world, 6)
    export = published(world)
    royalties = 700 * 10**18
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(sales).values(
                sale_id="s" + "1" * 31,
                dataset=export.dataset,
                version=export.version,
                export_id=export.export_id,
                buyer=payout_of(900),
                asset="WIND",
                price=10**21,
                royalties=royalties,
                fees=10**21 - royalties,
                tx_hash="0x1",
                block=1,
                sold_at_ms=world.clock.at_ms,
            )
        )
    run_royalties(world.house)
    with world.house.state.read() as connection:
        assert verify_ledger(connection) == []
        folded = balances(connection)
    held = {name: amount for name, amount in folded.items() if name.startswith("held:")}
    assert held == {
        f"held:{payout_of(number)}": royalties // 200 * breadth_ppm(with_shared(number)) // PPM
        for number in range(1, PEOPLE)
    }
    assert folded["personal"] == royalties - sum(held.values())
