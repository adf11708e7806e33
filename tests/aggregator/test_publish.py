"""An export is what the recipe says, signed, immutable, loadable at first try, or it is not published at all."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from files_place import brought, home_alone
from published_world import MAIL, PAYOUTS, RECIPES, PublishedWorld, copied_recipes, manual, open_world, pages
from real_house import NETWORK

from aggregator.publish import Export, publish
from aggregator.publish.shards import ShardWriter
from storage.tables.contributions import exports, submissions, verdicts
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import decode_manifest, export_id_for
from windrow_protocol.limits import ROW_TOKENS_MAX
from windrow_protocol.signing import verify

FINEWEB = ["id", "text", "url", "date", "language", "language_score", "token_count", "dump"]
PROVENANCE = [
    *("content_sha256", "fetched_at", "http_status", "robots_state", "optout_signals", "license_detected"),
    *("dup_cluster_id", "dup_cluster_size", "verdict", "contributor_pseudonym", "consent_receipt_id"),
    "pii_redactions",
]


@pytest.fixture
def world(tmp_path: Path) -> PublishedWorld:
    return open_world(tmp_path / "home")


def rows_of(export: Export) -> list[dict[str, object]]:
    assert export.path is not None
    return [
        row
        for shard in sorted((brought(export.path) / "data").iterdir())
        for row in pq.read_table(shard).to_pylist()
    ]


def bytes_of(export: Export) -> dict[str, str]:
    assert export.path is not None
    folder = brought(export.path)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_rows_have_the_promised_columns_and_only_what_may_be_sold(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    rows = rows_of(export)
    assert list(rows[0]) == FINEWEB + PROVENANCE
    urls = {row["url"] for row in rows}
    # an exact copy, a near copy and a tiny page are left out
    assert len(rows) == export.rows == len(pages()) - 3
    assert "http://tiny.example/" not in urls
    assert len({str(url).rsplit("/", 1)[1] for url in urls} & {"json.html", "csv.html"}) == 2
    assert {row["dup_cluster_size"] for row in rows} == {1, 2}
    assert all(row["verdict"] == "accepted" and row["language"] == "en" for row in rows)
    assert all(row["consent_receipt_id"] is None and row["optout_signals"] == [] for row in rows)
    assert len({row["contributor_pseudonym"] for row in rows}) == 2
    assert not any(payout.lower() in str(row).lower() for row in rows for payout in PAYOUTS)


def test_personal_findings_are_replaced_and_the_signed_digest_stays(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    provenance = {
        row["id"]: row for row in pq.read_table(brought(export.path) / "provenance.parquet").to_pylist()
    }
    contact = next(row for row in rows_of(export) if row["url"] == "http://people.example/contact.html")
    assert MAIL not in str(contact["text"])
    assert "[EMAIL]" in str(contact["text"])
    assert contact["pii_redactions"] == sum(json.loads(provenance[contact["id"]]["redactions"]).values()) > 0
    assert contact["content_sha256"] != text_sha256(str(contact["text"]))
    assert provenance[contact["id"]]["text_sha256"] == text_sha256(str(contact["text"]))
    for row in rows_of(export):
        assert row["pii_redactions"] or row["content_sha256"] == text_sha256(str(row["text"]))
    whole = b"".join(path.read_bytes() for path in brought(export.path).rglob("*") if path.is_file())
    assert MAIL.encode() not in whole


def test_manifest_is_signed_and_lists_every_other_file(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    body = (brought(export.path) / "manifest.json").read_bytes()
    manifest = decode_manifest(body)
    statement = verify(
        (brought(export.path) / "manifest.jws").read_text().strip(),
        signer=world.house.coordinator_id,
        network=NETWORK,
        purpose="manifest",
        subject="web_text/0.1.0",
        now_ms=world.house.now_ms(),
    )
    assert statement.content is not None
    assert statement.content["manifest_sha256"] == export.manifest_sha256 == hashlib.sha256(body).hexdigest()
    listed = {file.path: file.sha256 for file in manifest.files}
    found = bytes_of(export)
    assert listed == {path: digest for path, digest in found.items() if not path.startswith("manifest.")}
    assert export.export_id == manifest.export_id == export_id_for(NETWORK, "web_text", "0.1.0")
    assert (manifest.rows, manifest.tokens) == (export.rows, export.tokens)
    assert export.price == max(10**18, export.tokens * 20 * 10**18 // 1_000_000)


def test_shares_are_the_tokens_of_the_first_seen_owners(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    owners = {
        row["id"]: row["payout_address"]
        for row in pq.read_table(brought(export.path) / "provenance.parquet").to_pylist()
    }
    counted: dict[str, list[int]] = {}
    for row in rows_of(export):
        share = counted.setdefault(owners[row["id"]], [0, 0])
        share[0] += min(int(str(row["token_count"])), ROW_TOKENS_MAX)
        share[1] += 1
    shares = pq.read_table(brought(export.path) / "shares.parquet").to_pylist()
    assert {row["payout_address"]: [row["tokens"], row["rows"]] for row in shares} == counted
    assert set(counted) == set(PAYOUTS)


def test_the_same_lake_gives_the_same_bytes_and_the_same_version(tmp_path: Path) -> None:
    first, second = (
        publish(open_world(tmp_path / name).house, RECIPES, "web_text") for name in ("one", "two")
    )
    parquet = [path for path in bytes_of(first) if path.startswith("data/")]
    assert parquet
    for path in parquet:  # pseudonyms differ by each house's own salt, and nothing else
        tables = [pq.read_table(brought(export.path) / path) for export in (first, second)]  # type: ignore[operator]
        assert tables[0].drop(["contributor_pseudonym"]) == tables[1].drop(["contributor_pseudonym"])
    world = PublishedWorld(tmp_path / "one")
    before = bytes_of(first)
    again = publish(world.house, RECIPES, "web_text")
    assert (again.state, again.version, again.manifest_sha256) == (
        "unchanged",
        "0.1.0",
        first.manifest_sha256,
    )
    shutil.rmtree(tmp_path / "one" / "exports")
    with world.house.state.write() as connection:
        connection.execute(sa.delete(exports))
    rebuilt = publish(world.house, RECIPES, "web_text")
    changed = {path for path, digest in bytes_of(rebuilt).items() if before[path] != digest}
    assert changed <= {"manifest.json", "manifest.jws", "removed_ids.json"}  # these carry the time of signing


async def test_new_rows_make_a_new_version_and_leave_the_old_as_it_was(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path).open()
    await world.feed({"http://a.example/": manual("csv"), "http://b.example/": manual("calendar")})
    first = publish(world.house, RECIPES, "web_text")
    before = bytes_of(first)
    denied = {"http://c.example/": manual("decimal")}
    await world.feed(denied, optout=tuple(denied))
    assert publish(world.house, RECIPES, "web_text").state == "unchanged"  # an opted-out page changes nothing
    await world.feed({"http://d.example/": manual("functools")})
    second = publish(world.house, RECIPES, "web_text")
    assert (second.state, second.version, second.rows) == ("published", "0.2.0", 3)
    assert second.export_id != first.export_id
    assert bytes_of(first) == before
    names = [{row["contributor_pseudonym"] for row in rows_of(export)} for export in (first, second)]
    assert names[0] <= names[1]


@home_alone
def test_what_a_crash_left_is_replaced(world: PublishedWorld) -> None:
    left = world.house.home / "exports" / "web_text" / "0.1.0" / "data"
    left.mkdir(parents=True)
    (left / "train-00000-of-00009.parquet").write_bytes(b"half")
    building = world.house.home / "exports" / ".web_text.building"
    building.mkdir()
    (building / "old").write_bytes(b"x")
    export = publish(world.house, RECIPES, "web_text")
    assert export.state == "published"
    assert not building.exists()
    assert [path.name for path in sorted(left.iterdir())] == ["train-00000-of-00001.parquet"]


def test_a_row_without_its_signatures_stops_everything(world: PublishedWorld) -> None:
    with world.house.state.write() as connection:
        first = sa.select(sa.func.min(verdicts.c.seq)).scalar_subquery()
        connection.execute(sa.delete(submissions).where(submissions.c.seq == first))
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, RECIPES, "web_text")
    assert refusal.value.code == "checks_failed"
    assert "no signed receipt" in refusal.value.detail


def test_shards_and_row_groups_stay_within_their_bounds(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    texts = [random.Random(i).randbytes(400).hex() for i in range(600)]
    table = pa.table({"id": [f"c{i:031x}" for i in range(600)], "text": texts}, schema=schema)
    writer = ShardWriter(tmp_path / "data", schema, shard_bytes=100_000, group_bytes=40_000)
    places = [place for start in range(0, 600, 50) for place in writer.add(table.slice(start, 50))]
    named = writer.finish()
    assert [name for name, _ in named] == [
        f"train-{i:05d}-of-{len(named):05d}.parquet" for i in range(len(named))
    ]
    assert len(named) > 2
    read = [pq.read_table(tmp_path / "data" / name, schema=schema) for name, _ in named]
    assert pa.concat_tables(read) == table
    assert [read[shard].slice(row, 1) for shard, row in places] == [table.slice(i, 1) for i in range(600)]
    for name, rows in named:
        file = pq.ParquetFile(tmp_path / "data" / name)
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        assert sum(group.num_rows for group in groups) == rows
        assert all(group.total_byte_size < 2 * 40_000 for group in groups)
        first = groups[0].column(0)
        assert (first.compression, first.has_offset_index, first.has_column_index) == ("ZSTD", True, True)
        assert (tmp_path / "data" / name).stat().st_size < 100_000 + 2 * 80_000


def test_a_version_with_one_row_more_shares_most_of_its_bytes(tmp_path: Path) -> None:
    """Pages end where the content says, so what comes after a new row is compressed to the same bytes again."""
    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    rows = [{"id": f"c{i:031x}", "text": random.Random(i).randbytes(400).hex()} for i in range(8_000)]
    files = []
    for version, of in (("one", rows), ("two", [*rows[:50], rows[-1], *rows[50:-1]])):
        writer = ShardWriter(tmp_path / version, schema, shard_bytes=100_000_000)
        writer.add(pa.Table.from_pylist(of, schema))
        ((name, _),) = writer.finish()
        files.append((tmp_path / version / name).read_bytes())
    before, after = files
    windows = [before[start : start + 64] for start in range(0, len(before) - 64, len(before) // 200)]
    assert sum(window in after for window in windows) / len(windows) > 0.6


def test_sample_is_ten_real_rows_of_the_same_schema(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    sample = pq.read_table(brought(export.path) / "sample.parquet")
    assert sample.schema.names == FINEWEB + PROVENANCE
    real = rows_of(export)
    assert sample.num_rows == 10
    assert all(row in real for row in sample.to_pylist())


def test_removed_ids_is_an_empty_signed_list(world: PublishedWorld) -> None:
    export = publish(world.house, RECIPES, "web_text")
    assert export.path is not None
    removed = msgspec.json.decode((brought(export.path) / "removed_ids.json").read_bytes())
    statement = verify(
        removed["jws"],
        signer=world.house.coordinator_id,
        network=NETWORK,
        purpose="removed_ids",
        subject="web_text/0.1.0",
        now_ms=world.house.now_ms(),
    )
    assert removed["ids"] == []
    assert statement.content == {"count": 0, "ids_sha256": hashlib.sha256(b"").hexdigest()}


def test_adding_a_dataset_is_adding_a_folder(world: PublishedWorld, tmp_path: Path) -> None:
    """A folder with a recipe is all it takes: it is found, tried and published, and no other dataset changes."""
    recipes = copied_recipes(tmp_path / "recipes")
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, recipes, "long_manuals")
    assert refusal.value.code == "unknown_dataset"
    shutil.copytree(recipes / "web_text", recipes / "long_manuals")
    settings = recipes / "long_manuals" / "recipe.toml"
    settings.write_text(settings.read_text().replace("text_chars_min = 200", "text_chars_min = 5_000"))
    dry = publish(world.house, recipes, "long_manuals", dry_run=True)
    assert (dry.splits, dry.shards, dry.failures) == ({"train": dry.rows}, 1, ())
    export = publish(world.house, recipes, "long_manuals")
    assert (export.rows, export.price) == (dry.rows, dry.price)
    assert 0 < export.rows < publish(world.house, recipes, "web_text").rows
    assert all(len(str(row["text"])) >= 4_900 for row in rows_of(export))


async def test_changes_since_a_version_hold_its_missing_rows_and_no_other(tmp_path: Path) -> None:
    """Whoever has the first version and buys the changes has the second, and paid for each row once."""
    world = await PublishedWorld(tmp_path).open()
    await world.feed({"http://a.example/": manual("csv"), "http://b.example/": manual("calendar")})
    first = publish(world.house, RECIPES, "web_text")
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, RECIPES, "web_text", since="0.1.0")
    assert refusal.value.code == "nothing_to_publish"
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, RECIPES, "web_text", since="7.0.0")
    assert refusal.value.code == "not_found"
    await world.feed({"http://d.example/": manual("functools")})
    changes = publish(world.house, RECIPES, "web_text", since="0.1.0")
    second = publish(world.house, RECIPES, "web_text")
    assert (changes.dataset, changes.version, changes.rows) == ("web_text_since_0_1_0", "0.1.0", 1)
    old, new, whole = ({row["id"]: row for row in rows_of(export)} for export in (first, changes, second))
    assert old.keys().isdisjoint(new.keys())
    assert {**old, **new} == whole  # pseudonyms included
    assert changes.tokens == second.tokens - first.tokens
    assert changes.path is not None
    shares = pq.read_table(brought(changes.path) / "shares.parquet").to_pylist()
    assert [(share["tokens"], share["rows"]) for share in shares] == [(changes.tokens, 1)]
    again = publish(world.house, RECIPES, "web_text", since="0.1.0")
    assert (again.state, again.version) == ("unchanged", "0.1.0")


def test_a_dry_run_of_code_says_what_it_would_cost(world: PublishedWorld) -> None:
    dry = publish(world.house, RECIPES, "docs_and_code", dry_run=True)
    assert (dry.state, dry.failures, dry.path) == ("dry_run", (), None)
    assert 0 < dry.rows == dry.splits["train"]
    assert dry.price == max(10**18, dry.tokens * 30 * 10**18 // 1_000_000)
