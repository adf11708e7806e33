"""What an export is to both sides of a sale: its id, its manifest, and the digest of a row.

Rules: a version is named once and never changes; the manifest lists every other file with its SHA-256, and the
coordinator signs the manifest's own digest (purpose `manifest`). Paths in a manifest are plain and relative.

Does not: read files, sign, or know prices' reasons.

Usage::

    export_id = export_id_for("windrow-dev", "web_text", "0.1.0")
    manifest = decode_manifest(body)          # WindrowError export_corrupt when it is malformed
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import EXPORT_FILES_MAX, PRICES_MAX
from windrow_protocol.merkle import keccak256
from windrow_protocol.messages import Hex64, TimeMs

MANIFEST_FORMAT = "windrow-export-1"
MANIFEST_NAME = "manifest.json"
MANIFEST_JWS_NAME = "manifest.jws"
MANIFEST_PURPOSE = "manifest"
SALE_PURPOSE = "sale"  # of the receipt that says what was given for a payment
PROVENANCE_NAME = "provenance.parquet"
SHARES_NAME = "shares.parquet"
REMOVED_NAME = "removed_ids.json"
REMOVED_PURPOSE = "removed_ids"
SAMPLE_NAME = "sample.parquet"

_DATASET = re.compile(r"[a-z][a-z0-9_]{1,63}")
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_PATH = re.compile(r"(?:[a-z0-9][A-Za-z0-9_-]*/)*[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9]+)+")

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# `$` alone also matches before a line end that closes the string.
Wei = Annotated[str, Meta(pattern="^(0|[1-9][0-9]{0,77})$(?!\\n)")]
Bytes32 = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$", max_length=66)]


class ManifestFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of an export; `rows` is 0 where the file holds none."""

    path: str
    bytes: Count
    sha256: Hex64
    rows: Count = 0


class ManifestColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of the data: its name, its type (see `aggregator.publish.recipe`) and what it says."""

    name: str
    type: str
    about: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that is sold under one version. `content_sha256` is equal for two builds of the same rows."""

    format: str
    network: str
    coordinator_id: Hex64
    dataset: str
    version: str
    export_id: Bytes32
    title: str
    summary: str
    licence: str
    created_at_ms: TimeMs
    content_sha256: Hex64
    columns: list[ManifestColumn]
    rows: Count
    tokens: Count
    text_bytes: Count
    languages: dict[str, int]
    top_hosts: dict[str, int]
    licences_detected: dict[str, int]
    price: Wei
    asset: str
    files: Annotated[list[ManifestFile], Meta(max_length=EXPORT_FILES_MAX)]
    # in the smallest unit of further assets, where it is offered for them
    prices: Annotated[dict[str, Wei], Meta(max_length=PRICES_MAX)] = {}
    about_people: bool = False  # of opted-in data: its provenance names nobody, and nobody's shares are in it

    def file(self, path: str) -> ManifestFile:
        """Return one listed file. Raises WindrowError `not_found`."""
        for each in self.files:
            if each.path == path:
                return each
        raise WindrowError("not_found", f"{self.dataset} {self.version} has no file {path!r}"[:200])

    @property
    def subject(self) -> str:
        """What the signatures over this version name: `dataset/version`."""
        return f"{self.dataset}/{self.version}"


def export_id_for(network: str, dataset: str, version: str) -> str:
    """Return the id of one export version as it stands on chain: keccak-256, 0x and 64 hex digits."""
    return "0x" + keccak256(f"{network}/{dataset}/{version}".encode()).hex()


def check_dataset_name(dataset: str) -> str:
    """Return a name that is safe as a folder and in a URL. Raises WindrowError `unknown_dataset`."""
    if not _DATASET.fullmatch(dataset):
        raise WindrowError("unknown_dataset", repr(dataset)[:80])
    return dataset


def changes_name(dataset: str, since: str) -> str:
    """Return the name under which the changes since a version are sold. Raises WindrowError `not_found`."""
    return f"{dataset}_since_{'_'.join(map(str, version_key(since)))}"


def version_key(version: str) -> tuple[int, int, int]:
    """Return a version as comparable numbers. Raises WindrowError `not_found`."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise WindrowError("not_found", f"{version!r} is no version"[:80])
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def next_version(latest: str | None) -> str:
    """Return the version that follows: 0.1.0 first, then 0.2.0 and so on."""
    if latest is None:
        return "0.1.0"
    major, minor, _ = version_key(latest)
    return f"{major}.{minor + 1}.0"


def decode_manifest(body: bytes) -> Manifest:
    """Read a manifest strictly. Raises WindrowError `export_corrupt`."""
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise WindrowError("export_corrupt", f"{MANIFEST_NAME}: {error}"[:200]) from error
    paths = [each.path for each in manifest.files]
    if manifest.format != MANIFEST_FORMAT:
        raise WindrowError("export_corrupt", f"{MANIFEST_NAME} is of format {manifest.format!r}"[:120])
    if len(set(paths)) != len(paths) or not all(_PATH.fullmatch(path) for path in paths):
        raise WindrowError("export_corrupt", f"{MANIFEST_NAME} lists a path twice or an unsafe path")
    return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the exact bytes that are stored, digested and signed."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1) + b"\n"


def row_sha256(row: Mapping[str, Any]) -> str:
    """Return the digest of one exported row: SHA-256 of its JSON with sorted keys, times as milliseconds."""
    plain = {name: _milliseconds(value) for name, value in row.items()}
    return hashlib.sha256(msgspec.json.encode(plain, order="sorted")).hexdigest()


def _milliseconds(value: Any) -> Any:
    return round(value.timestamp() * 1000) if isinstance(value, datetime) else value


def ids_sha256(ids: list[str]) -> str:
    """Return the digest that a signed list of ids is known by: SHA-256 over the sorted ids, one a line."""
    return hashlib.sha256("".join(f"{each}\n" for each in sorted(ids)).encode()).hexdigest()
