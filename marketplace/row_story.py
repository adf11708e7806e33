"""One row's way from its fetch to the chain, in sentences: each said only after it was checked here.

    row → receipt → verdict → ledger entry → epoch root → chain

Rules: the same checks as of a whole export, asked about one row; what could not be checked is said as such with its
reason. Amounts are in the asset's smallest unit.

Does not: check the other rows (`verify_export` does), or fetch anything.

Usage: `for check in tell_row(folder, row_id): print(check.detail)`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from marketplace.corruption import FAULTS
from marketplace.export_checks import ExportChecks
from marketplace.provenance import PROOFS_FOLDER, RootOnChain
from marketplace.questions import Check, NotChecked, Question, Report
from marketplace.row_checks import RowChecks
from marketplace.settlement_checks import SettlementChecks
from storage.real_env import SystemClock
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import MANIFEST_NAME, PROVENANCE_NAME
from windrow_protocol.merkle import verify_proof

_JUDGED: Final = {
    "accepted": "validators fetched the page too and found the same text",
    "unaudited": "nobody drew it; later audits of its contributor passed",
}


def tell_row(
    folder: Path, row_id: str, *, epochs: Path | None = None, root_on_chain: RootOnChain | None = None
) -> list[Check]:
    """Return the steps of one row, each passed, failed or not checked, with its sentence.

    `epochs` and `root_on_chain` as in `verify_export`. Raises WindrowError `not_found` when there is no such row or no
    export.
    """
    if not (folder / MANIFEST_NAME).is_file():
        raise WindrowError("not_found", f"{folder} holds no {MANIFEST_NAME}")
    if epochs is None and (folder / PROOFS_FOLDER).is_dir():
        epochs = folder / PROOFS_FOLDER
    now_ms = SystemClock().now_ms()
    export = ExportChecks(folder, None, None, now_ms)
    report, basis = Report(), Report()
    report.ask_all(question for question in export.questions() if question[0] == "manifest signature")
    settlement = SettlementChecks(export, epochs, root_on_chain, now_ms)
    asked = dict(settlement.questions())
    basis.ask_all((name, asked[name]) for name in ("epoch signature", "ledger", "tree and root"))
    proof = _proof_of(export, row_id)
    report.ask_all(_Story(export, settlement, proof).questions())
    report.ask("root on chain", asked["root on chain"])
    return [*report.checks, *(check for check in basis.checks if check.state == "failed")]


def _proof_of(export: ExportChecks, row_id: str) -> dict[str, Any]:
    try:
        found = pq.read_table(export.folder / PROVENANCE_NAME, filters=[("id", "=", row_id)]).to_pylist()
    except FAULTS as error:
        raise WindrowError("export_corrupt", f"{PROVENANCE_NAME} cannot be read") from error
    if len(found) != 1:
        if export.manifest is not None:
            export.require_sound(PROVENANCE_NAME)
        raise WindrowError("not_found", f"{len(found)} rows are called {row_id!r}"[:160])
    return dict(found[0])


@dataclass
class _Story:
    """The questions about one row."""

    export: ExportChecks
    settlement: SettlementChecks
    proof: Mapping[str, Any]

    def questions(self) -> Iterator[Question]:
        yield "row", self._row
        yield "receipt", self._receipt
        yield "verdict", self._verdict
        yield "ledger entry", self._entry
        yield "epoch root", self._leaf

    def _checks(self) -> RowChecks:
        manifest = self.export.signed()
        return RowChecks(manifest.coordinator_id, manifest.network, self.export.now_ms)

    def _row(self) -> str:
        """Find the row where its provenance says, and hold it against everything signed about it."""
        manifest, place = self.export.signed(), self.proof["row"]
        shards = sorted(file.path for file in manifest.files if file.path.startswith("data/"))
        try:
            shard = shards[self.proof["shard"]]
            for path in (PROVENANCE_NAME, shard):  # its owner and its place are signed nowhere else
                self.export.require_sound(path)
            table = pq.read_table(self.export.folder / shard, filters=[("id", "=", self.proof["id"])])
            (row,) = table.to_pylist()
        except (*FAULTS, IndexError, ValueError, TypeError) as error:
            raise WindrowError("export_corrupt", f"row {place} cannot be read: {error}"[:200]) from error
        checks = self._checks()
        checks.check(row, dict(self.proof))
        for kind in ("rows", "receipts", "verdicts", "opt_outs"):
            checks.answer(kind, "")
        hidden = row.get("pii_redactions") or 0
        said = (
            f"{hidden} findings of personal data were replaced in it"
            if hidden
            else "exactly as it was signed"
        )
        return f"it is row {place} of {shard}, from {row.get('url')}; its text is {said}"

    def _receipt(self) -> str:
        receipt, _ = self._checks().signed_about(dict(self.proof))
        return (
            f"the coordinator signed at {_when(receipt.received_at_ms)} that node {self.proof['node_id'][:16]}… handed "
            f"this text in for lease {receipt.lease_id}, as entry {receipt.seq} of its log"
        )

    def _verdict(self) -> str:
        _, verdict = self._checks().signed_about(dict(self.proof))
        judged = _JUDGED.get(verdict.verdict, verdict.verdict)
        return f"the coordinator signed at {_when(verdict.decided_at_ms)}: {verdict.verdict}, {judged}"

    def _entry(self) -> str:
        lines = self.settlement.lines_about(self.proof["contribution_id"])
        header, _ = self.settlement.settled()
        if not self.proof["payout_address"]:
            return "it belongs to the treasury: a validator's text took the place of what differed from it"
        if not lines:
            late = header.closed_at_ms < self.export.signed().created_at_ms
            if late:
                raise NotChecked(f"epoch {header.epoch_id} was closed before this export; get a newer one")
            raise WindrowError("bad_proof", "no entry of the ledger is about it")
        said = [
            f"entry {each.entry_seq} moves {each.amount} {each.asset} "
            f"from {each.debit} to {each.credit} ({each.reason})"
            for each in lines[:6]
        ]
        more = f"; and {len(lines) - 6} more" if len(lines) > 6 else ""
        return "; ".join(said) + more

    def _leaf(self) -> str:
        header, tree = self.settlement.settled()
        payout = self.proof["payout_address"]
        if not payout:
            raise NotChecked("what belongs to the treasury is no leaf")
        try:
            amount, proof = tree.amount(payout), tree.proof(payout)
        except WindrowError as error:
            raise NotChecked(
                f"{payout} is no leaf of epoch {header.epoch_id} yet: nothing was paid out"
            ) from error
        if not verify_proof(payout, amount, proof, header.root):
            raise WindrowError("bad_proof", f"the proof of {payout} does not lead to root {header.root}")
        return (
            f"{payout} is allotted {amount} {header.asset} in all by epoch {header.epoch_id}; "
            f"its proof of {len(proof)} hashes leads to root {header.root}"
        )


def _when(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="seconds")
