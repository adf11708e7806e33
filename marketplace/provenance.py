"""Checks an export without asking the seller: from a row to its receipt, verdict, ledger entry, leaf and root.

Rules: no network; what needs the chain is asked through a callable that the caller passes in. Each check is passed,
failed or *not checked*, and what was not checked is said as such and makes nothing pass. A failure names file and row.

Does not: fetch anything, trust anything in the folder beyond the coordinator's signature, or share code with rewards.

Usage::

    result = verify_export(Path("web_text-0.1.0"), epochs=Path("web_text-0.1.0/proofs"))
    for check in result.checks: print(check.state, check.name, check.detail)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from marketplace.export_checks import ExportChecks
from marketplace.questions import Check, Report
from marketplace.settlement_checks import SettlementChecks
from storage.real_env import SystemClock
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import MANIFEST_NAME

RootOnChain = Callable[[Mapping[str, Any]], str]
PROOFS_FOLDER: Final = "proofs"


@dataclass(frozen=True)
class Verification:
    """All answers about one export."""

    dataset: str
    version: str
    rows: int
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed. What was not checked did not fail: look at `complete` too."""
        return all(check.state != "failed" for check in self.checks)

    @property
    def complete(self) -> bool:
        """Whether everything was checked, and passed."""
        return all(check.state == "passed" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return the result for `--json`."""
        return {
            "dataset": self.dataset,
            "version": self.version,
            "rows": self.rows,
            "ok": self.ok,
            "complete": self.complete,
            "checks": [
                {"name": check.name, "state": check.state, "detail": check.detail} for check in self.checks
            ],
        }


def verify_export(
    folder: Path,
    *,
    epochs: Path | None = None,
    coordinator_id: str | None = None,
    network: str | None = None,
    root_on_chain: RootOnChain | None = None,
    now_ms: int | None = None,
) -> Verification:
    """Check an export folder against itself, the published epochs and, through `root_on_chain`, the chain.

    `epochs` is a folder of `<id>/{tree.json,ledger.ndjson,epoch.json,epoch.jws}`, or one such folder; by default
    `proofs/` inside the export. `root_on_chain(header)` says in a sentence that the distributor named in an epoch's
    header held its root, and raises WindrowError `bad_proof` when it did not. Raises WindrowError `not_found` when
    `folder` holds no manifest, and nothing for bad content: that is a failed check.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise WindrowError("not_found", f"{folder} holds no {MANIFEST_NAME}")
    now = SystemClock().now_ms() if now_ms is None else now_ms
    if epochs is None and (folder / PROOFS_FOLDER).is_dir():
        epochs = folder / PROOFS_FOLDER
    report = Report()
    export = ExportChecks(folder, coordinator_id, network, now)
    report.ask_all(export.questions())
    report.ask_all(SettlementChecks(export, epochs, root_on_chain, now).questions())
    manifest = export.manifest
    return Verification(
        dataset=manifest.dataset if manifest else "",
        version=manifest.version if manifest else "",
        rows=manifest.rows if manifest else 0,
        checks=tuple(report.checks),
    )
