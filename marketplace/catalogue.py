"""What is for sale: reads the table of exports and the immutable folders beside it.

Rules: everything shown comes from a manifest that was signed; a folder whose manifest is not the one in the table is no
offer. Reading never changes anything, so a page and its JSON twin are the same values.

Does not: sell, render, or open the lake.

Usage::

    catalogue = Catalogue(house)
    offer = catalogue.offer("web_text", "0.1.0")

Amounts are wei; in JSON they are decimal strings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from storage.env import RangedFile
from storage.house import House
from storage.outages import FilesAwayError
from storage.published import PublishedFiles, published_files
from storage.tables.contributions import exports, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.export_measures import MEASURES_NAME, Measures, decode_measures
from windrow_protocol.exports import (
    MANIFEST_JWS_NAME,
    MANIFEST_NAME,
    REMOVED_NAME,
    SAMPLE_NAME,
    Manifest,
    check_dataset_name,
    decode_manifest,
    version_key,
)
from windrow_protocol.limits import SEARCH_CHARS_MAX


@dataclass(frozen=True)
class Offer:
    """One export version as it is offered."""

    manifest: Manifest
    manifest_sha256: str
    files: PublishedFiles
    listed: bool
    price_wei: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the offer as its JSON twin shows it."""
        manifest = self.manifest
        return {
            "dataset": manifest.dataset,
            "version": manifest.version,
            "title": manifest.title,
            "summary": manifest.summary,
            "licence": manifest.licence,
            "network": manifest.network,
            "coordinator_id": manifest.coordinator_id,
            "export_id": manifest.export_id,
            "manifest_sha256": self.manifest_sha256,
            "price": manifest.price,
            "price_per_million_tokens": str(self.price_per_million_tokens),
            "asset": manifest.asset,
            "prices": manifest.prices,
            "listed": self.listed,
            "rows": manifest.rows,
            "tokens": manifest.tokens,
            "text_bytes": manifest.text_bytes,
            "bytes": self.bytes,
            "languages": manifest.languages,
            "top_hosts": manifest.top_hosts,
            "licences_detected": manifest.licences_detected,
            "created_at_ms": manifest.created_at_ms,
            "fetch_to_export_ms": self.ages_ms,
            "measures": msgspec.to_builtins(self.measures),
            "removed": self.removed,
            "columns": [
                {"name": each.name, "type": each.type, "about": each.about} for each in manifest.columns
            ],
            "files": [
                {"path": each.path, "bytes": each.bytes, "sha256": each.sha256, "rows": each.rows}
                for each in manifest.files
            ],
        }

    def price_in(self, asset: str) -> int | None:
        """What this version costs in the smallest unit of an asset; None where it is not sold for it."""
        if asset == self.manifest.asset:
            return self.price_wei
        price = self.manifest.prices.get(asset)
        return None if price is None else int(price)

    @property
    def price_per_million_tokens(self) -> int:
        """What a million tokens of this version cost, in wei, rounded up."""
        return -(-self.price_wei * 1_000_000 // max(1, self.manifest.tokens))

    @property
    def measures(self) -> Measures | None:
        """What was measured of the rows, None for a version that has no measures. Raises `export_corrupt`."""
        listed = {file.path: file.sha256 for file in self.manifest.files}.get(MEASURES_NAME)
        return _measures(self.files, listed) if listed else None

    @property
    def removed(self) -> int:
        """How many ids that earlier versions sold stand in the signed `removed_ids.json`. Raises `export_corrupt`."""
        return _removed(self.files, self.manifest.file(REMOVED_NAME).sha256)

    @property
    def ages_ms(self) -> dict[str, int] | None:
        """From fetch to export: the newest row, the one in the middle and the oldest, in ms; None if not measured."""
        fetched = self.measures.fetched if self.measures else None
        if fetched is None:
            return None
        times = {"newest": fetched.newest_ms, "median": fetched.median_ms, "oldest": fetched.oldest_ms}
        return {name: max(0, self.manifest.created_at_ms - at_ms) for name, at_ms in times.items()}

    def file(self, path: str) -> RangedFile:
        """Return a file that the manifest lists, the manifest or its signature, as it is sent.

        Raises WindrowError `not_found`, or OSError.
        """
        if path not in (MANIFEST_NAME, MANIFEST_JWS_NAME):
            listed = self.manifest.file(path)
            return self.files.ranged(listed.path, listed.bytes, listed.sha256)
        body = self.files.read(path)
        digest = hashlib.sha256(body).hexdigest()
        return RangedFile(len(body), digest, lambda offset, length: body[offset : offset + length])

    def says(self, words: Sequence[str]) -> bool:
        """Whether all of these words stand in name, title, summary, licence, languages, hosts or columns."""
        manifest = self.manifest
        told = [manifest.dataset, manifest.title, manifest.summary, manifest.licence]
        told += [*manifest.languages, *manifest.top_hosts, *(column.name for column in manifest.columns)]
        said = " ".join(told).casefold()
        return all(word.casefold() in said for word in words)


class Catalogue:
    """Everything for sale in one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def datasets(self, words: str = "") -> list[Offer]:
        """Return the newest version of every dataset whose description holds all of these words, by name.

        Raises WindrowError `too_large` for a search longer than SEARCH_CHARS_MAX.
        """
        if len(words) > SEARCH_CHARS_MAX:
            raise WindrowError("too_large", f"a search has at most {SEARCH_CHARS_MAX} characters")
        newest: dict[str, Any] = {}
        with self._house.state.read() as connection:
            for row in connection.execute(sa.select(exports).where(exports.c.retired == "")):
                held = newest.get(row.dataset)
                if held is None or version_key(row.version) > version_key(held.version):
                    newest[row.dataset] = row
        offers = [self._offer(newest[name]) for name in sorted(newest)]
        return [offer for offer in offers if offer.says(words.split())]

    def versions(self, dataset: str) -> list[Offer]:
        """Return all versions of a dataset, newest first. Raises WindrowError `unknown_dataset`."""
        check_dataset_name(dataset)
        with self._house.state.read() as connection:
            of_it = (exports.c.dataset == dataset) & (exports.c.retired == "")
            rows = connection.execute(sa.select(exports).where(of_it)).all()
        if not rows:
            raise WindrowError("unknown_dataset", dataset)
        ordered = sorted(rows, key=lambda row: version_key(row.version), reverse=True)
        return [self._offer(row) for row in ordered]

    def offer(self, dataset: str, version: str = "") -> Offer:
        """Return one version, or the newest.

        Raises WindrowError `unknown_dataset`, `not_found` or `version_retired`.
        """
        if not version or version == "latest":
            return self.versions(dataset)[0]
        check_dataset_name(dataset)
        version_key(version)
        with self._house.state.read() as connection:
            of_it = (exports.c.dataset == dataset) & (exports.c.version == version)
            row = connection.execute(sa.select(exports).where(of_it)).one_or_none()
        if row is None:
            self.versions(dataset)
            raise WindrowError("not_found", f"{dataset} has no version {version}")
        if row.retired:
            raise WindrowError("version_retired", f"{dataset} {version}")
        return self._offer(row)

    def offer_of(self, export_id: str) -> Offer:
        """Return a version by its export id. Raises WindrowError `not_found`, `version_retired`."""
        row = self._row(export_id)
        if row.retired:
            raise WindrowError("version_retired", f"{row.dataset} {row.version}")
        return self._offer(row)

    def delivered_for(self, export_id: str) -> Offer:
        """Return what is given to who bought a version: it, or its successor when it was retired.

        Raises WindrowError `not_found`, or `version_retired` while there is no successor.
        """
        row = self._row(export_id)
        if not row.retired:
            return self._offer(row)
        with self._house.state.read() as connection:
            of_it = (exports.c.dataset == row.dataset) & (exports.c.retired == "")
            later = [
                each
                for each in connection.execute(sa.select(exports).where(of_it))
                if version_key(each.version) > version_key(row.version)
            ]
        if not later:
            raise WindrowError("version_retired", f"{row.dataset} {row.version}")
        return self._offer(min(later, key=lambda each: version_key(each.version)))

    def _row(self, export_id: str) -> Any:
        with self._house.state.read() as connection:
            row = connection.execute(sa.select(exports).where(exports.c.export_id == export_id)).one_or_none()
        if row is None:
            raise WindrowError("not_found", f"no export {export_id!r}"[:120])
        return row

    def times_sold(self, offer: Offer) -> int:
        """Return how often a version was sold."""
        counted = sa.select(sa.func.count()).where(sales.c.export_id == offer.manifest.export_id)
        with self._house.state.read() as connection:
            return connection.execute(counted).scalar() or 0

    def card(self, offer: Offer) -> str:
        """Return the card as Markdown, without its YAML front matter."""
        text = offer.files.read("README.md").decode()
        return text.split("\n---\n", 1)[-1].strip()

    def _offer(self, row: Any) -> Offer:
        files = published_files(self._house.env.disk, self._house.home, row.dataset, row.version)
        return Offer(
            manifest=_manifest(files, row.manifest_sha256),
            manifest_sha256=row.manifest_sha256,
            files=files,
            listed=row.listed,
            price_wei=row.price,
            bytes=row.bytes,
        )


@lru_cache(maxsize=256)
def _manifest(files: PublishedFiles, digest: str) -> Manifest:
    """Read a manifest once; a version never changes."""
    return decode_manifest(_signed(files, MANIFEST_NAME, digest))


@lru_cache(maxsize=256)
def _measures(files: PublishedFiles, digest: str) -> Measures:
    return decode_measures(_signed(files, MEASURES_NAME, digest))


@lru_cache(maxsize=256)
def _removed(files: PublishedFiles, digest: str) -> int:
    return len(msgspec.json.decode(_signed(files, REMOVED_NAME, digest), type=_Removed).ids)


class _Removed(msgspec.Struct, frozen=True):
    """What a page needs of `removed_ids.json`."""

    ids: list[str]


def _signed(files: PublishedFiles, name: str, digest: str) -> bytes:
    """Return a file's bytes if they are those that were signed for.

    Raises WindrowError `export_corrupt`, or FilesAwayError.
    """
    try:
        body = files.read(name)
    except FilesAwayError:
        raise
    except OSError as error:
        raise WindrowError("export_corrupt", f"{files.folder.name}/{name} cannot be read") from error
    if hashlib.sha256(body).hexdigest() != digest:
        raise WindrowError("export_corrupt", f"{files.folder.name}/{name} is not the one that was signed")
    return body


@lru_cache(maxsize=32)
def sample_rows(files: PublishedFiles) -> tuple[Mapping[str, Any], ...]:
    """Return the free sample's rows as JSON values (times in ISO 8601)."""
    rows = files.small_table(SAMPLE_NAME).to_pylist()
    return tuple(
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in rows
    )
