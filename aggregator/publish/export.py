"""Publishes a dataset: recipe → rows → checks → an immutable, signed export version.

Rules: everything is built in a temporary folder and checked as it will be sold; only then it gets its final name,
durably, and its row in `exports`. A version never changes: publishing again when nothing changed returns the version
that is there. A folder that a crash left without its row was never for sale and is replaced.

Does not: sell (marketplace does), list on chain, or change the lake.

Usage: `export = publish(house, Path("datasets"), "web_text")`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow.dataset as pads
import sqlalchemy as sa

from aggregator.publish.build_folder import BuiltFolder, Progress, build_data, list_file
from aggregator.publish.card import render_card
from aggregator.publish.changes import changes_recipe, only_changed, texts_of
from aggregator.publish.croissant import describe_export
from aggregator.publish.donated import Read
from aggregator.publish.filters import Dropped
from aggregator.publish.measuring import changes_since, measures_of
from aggregator.publish.people_rows import PeopleData, build_people, keep_behind, read_people
from aggregator.publish.recipe import Recipe, load_recipe
from aggregator.publish.removals import removed_ids
from aggregator.publish.rows import CheckFailure, build_rows, open_engine, read_evidence, run_checks
from aggregator.publish.sellable import sellable
from extension_bridge.redaction import redact
from storage.house import House
from storage.lake import Lake
from storage.lake.manifest import latest_snapshot, refer
from storage.published import EXPORTS, PublishedFiles, published_files
from storage.state import get_meta, set_meta
from storage.tables.contributions import exports
from windrow_protocol.errors import WindrowError
from windrow_protocol.export_measures import MEASURES_NAME, encode_measures
from windrow_protocol.exports import (
    MANIFEST_FORMAT,
    MANIFEST_JWS_NAME,
    MANIFEST_NAME,
    MANIFEST_PURPOSE,
    REMOVED_NAME,
    Manifest,
    decode_manifest,
    encode_manifest,
    export_id_for,
    next_version,
    version_key,
)
from windrow_protocol.personal.patterns import DETECTORS

NO_SNAPSHOT: Final = 0  # what is given is not in the lake


@dataclass(frozen=True)
class Export:
    """A version as `publish` found or made it; amounts in wei. Of a dry run nothing is kept, and `path` is None.

    `prices` are those in further assets that the recipe states, by symbol, in the smallest unit of each.
    """

    dataset: str
    version: str
    export_id: str
    manifest_sha256: str
    path: Path | None
    rows: int
    tokens: int
    bytes: int
    price: int
    asset: str
    languages: dict[str, int]
    state: Literal["published", "unchanged", "dry_run"]
    failures: tuple[CheckFailure, ...] = ()
    dropped: Dropped = field(default_factory=Dropped)  # of a dry run: what the recipe's filters drop
    splits: dict[str, int] = field(default_factory=dict)  # of a dry run: rows by split
    shards: int = 0  # of a dry run: files of the data
    prices: dict[str, str] = field(default_factory=dict)


def publish(
    house: House,
    recipes_dir: Path,
    dataset: str,
    *,
    since: str = "",
    dry_run: bool = False,
    progress: Progress | None = None,
    read: Read | None = None,
) -> Export:
    """Build, check and keep the next version of a dataset, or return the latest when nothing changed.

    `progress(stage, done)` is called with the rows written so far, then with each stage's name. A dry run keeps nothing
    and returns the failing checks instead of raising. With `since`, only what changed since that version is published,
    as a dataset of its own. `read` opens donations, for recipes about people. Raises WindrowError `unknown_dataset`,
    `not_found`, `bad_recipe`, `nothing_to_publish`, `checks_failed`, or `withdrawn` when somebody took back meanwhile.
    """
    recipe, held = load_recipe(recipes_dir, dataset), {}
    if since and recipe.settings.people:
        raise WindrowError("bad_recipe", "of a dataset about people only whole versions are published")
    if since:
        recipe = changes_recipe(recipe, since)
        held = texts_of(published_files(house.env.disk, house.home, dataset, since))
    temporary = house.home / EXPORTS / f".{recipe.dataset}.building"
    house.env.disk.remove(temporary)  # one process writes: what is left here is from a crash
    try:
        if recipe.settings.people:
            people = read_people(house, read, _salt(house, recipe.family), recipe.settings.people)
            built, failures = build_people(recipe, people, temporary, progress)
            snapshot = NO_SNAPSHOT
        else:
            built, failures, snapshot = _build(house, recipe, held, temporary, progress)
            people = None
        if dry_run:
            return _dry(house, recipe, built, failures)
        if not built.facts.rows:
            raise WindrowError("nothing_to_publish", dataset)
        if failures:
            raise WindrowError("checks_failed", "; ".join(str(failure) for failure in failures)[:2000])
        return _keep(house, recipe, built, snapshot, progress, people)
    finally:
        house.env.disk.remove(temporary)


def _build(
    house: House, recipe: Recipe, held: Mapping[str, str], folder: Path, progress: Progress | None
) -> tuple[BuiltFolder, list[CheckFailure], int]:
    """Return what was built, which checks it fails, and of which snapshot of the lake; rows that are `held` are not."""
    salt = _salt(house, recipe.family)
    with house.state.read() as connection:
        snapshot = latest_snapshot(connection)
        lake = Lake(house.env, house.home / "lake").dataset(connection)
        may_sell = sellable(connection, house.rules)
        engine = open_engine(recipe, lake=lake, sellable=may_sell)
        # names and addresses of public pages stay (ADR 0044)
        redact_page = partial(redact, detectors=DETECTORS)
        evidence_of = partial(read_evidence, connection)
        batches = build_rows(engine, recipe, evidence_of, salt, redact_page, house.runner)
        built = build_data(folder, recipe, only_changed(batches, held) if held else batches, progress)
    if progress is not None:
        progress("checks", built.facts.rows)
    shards = [str(folder / shard.path) for shard in built.shards]
    rows = (
        pads.dataset(shards, schema=recipe.schema, format="parquet")
        if shards
        else recipe.schema.empty_table()
    )
    engine = open_engine(recipe, lake=lake, sellable=may_sell, export=rows)
    return built, run_checks(engine, recipe.checks), snapshot


def _salt(house: House, dataset: str) -> bytes:
    """Return the secret that makes pseudonyms of this dataset; made once, because names must stay stable."""
    key = f"publish/salt/{dataset}"
    with house.state.write() as connection:
        known = get_meta(connection, key)
        if known is None:
            known = house.env.randomness.token(32).hex()
            set_meta(connection, key, known)
    return bytes.fromhex(known)


def _latest(house: House, dataset: str) -> Any | None:
    with house.state.read() as connection:
        rows = connection.execute(sa.select(exports).where(exports.c.dataset == dataset)).all()
    return max(rows, key=lambda row: version_key(row.version), default=None)


def _dry(house: House, recipe: Recipe, built: BuiltFolder, failures: list[CheckFailure]) -> Export:
    latest = _latest(house, recipe.dataset)
    version = next_version(latest.version if latest else None)
    return Export(
        dataset=recipe.dataset,
        version=version,
        export_id=export_id_for(house.network, recipe.dataset, version),
        manifest_sha256="",
        path=None,
        rows=built.facts.rows,
        tokens=built.facts.tokens,
        bytes=sum(file.bytes for file in built.files),
        price=recipe.settings.price.wei(built.facts.tokens),
        asset=recipe.settings.price.asset,
        languages=dict(built.facts.ranked_languages()),
        state="dry_run",
        failures=tuple(failures),
        dropped=built.facts.dropped,
        splits={"train": built.facts.rows},
        shards=len(built.shards),
        prices=_others(recipe, built.facts.tokens),
    )


def _others(recipe: Recipe, tokens: int) -> dict[str, str]:
    """Return the prices in further assets; data about people has none."""
    return {} if recipe.settings.people else recipe.settings.price.others(tokens)


def _keep(
    house: House,
    recipe: Recipe,
    built: BuiltFolder,
    snapshot: int,
    progress: Progress | None,
    people: PeopleData | None = None,
) -> Export:
    latest = _latest(house, recipe.dataset)
    content_sha256 = hashlib.sha256(f"{recipe.sha256} {built.content_sha256}".encode()).hexdigest()
    earlier = None
    if latest is not None and not latest.retired:
        earlier = published_files(house.env.disk, house.home, recipe.dataset, latest.version)
        manifest = decode_manifest(earlier.read(MANIFEST_NAME))
        if manifest.content_sha256 == content_sha256:
            return _export(manifest, latest.manifest_sha256, earlier.folder, "unchanged")
    version = next_version(latest.version if latest else None)
    manifest = _write_front(house, recipe, built, version, content_sha256, earlier)
    body = encode_manifest(manifest)
    digest = hashlib.sha256(body).hexdigest()
    (built.folder / MANIFEST_NAME).write_bytes(body)
    token = house.sign(MANIFEST_PURPOSE, manifest.subject, _signed_content(manifest, digest))
    (built.folder / MANIFEST_JWS_NAME).write_text(token + "\n", encoding="ascii")
    if progress is not None:
        progress("signed", manifest.rows)
    return _adopt(house, built.folder, manifest, digest, snapshot, people)


def _write_front(
    house: House,
    recipe: Recipe,
    built: BuiltFolder,
    version: str,
    content_sha256: str,
    earlier: PublishedFiles | None,
) -> Manifest:
    """Write card, Croissant, removals and measures, and return the manifest that lists everything.

    `earlier` holds the version before, None where there is none to compare with.
    """
    now, facts, price = house.now_ms(), built.facts, recipe.settings.price
    export_id = export_id_for(house.network, recipe.dataset, version)
    croissant = describe_export(
        recipe, version=version, export_id=export_id, created_at_ms=now, shards=built.shards
    )
    removed = removed_ids(house, f"{recipe.dataset}/{version}", recipe.family)
    texts = {
        "README.md": render_card(recipe, facts, version).encode(),
        "croissant.json": _pretty(croissant),
        REMOVED_NAME: _pretty(removed),
    }
    if recipe.settings.people is None:
        changes = changes_since(built.folder, earlier, recipe) if earlier is not None else None
        texts[MEASURES_NAME] = encode_measures(measures_of(recipe, facts.counts, facts.dropped, changes))
    for name, data in texts.items():
        (built.folder / name).write_bytes(data)
    return Manifest(
        format=MANIFEST_FORMAT,
        network=house.network,
        coordinator_id=house.coordinator_id,
        dataset=recipe.dataset,
        version=version,
        export_id=export_id,
        title=recipe.settings.title,
        summary=recipe.settings.summary,
        licence=recipe.settings.licence.name,
        created_at_ms=now,
        content_sha256=content_sha256,
        columns=recipe.manifest_columns,
        rows=facts.rows,
        tokens=facts.tokens,
        text_bytes=facts.text_bytes,
        languages=dict(facts.ranked_languages()),
        top_hosts=dict(facts.top_hosts()),
        licences_detected=dict(facts.ranked_licences()),
        price=str(price.wei(facts.tokens)),
        asset=price.asset,
        files=[*built.files, *(list_file(built.folder, name) for name in sorted(texts))],
        prices=_others(recipe, facts.tokens),
        about_people=recipe.settings.people is not None,
    )


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"


def _signed_content(manifest: Manifest, digest: str) -> dict[str, Any]:
    return {
        "manifest_sha256": digest,
        "export_id": manifest.export_id,
        "rows": manifest.rows,
        "tokens": manifest.tokens,
        "price": manifest.price,
        "asset": manifest.asset,
    }


def _adopt(
    house: House,
    temporary: Path,
    manifest: Manifest,
    digest: str,
    snapshot: int,
    people: PeopleData | None,
) -> Export:
    folder = published_files(house.env.disk, house.home, manifest.dataset, manifest.version).folder
    house.env.disk.remove(folder)  # no row names it, so nobody can have bought it
    house.env.disk.adopt_durably(temporary, folder)
    export = _export(manifest, digest, folder, "published")
    try:
        _enter(house, export, manifest, snapshot, people)
    except WindrowError:
        house.env.disk.remove(folder)  # somebody took back what is in it
        raise
    return export


def _enter(
    house: House, export: Export, manifest: Manifest, snapshot: int, people: PeopleData | None
) -> None:
    """Write the version's row, and with it what stands behind it. Raises WindrowError `withdrawn`."""
    with house.state.write() as connection:
        connection.execute(
            sa.insert(exports).values(
                dataset=export.dataset,
                version=export.version,
                export_id=export.export_id,
                manifest_sha256=export.manifest_sha256,
                rows=export.rows,
                tokens=export.tokens,
                bytes=export.bytes,
                price=export.price,
                asset=export.asset,
                listed=False,
                created_at_ms=manifest.created_at_ms,
            )
        )
        if people is not None:
            keep_behind(connection, export.dataset, export.version, people)
        else:
            refer(connection, f"export:{export.dataset}/{export.version}", snapshot, house.now_ms())


def _export(
    manifest: Manifest, digest: str, folder: Path, state: Literal["published", "unchanged"]
) -> Export:
    return Export(
        dataset=manifest.dataset,
        version=manifest.version,
        export_id=manifest.export_id,
        manifest_sha256=digest,
        path=folder,
        rows=manifest.rows,
        tokens=manifest.tokens,
        bytes=sum(file.bytes for file in manifest.files),
        price=int(manifest.price),
        asset=manifest.asset,
        languages=manifest.languages,
        state=state,
        prices=manifest.prices,
    )
