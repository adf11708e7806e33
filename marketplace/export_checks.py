"""The checks that an export folder answers by itself: signature, files, rows, receipts, verdicts, shares, removals.

Rules: rows are read once, in bounded batches, beside their provenance; each is held against its own digest, the receipt
and the verdict that the coordinator signed. Later questions are not asked when what they rest on failed.

Does not: look at epochs or the chain (`settlement_checks` does), or stop at the first fault.

Usage: `Report().ask_all(ExportChecks(folder, coordinator_id, network, now_ms).questions())`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow.parquet as pq

from marketplace.corruption import FAULTS, describe_damage
from marketplace.questions import Findings, NotChecked, Question
from marketplace.row_checks import RowChecks
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import (
    MANIFEST_JWS_NAME,
    MANIFEST_NAME,
    MANIFEST_PURPOSE,
    PROVENANCE_NAME,
    REMOVED_NAME,
    REMOVED_PURPOSE,
    SHARES_NAME,
    Manifest,
    ManifestFile,
    decode_manifest,
    export_id_for,
    ids_sha256,
)
from windrow_protocol.signing import Statement, verify

_BATCH_ROWS: Final = 512


class Removals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `removed_ids.json`."""

    subject: str
    ids: list[str]
    jws: str


@dataclass
class ExportChecks:
    """The questions about one folder; `manifest` and `rows` are filled in by the answers."""

    folder: Path
    coordinator_id: str | None
    network: str | None
    now_ms: int
    manifest: Manifest | None = None
    rows: RowChecks | None = None

    def questions(self) -> list[Question]:
        """Return the questions in the order in which they build on each other."""
        return [
            ("manifest signature", self._signature),
            ("coordinator's key", self._known_key),
            ("files", self._files),
            ("rows", self._rows),
            (
                "receipts",
                lambda: self._named().answer("receipts", "receipts match url and digest of their rows"),
            ),
            ("verdicts", lambda: self._named().answer("verdicts", "verdicts say accepted, or unaudited")),
            (
                "opt-outs",
                lambda: self._named().answer("opt_outs", "rows allowed by robots.txt, none opted out"),
            ),
            ("shares", self._shares),
            ("removals", self._removals),
        ]

    def signed(self) -> Manifest:
        """Return the manifest once its signature was checked. Raises NotChecked."""
        if self.manifest is None:
            raise NotChecked("the manifest could not be trusted")
        return self.manifest

    def statement(self, token: str, purpose: str, subject: str) -> Statement:
        """Check a statement of the export's coordinator. Raises WindrowError as `verify`."""
        manifest = self.signed()
        return verify(
            token,
            signer=manifest.coordinator_id,
            network=manifest.network,
            purpose=purpose,
            subject=subject,
            now_ms=self.now_ms,
        )

    def _signature(self) -> str:
        body = _bytes_of(self.folder / MANIFEST_NAME)
        token = _bytes_of(self.folder / MANIFEST_JWS_NAME).decode("ascii", "replace").strip()
        manifest = decode_manifest(body)
        statement = verify(
            token,
            signer=self.coordinator_id or manifest.coordinator_id,
            network=self.network or manifest.network,
            purpose=MANIFEST_PURPOSE,
            subject=manifest.subject,
            now_ms=self.now_ms,
        )
        digest = hashlib.sha256(body).hexdigest()
        if (statement.content or {}).get("manifest_sha256") != digest:
            raise WindrowError("export_corrupt", f"{MANIFEST_NAME} is not the one that was signed")
        if self.coordinator_id not in (None, manifest.coordinator_id):
            raise WindrowError("export_corrupt", f"{MANIFEST_NAME} names another coordinator than its signer")
        if manifest.export_id != export_id_for(manifest.network, manifest.dataset, manifest.version):
            raise WindrowError(
                "export_corrupt", "the export id does not follow from network, name and version"
            )
        self.manifest = manifest
        return f"{manifest.subject} signed by {manifest.coordinator_id}"

    def _known_key(self) -> str:
        manifest = self.signed()
        if self.coordinator_id is None:
            raise NotChecked(f"you named no key; compare {manifest.coordinator_id} with the one you know")
        return "the key is the one you named"

    def _files(self) -> str:
        manifest, findings = self.signed(), Findings()
        sound = {file.path for file in manifest.files if self._sound(file)}
        for file in manifest.files:
            if file.path not in sound:
                findings.add(self._damage(file, provenance_sound=PROVENANCE_NAME in sound))
        listed = {file.path for file in manifest.files}
        for path in sorted((self.folder / "data").glob("*")):
            if f"data/{path.name}" not in listed:
                findings.add(f"data/{path.name} is not part of this export")
        findings.require_none()
        return f"{len(manifest.files)} files have the size and digest in the manifest"

    def require_sound(self, path: str) -> None:
        """Raise WindrowError `export_corrupt` when a file is not the one in the signed manifest, or NotChecked."""
        if not self._sound(self.signed().file(path)):
            raise WindrowError("export_corrupt", f"{path} was changed")

    def _sound(self, file: ManifestFile) -> bool:
        path = self.folder / file.path
        try:
            if path.stat().st_size != file.bytes:
                return False
            with path.open("rb") as opened:
                return hashlib.file_digest(opened, "sha256").hexdigest() == file.sha256
        except OSError:
            return False

    def _damage(self, file: ManifestFile, *, provenance_sound: bool) -> str:
        path = self.folder / file.path
        if not path.is_file():
            return f"{file.path} is missing"
        size = path.stat().st_size
        if size != file.bytes:
            return f"{file.path} has {size} bytes instead of {file.bytes}"
        if not file.path.startswith("data/") or not provenance_sound:
            return f"{file.path} was changed"
        shard = [each.path for each in self._shards()].index(file.path)
        return f"{file.path} was changed: {describe_damage(self.folder, file.path, shard)}"

    def _shards(self) -> list[ManifestFile]:
        return sorted(
            (file for file in self.signed().files if file.path.startswith("data/")),
            key=lambda file: file.path,
        )

    def _rows(self) -> str:
        manifest = self.signed()
        rows = RowChecks(
            manifest.coordinator_id, manifest.network, self.now_ms, names_owners=not manifest.about_people
        )
        try:
            for row, proof in self._beside_provenance():
                rows.check(row, proof)
        except (*FAULTS, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WindrowError("export_corrupt", f"the rows cannot be read: {error}"[:200]) from error
        self.rows = rows
        if rows.count != manifest.rows:
            raise WindrowError("export_corrupt", f"{rows.count} rows instead of {manifest.rows}")
        return rows.answer("rows", "rows match their provenance and digests")

    def _beside_provenance(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        proofs = _rows_of(self.folder / PROVENANCE_NAME)
        for number, shard in enumerate(self._shards()):
            for place, row in enumerate(_rows_of(self.folder / shard.path)):
                proof = next(proofs, None)
                if proof is None or (proof["shard"], proof["row"]) != (number, place):
                    raise ValueError(f"{shard.path}, row {place} has no provenance")
                yield row, proof
        if next(proofs, None) is not None:
            raise ValueError(f"{PROVENANCE_NAME} has rows that the data has not")

    def _read(self) -> RowChecks:
        if self.rows is None:
            raise NotChecked("the rows could not be read")
        return self.rows

    def _named(self) -> RowChecks:
        """Return the rows where they name whose they are. Raises NotChecked for opted-in rows, which name nobody."""
        rows = self._read()
        if not rows.names_owners:
            raise NotChecked(
                "these rows were opted in: they name nobody, the coordinator's signature is all there is"
            )
        return rows

    def _shares(self) -> str:
        counted = self._named().shares
        found: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
        try:
            for row in _rows_of(self.folder / SHARES_NAME):
                found[row["payout_address"]][0] += row["tokens"]
                found[row["payout_address"]][1] += row["rows"]
        except (*FAULTS, KeyError, TypeError) as error:
            raise WindrowError("export_corrupt", f"{SHARES_NAME} cannot be read") from error
        if dict(found) != {owner: list(share) for owner, share in counted.items()}:
            raise WindrowError("export_corrupt", f"{SHARES_NAME} does not follow from the rows")
        return f"{len(found)} owners have exactly the tokens of their rows"

    def _removals(self) -> str:
        manifest = self.signed()
        try:
            removals = msgspec.json.decode(_bytes_of(self.folder / REMOVED_NAME), type=Removals)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise WindrowError("export_corrupt", f"{REMOVED_NAME}: {error}"[:200]) from error
        statement = self.statement(removals.jws, REMOVED_PURPOSE, manifest.subject)
        if (statement.content or {}).get("ids_sha256") != ids_sha256(removals.ids):
            raise WindrowError("export_corrupt", f"{REMOVED_NAME} is not the list that was signed")
        return f"{len(removals.ids)} ids are to be left out of any use"


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WindrowError("export_corrupt", f"{path.name} is missing") from error


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH_ROWS):
        yield from batch.to_pylist()
