"""Holds each row of an export against what was signed about it.

Rules: a row's provenance must give the same row, the receipt must name its lease, url and text, the verdict must say
accepted or unaudited, both signed by the coordinator. Only a row that a verdict names as taking another's place may
belong to nobody. Faults are counted by kind; one bad row hides no other.

Does not: read files, or know ledgers.

Usage: `rows = RowChecks(coordinator_id, network, now_ms); rows.check(row, proof)`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from marketplace.questions import Findings
from windrow_protocol.content import text_sha256
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import row_sha256
from windrow_protocol.limits import ROW_TOKENS_MAX
from windrow_protocol.messages import Outcome, Receipt, Verdict, contribution_id_for
from windrow_protocol.signing import verify

ROBOTS_ALLOWED: Final = ("allowed", "no_robots")
SOLD_VERDICTS: Final = ("accepted", "unaudited")
REPLACES: Final = "replaces"


@dataclass(frozen=True, slots=True)
class PaidRow:
    """What the ledger must know of a row; the payout address is empty where the row belongs to nobody."""

    node_id: str
    payout_address: str


@dataclass
class RowChecks:
    """Counts, faults and owners of the rows seen so far."""

    coordinator_id: str
    network: str
    now_ms: int
    names_owners: bool = True  # not where rows are about people: nothing signed about them names anybody
    count: int = 0
    faults: defaultdict[str, Findings] = field(default_factory=lambda: defaultdict(Findings))
    shares: dict[str, list[int]] = field(default_factory=dict)
    paid: dict[str, PaidRow] = field(default_factory=dict)  # by contribution id

    def check(self, row: dict[str, Any], proof: dict[str, Any]) -> None:
        """Check one row; faults are kept, not raised."""
        named = f"row {row.get('id')}"
        self.count += 1
        self._try("rows", named, lambda: _same_row(row, proof))
        if not self.names_owners:
            return
        self._try("receipts", named, lambda: self._receipt(row, proof))
        self._try("verdicts", named, lambda: self._verdict(proof))
        self._try("opt_outs", named, lambda: _allowed(row))
        owner = self.shares.setdefault(proof["payout_address"], [0, 0])
        owner[0] += min(row["token_count"], ROW_TOKENS_MAX)
        owner[1] += 1
        self.paid[proof["contribution_id"]] = PaidRow(proof["node_id"], proof["payout_address"])

    def answer(self, kind: str, sentence: str) -> str:
        """Return the good answer for one kind of fault. Raises WindrowError when there were any."""
        self.faults[kind].require_none()
        return f"{self.count} {sentence}"

    def _try(self, kind: str, named: str, ask: Any) -> None:
        try:
            fault = ask()
        except WindrowError as error:
            fault = error.reason.sentence + (f" ({error.detail})" if error.detail else "")
        if fault:
            self.faults[kind].add(f"{named}: {fault}")

    def signed_about(self, proof: dict[str, Any]) -> tuple[Receipt, Verdict]:
        """Return a row's receipt and verdict. Raises WindrowError as `verify`, or `wrong_schema`."""
        node_id = proof["node_id"]
        receipt: Receipt = self._content(proof["receipt"], "receipt", node_id, Receipt)
        verdict: Verdict = self._content(proof["verdict"], "verdict", node_id, Verdict)
        return receipt, verdict

    def _content(self, token: str, purpose: str, node_id: str, kind: type[Any]) -> Any:
        statement = verify(
            token,
            signer=self.coordinator_id,
            network=self.network,
            purpose=purpose,
            subject=node_id,
            now_ms=self.now_ms,
        )
        try:
            return msgspec.convert(statement.content, kind)
        except msgspec.ValidationError as error:
            raise WindrowError("wrong_schema", f"the {purpose}: {error}") from error

    def _receipt(self, row: dict[str, Any], proof: dict[str, Any]) -> str:
        receipt: Receipt = self._content(proof["receipt"], "receipt", proof["node_id"], Receipt)
        if receipt.contribution_id != proof["contribution_id"] or receipt.lease_id != proof["lease_id"]:
            return "its receipt is for another contribution"
        if receipt.contribution_id != contribution_id_for(receipt.lease_id, proof["node_id"]):
            return "its contribution id does not follow from lease and node"
        if receipt.outcome is not Outcome.FETCHED or receipt.url != row.get("url"):
            return "its receipt is for another page"
        if receipt.content_sha256 != row["content_sha256"]:
            return "its receipt is for another text"
        return ""

    def _verdict(self, proof: dict[str, Any]) -> str:
        verdict: Verdict = self._content(proof["verdict"], "verdict", proof["node_id"], Verdict)
        if verdict.contribution_id != proof["contribution_id"]:
            return "its verdict is about another contribution"
        if verdict.verdict not in SOLD_VERDICTS:
            return f"its verdict is {verdict.verdict}"
        if bool(proof["payout_address"]) == (verdict.reason == REPLACES):
            return "a truth that took its place has no owner, and every other row has one"
        return ""


def _same_row(row: dict[str, Any], proof: dict[str, Any]) -> str:
    if row.get("id") != proof["id"] or row_sha256(row) != proof["row_sha256"]:
        return "it is not the row its provenance describes"
    digest = text_sha256(row["text"])
    if digest != proof["text_sha256"]:
        return "its text is not the text that was sold"
    if not row.get("pii_redactions") and digest != row["content_sha256"]:
        return "its text is not the text that was signed"
    return ""


def _allowed(row: dict[str, Any]) -> str:
    signals, state = row.get("optout_signals"), row.get("robots_state")
    if signals is None or state is None:
        return "it does not say what robots.txt and opt-outs said"
    if signals:
        return f"it carries an opt-out: {', '.join(signals)}"
    return "" if state in ROBOTS_ALLOWED else f"robots.txt said {state}"
