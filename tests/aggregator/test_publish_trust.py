"""What is sold is told, vested or audited: fakes are replaced by truth, and what is found out later is withdrawn."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from files_place import brought
from msgspec.structs import replace
from published_world import RECIPES, PublishedWorld, manual
from real_house import NETWORK

from aggregator.publish import Export, publish
from aggregator.verification.drawing.audit_epochs import end_epoch
from aggregator.verification.standings.standing import Standing
from aggregator.verification.standings.standing_rows import keep_standing
from marketplace.catalogue import Catalogue
from marketplace.provenance import verify_export
from rewards.accountant import run_accountant
from rewards.royalties import read_shares
from storage.published import PublishedFiles
from storage.real_env import PosixDisk
from storage.tables.contributions import verdicts
from storage.tables.trust import consequences
from windrow_protocol.errors import WindrowError
from windrow_protocol.signing import verify
from windrow_protocol.trust_rules import TrustRules

TEXTS = {f"http://h{number}.example/": manual(name) for number, name in enumerate(("csv", "json", "heapq"))}
FAKE = "http://h1.example/"
# nobody is drawn; whatever is told has vested
UNDRAWN = TrustRules(off=("audits",), probation_documents=0, vest_age_ms=0, vest_audits=0)
WAITING = TrustRules(off=("audits",), probation_documents=0, vest_age_ms=0, vest_audits=1)


def rows_of(export: Export) -> dict[str, dict[str, object]]:
    assert export.path is not None
    shards = sorted((brought(export.path) / "data").iterdir())
    return {row["url"]: row for shard in shards for row in pq.read_table(shard).to_pylist()}


def proofs_of(export: Export) -> dict[str, dict[str, object]]:
    assert export.path is not None
    return {row["id"]: row for row in pq.read_table(brought(export.path) / "provenance.parquet").to_pylist()}


async def test_truth_takes_a_fakes_place_and_belongs_to_nobody(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path).open()
    fake = " ".join(f"invented{number}" for number in range(400))
    await world.feed(TEXTS, claimed={FAKE: fake})
    export = publish(world.house, RECIPES, "web_text")
    rows, proofs = rows_of(export), proofs_of(export)
    assert rows.keys() == TEXTS.keys()
    assert "invented1" not in str(rows[FAKE]["text"])
    proof = proofs[str(rows[FAKE]["id"])]
    assert (proof["node_id"], proof["payout_address"]) == (world.validator.node_id, "")
    assert export.path is not None
    assert (
        read_shares(PublishedFiles(PosixDisk(), brought(export.path)))["treasury"]
        == rows[FAKE]["token_count"]
    )
    result = verify_export(brought(export.path))
    assert result.ok, result.checks
    world.close()


async def test_a_row_without_owner_that_replaced_nothing_is_noticed(tmp_path: Path) -> None:
    """A seller who took a contributor's address off a row would keep that contributor's royalties."""
    world = await PublishedWorld(tmp_path).open()
    await world.feed(TEXTS)
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    folder = brought(export.path)
    path = folder / "provenance.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index("payout_address")
    pq.write_table(table.set_column(place, "payout_address", [[""] * table.num_rows]), path)
    checks = {check.name: check for check in verify_export(folder).checks}
    assert checks["verdicts"].state == "failed"
    assert "has no owner" in checks["verdicts"].detail
    world.close()


@pytest.mark.parametrize("rules", [UNDRAWN, WAITING])
async def test_what_nobody_audited_is_sold_once_it_has_vested_or_as_the_recipe_says(
    tmp_path: Path, rules: TrustRules
) -> None:
    world = await PublishedWorld(tmp_path, rules).open()
    await world.feed(TEXTS)
    if rules is UNDRAWN:
        rows = rows_of(publish(world.house, RECIPES, "web_text"))
        assert {row["verdict"] for row in rows.values()} == {"unaudited"}
    else:
        with pytest.raises(WindrowError, match="nothing_to_publish"):
            publish(world.house, RECIPES, "web_text")
        recipes = tmp_path / "recipes"
        (recipes / "web_text").mkdir(parents=True)
        for path in (RECIPES / "web_text").iterdir():
            text = path.read_text().replace("unaudited_vested = true", "unaudited_vested = false")
            (recipes / "web_text" / path.name).write_text(text)
        rows = rows_of(publish(world.house, recipes, "web_text"))
    assert rows.keys() == TEXTS.keys()
    world.close()


async def test_nothing_of_an_epoch_under_way_is_sold(tmp_path: Path) -> None:
    """Whoever finds a row of their own on sale would know that it was audited and passed."""
    world = await PublishedWorld(tmp_path).open()
    await world.feed({url: text for url, text in TEXTS.items() if url != FAKE})
    before = publish(world.house, RECIPES, "web_text")
    with world.house.state.write() as connection:
        connection.execute(sa.update(verdicts).where(verdicts.c.seq == 1).values(epoch_id=2))
    assert end_epoch(world.house) is None  # epoch 2 is open, and nothing was committed in it
    after = publish(world.house, RECIPES, "web_text")
    assert (before.rows, after.rows) == (2, 1)
    world.close()


async def test_what_is_found_out_after_it_was_sold_leaves_and_is_named(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path, UNDRAWN).open()
    await world.feed(TEXTS)
    first = publish(world.house, RECIPES, "web_text")
    gone = str(rows_of(first)[FAKE]["id"])
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(consequences).values(
                consequence_seq=1,
                consequence_id="q" + "1" * 31,
                node_id=proofs_of(first)[gone]["node_id"],
                kind="replaced",
                contribution_id=gone,
                epoch_id=0,
                created_at_ms=1,
            )
        )
    run_accountant(world.house)
    second = publish(world.house, RECIPES, "web_text")
    assert (second.version, set(rows_of(second))) == ("0.2.0", set(TEXTS) - {FAKE})
    assert second.path is not None
    removed = json.loads((brought(second.path) / "removed_ids.json").read_bytes())
    assert removed["ids"] == [gone]
    statement = verify(
        removed["jws"],
        signer=world.house.coordinator_id,
        network=NETWORK,
        purpose="removed_ids",
        subject="web_text/0.2.0",
        now_ms=world.house.now_ms(),
    )
    assert (statement.content or {})["count"] == 1
    assert verify_export(brought(second.path)).ok
    told = Catalogue(world.house).offer("web_text").as_dict()
    assert (told["removed"], told["measures"]["changes"]) == (
        1,
        {"since": "0.1.0", "rows_new": 0, "rows_gone": 1, "rows_replaced": 0, "recipe_changed": False},
    )
    world.close()


async def test_what_a_node_in_doubt_handed_in_waits_until_the_doubt_is_over(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path, UNDRAWN).open()
    await world.feed(TEXTS)
    first = publish(world.house, RECIPES, "web_text")
    (node_id,) = {str(proof["node_id"]) for proof in proofs_of(first).values()}
    padder = Standing(audits=50, doubt=UNDRAWN.doubt_audits)
    with world.house.state.write() as connection:
        keep_standing(connection, node_id, padder, world.house.now_ms())
    with pytest.raises(WindrowError, match="nothing_to_publish"):
        publish(world.house, RECIPES, "web_text")
    with world.house.state.write() as connection:
        keep_standing(connection, node_id, replace(padder, doubt=0), world.house.now_ms())
    assert rows_of(publish(world.house, RECIPES, "web_text")).keys() == TEXTS.keys()
    world.close()
