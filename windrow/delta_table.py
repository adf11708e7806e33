"""A published version as a Delta table, for engines that read tables: each version of a dataset is one commit.

Rules: only what is published gets out, after every file was held against its signed digest. The rows of a version
replace those of the version before, in one commit that names the manifest; a version that the table has is not written
again, so a killed command is simply repeated. The table lies in a folder of this machine or on S3, never in the home.

Does not: write the protocol itself (the `deltalake` package does), take datasets about people, whose rows may be taken
back tomorrow, or delete what older versions of the table hold.

Usage: `write_delta(settings, "web_text", "s3://bucket/tables/web_text")`.

Source: Delta transaction log protocol; delta-rs, `write_deltalake`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pyarrow as pa
import sqlalchemy as sa

from storage.published import PublishedFiles, published_files
from storage.tables.contributions import exports
from windrow.home import disk_of, reading_state, usable_files
from windrow.settings import HouseSettings
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import (
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    check_dataset_name,
    decode_manifest,
    version_key,
)

if TYPE_CHECKING:
    from deltalake import DeltaTable

_DIGEST: Final = "windrow_manifest_sha256"
_DATASET: Final = "windrow_dataset"
_VERSION: Final = "windrow_version"
_CHUNK_BYTES: Final = 8 << 20


def write_delta(settings: HouseSettings, dataset: str, table: str, version: str = "") -> dict[str, Any]:
    """Write a version, the newest where none is named, as the next commit of a Delta table, and say what it has then.

    `table` is a folder or s3://bucket/prefix; it is made where there is none. Raises WindrowError `unknown_dataset`,
    `not_found`, `table_refused`, `table_failed`, `export_corrupt`, `part_missing`, or as `reading_state` does.
    """
    address = _address(settings, table)
    manifest, digest, files = _published(settings, dataset, version)
    if manifest.about_people:
        raise WindrowError(
            "table_refused", f"{dataset} is about people, and a table would keep what they take back"
        )
    known = _opened(address)
    facts = {"dataset": dataset, "version": manifest.version, "rows": manifest.rows, "table": address}
    if known is not None:
        there = _commits(known, dataset)
        if digest in there:
            return {**facts, "table_version": there[digest][0], "state": "unchanged"}
        newest = max((key for _, key in there.values()), default=(0, 0, 0))
        if version_key(manifest.version) < newest:
            raise WindrowError("table_refused", f"{address} holds a later version than {manifest.version}")
    with usable_files(settings):
        _require_signed(files, manifest)
        _commit(address, manifest, digest, files)
    written = _opened(address)
    assert written is not None
    return {**facts, "table_version": written.version(), "state": "written"}


def _address(settings: HouseSettings, table: str) -> str:
    scheme = urlsplit(table).scheme
    if scheme == "s3":
        return table.rstrip("/")
    folder, home = Path(table).resolve(), Path(settings.home).resolve()
    if scheme or folder.is_relative_to(home) or home.is_relative_to(folder):
        raise WindrowError(
            "table_refused", f"{table[:200]} is neither s3://bucket/prefix nor a folder beside the home"
        )
    return str(folder)


def _published(settings: HouseSettings, dataset: str, version: str) -> tuple[Manifest, str, PublishedFiles]:
    """Return the manifest of a version with its digest, and its files."""
    check_dataset_name(dataset)
    of_it = (exports.c.dataset == dataset) & (exports.c.retired == "")
    with reading_state(settings) as connection:
        rows = connection.execute(sa.select(exports).where(of_it)).all()
    if not rows:
        raise WindrowError("unknown_dataset", dataset)
    rows = [row for row in rows if version in ("", row.version)]
    if not rows:
        raise WindrowError("not_found", f"{dataset} has no version {version}"[:200])
    row = max(rows, key=lambda each: version_key(each.version))
    files = published_files(disk_of(settings), Path(settings.home), dataset, row.version)
    with usable_files(settings):
        body = files.read(MANIFEST_NAME)
    if hashlib.sha256(body).hexdigest() != row.manifest_sha256:
        raise WindrowError("export_corrupt", f"{row.version}/{MANIFEST_NAME} is not the one that was signed")
    return decode_manifest(body), row.manifest_sha256, files


def _shards(manifest: Manifest) -> list[ManifestFile]:
    return [file for file in manifest.files if file.path.startswith("data/")]


def _require_signed(files: PublishedFiles, manifest: Manifest) -> None:
    for file in _shards(manifest):
        digest, ranged = hashlib.sha256(), files.ranged(file.path, file.bytes, file.sha256)
        for offset in range(0, file.bytes, _CHUNK_BYTES):
            digest.update(ranged.read(offset, min(_CHUNK_BYTES, file.bytes - offset)))
        if digest.hexdigest() != file.sha256:
            raise WindrowError(
                "export_corrupt", f"{manifest.version}/{file.path} is not the one that was signed"
            )


def _opened(address: str) -> DeltaTable | None:
    """Return the table at an address, None where there is none."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    except ImportError as error:
        raise WindrowError("part_missing", "pip install 'windrow[tables]'") from error
    try:
        return DeltaTable(address, storage_options=_options(address))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise WindrowError("table_failed", f"{address}: {error}"[:300]) from error


def _commits(table: DeltaTable, dataset: str) -> dict[str, tuple[int, tuple[int, int, int]]]:
    """Return a table's version and ours by the digest of the manifest, for every version of ours that it has had.

    Raises WindrowError `table_refused` for a table with a commit that is not of this dataset.
    """
    found = {}
    for commit in table.history():
        if commit.get("operation") in ("VACUUM START", "VACUUM END", "OPTIMIZE"):
            continue  # what others may do with a table of ours
        if commit.get(_DATASET) != dataset:
            raise WindrowError("table_refused", f"the table has a commit that is not of {dataset}")
        found[str(commit[_DIGEST])] = (int(commit["version"]), version_key(str(commit[_VERSION])))
    return found


def _commit(address: str, manifest: Manifest, digest: str, files: PublishedFiles) -> None:
    from deltalake import CommitProperties, write_deltalake
    from deltalake.exceptions import DeltaError

    said = {_DATASET: manifest.dataset, _VERSION: manifest.version, _DIGEST: digest}
    said |= {"windrow_export_id": manifest.export_id, "windrow_licence": manifest.licence}
    with files.scanned([file.path for file in _shards(manifest)]) as rows:
        reader = rows.scanner().to_reader()
        try:
            write_deltalake(
                address,
                pa.RecordBatchReader.from_batches(_explained(reader.schema, manifest), reader),
                mode="overwrite",
                schema_mode="overwrite",
                name=manifest.dataset,
                description=f"{manifest.title}: {manifest.summary}. Licence: {manifest.licence}",
                storage_options=_options(address),
                commit_properties=CommitProperties(custom_metadata=said),
            )
        except (DeltaError, OSError) as error:
            raise WindrowError("table_failed", f"{address}: {error}"[:300]) from error


def _explained(schema: pa.Schema, manifest: Manifest) -> pa.Schema:
    """Return the schema with what the manifest says of each column, where engines show a comment."""
    about = {column.name: column.about for column in manifest.columns}
    return pa.schema([field.with_metadata({"comment": about.get(field.name, "")}) for field in schema])


def _options(address: str) -> dict[str, str] | None:
    """Return what the library does not take from AWS's variables by itself."""
    if not address.startswith("s3://"):
        return None
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL", "")
    named = {"AWS_ENDPOINT_URL": endpoint} if endpoint else {}
    return {**named, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
