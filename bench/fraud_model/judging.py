"""The audits of one step, folded into hosts, standings and accounts, in the order of the log.

Rules: all decisions are the protocol's: `examine` (with `judge` and `among_operators`), `observe_host`, `observe`.
Most audits are plain matches of nodes about which nothing is open; those only count up, which is what `observe` makes
of them (`is_quiet`, held to it by a test), and are therefore counted together. What matches at first sight is paid
together, before the others are looked at.

Does not: draw, vest, or hand out leases.

Usage: `judging.judge_step(step, batch)`.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from msgspec.structs import replace

from aggregator.verification.standings.hosts import HostEvent
from aggregator.verification.standings.standing import (
    AuditOutcome,
    Consequence,
    Standing,
    honest_rate_ppm,
    in_doubt,
    in_good_standing,
    observe,
)
from bench.fraud_model.accounts import Accounts
from bench.fraud_model.audits import Finding, case_of, examine, kept_out, look_of
from bench.fraud_model.batches import Batch, Entry, Sure, entries_of, sure_of
from bench.fraud_model.documents import Mask
from bench.fraud_model.fleet import STEP_MS, STEPS_PER_DAY, Fleet, prefix_of
from bench.fraud_model.known_hosts import KnownHosts
from bench.fraud_model.quiet import is_quiet, with_quiet_matches
from bench.fraud_model.setting import MEAN_PAY, Setting, Tally
from rewards.rates import CURRENT, WIND
from windrow_protocol.trust_rules import PPM

APPEAL_TRUTHS: Final = 3
APPEAL_FEES: Final = 3 * CURRENT.fetch_fee_wei / WIND


class Judging:
    """Folds audits."""

    def __init__(self, setting: Setting, fleet: Fleet, accounts: Accounts, tally: Tally) -> None:
        self._setting, self._rules = setting, setting.rules
        self._fleet, self._accounts, self._tally = fleet, accounts, tally
        self.hosts = KnownHosts(setting.rules, tally)
        self._open: dict[str, tuple[int, Standing, float]] = {}  # mismatch → node, standing before, fine
        self._pooled = [0, 0]  # mismatches that counted, audits
        self._honest_ppm = setting.rules.honest_mismatch_min_ppm
        self._quiet = [0] * setting.nodes  # matches not yet folded into standings
        self._stood_for = [0.0] * setting.nodes  # documents that they stood for
        self._canary_ppm = setting.rules.canary_caught_ppm if setting.mended else PPM

    def judge_step(self, step: int, batch: Batch, up: tuple[int, ...]) -> None:
        """Decide all that was drawn in a step, and the canaries."""
        answers, leases, epoch_id = batch.answers, batch.answers.leases, step // STEPS_PER_DAY
        self._honest_ppm = honest_rate_ppm(self._rules, *self._pooled)
        sure = sure_of(self._setting, batch, up, self.hosts.excesses_of(answers))
        looked_at = batch.drawn.any(axis=0) | answers.canary
        known = np.array([node.backed >= self._rules.probation_documents for node in self._fleet.nodes])
        settled = looked_at & sure.plain & ~answers.refused & known[leases.node]
        self._pay_settled(step, batch, settled, sure)
        together = self._count_quiet(batch, looked_at, settled & sure.small)
        rows = np.flatnonzero(looked_at & (~together | (sure.truths == 2)))
        for entry, paid, done in zip(
            entries_of(batch, sure, rows), settled[rows].tolist(), together[rows].tolist(), strict=True
        ):
            agreed = HostEvent("agree", epoch_id, excess=entry.noise) if entry.truths == 2 else None
            if paid:
                if agreed is not None and not entry.canary:
                    self.hosts.agree(entry.host, agreed)
                if not done:
                    self._match(step, entry)
                continue
            finding = self._finding(batch, entry, agreed, epoch_id, up)
            self._tally.truths += finding.truths
            self._conclude(step, entry, finding)
        self._ease(batch, settled & ~answers.canary, epoch_id)
        for index, node in enumerate(self._fleet.nodes):
            if self._quiet[index] and (node.standing.suspicion or node.standing.doubt):
                self._fold_quiet(index)

    def _finding(
        self, batch: Batch, entry: Entry, agreed: HostEvent | None, epoch_id: int, up: tuple[int, ...]
    ) -> Finding:
        if entry.plain:
            return Finding("match", entry.truths, 1 - entry.excess, agreed)
        if entry.canary:
            return Finding("mismatch", 0, 0.0)
        row = entry.row
        if batch.answers.closed[row]:
            return kept_out(entry.refused, epoch_id)
        look = look_of(
            tuple(batch.drawn[:, row].tolist()), int(batch.first[row]),
            doubled=entry.doubled, colluding=self._setting.colluding, up=up,
        )  # fmt: skip
        return examine(self._rules, case_of(batch.answers, row), look, epoch_id)

    def _ease(self, batch: Batch, matched: Mask, epoch_id: int) -> None:
        """Let matches say of hosts that two nodes made hard that readers do not differ."""
        leases = batch.answers.leases
        for row in np.flatnonzero(matched & self.hosts.hard[leases.host]).tolist():
            node = int(leases.node[row])
            self._fold_quiet(node)
            if in_good_standing(self._rules, self._fleet.nodes[node].standing):
                self.hosts.observe(int(leases.host[row]), HostEvent("match", epoch_id))

    # --- the many that are quiet ---------------------------------------------------------------------------------

    def _count_quiet(self, batch: Batch, looked_at: Mask, small: Mask) -> Mask:
        """Find, and count, the audits of nodes of which this step has nothing but quiet matches."""
        node_of = batch.answers.leases.node
        quiet = np.array([is_quiet(node.standing) for node in self._fleet.nodes], np.bool_)
        quiet[node_of[looked_at & ~small]] = False
        together: Mask = looked_at & quiet[node_of]
        counts = np.bincount(node_of[together], minlength=len(quiet))
        stood_for = np.where(batch.answers.canary, 0.0, PPM / np.maximum(1, batch.rates_ppm))[together]
        documents = np.bincount(node_of[together], stood_for, len(quiet))
        for index in np.flatnonzero(counts).tolist():
            self._quiet[index] += int(counts[index])
            self._stood_for[index] += float(documents[index])
        self._pooled[1] += int(counts.sum())
        return together

    def is_trusted(self, node: int) -> bool:
        """Say whether a node's word counts against others'."""
        self._fold_quiet(node)
        return in_good_standing(self._rules, self._fleet.nodes[node].standing)

    def is_sold(self, node: int) -> bool:
        """Say whether a node's documents may be exported as its audits stand."""
        self._fold_quiet(node)
        return not in_doubt(self._fleet.nodes[node].standing, self._honest_ppm)

    def _match(self, step: int, entry: Entry) -> None:
        """Fold a match at first sight, which is paid already."""
        node = entry.node
        own = self._fleet.nodes[node]
        if entry.small and is_quiet(own.standing):
            self._quiet[node] += 1
            self._stood_for[node] += 0.0 if entry.canary else PPM / max(1, entry.rate_ppm)
            self._pooled[1] += 1
            return
        self._fold_quiet(node)
        if not self._setting.mended or in_good_standing(self._rules, own.standing):
            self._pooled[1] += 1
        outcome = self._outcome(step, entry, "match", entry.excess)
        own.standing, consequences = observe(self._rules, own.standing, outcome)
        for consequence in consequences:
            self._tally.lost_penalties[node] += self._exact(node, consequence)

    def _pay_settled(self, step: int, batch: Batch, rows: Mask, sure: Sure) -> None:
        """Pay what matched at first sight, all together."""
        answers, node = batch.answers, batch.answers.leases.node[rows]
        self._tally.truths += int(sure.truths[rows].sum())
        confirmed = (1 - sure.excess[rows]) if self._rules.on("padding") else np.ones(len(node), np.float32)
        novelty = batch.novelty[rows] * confirmed
        nodes = self._setting.nodes
        self._tally.lost_unconfirmed += np.bincount(node, batch.novelty[rows] - novelty, nodes)
        self._accounts.credit_many(step, node, batch.fee[rows], novelty, answers.fraud[rows])
        documents = ~(answers.canary | answers.leases.turned)[rows]
        wrong = answers.wrong[rows]
        self._accounts.exported_bad += np.bincount(node[wrong & documents], minlength=nodes)
        self._accounts.exported_good += np.bincount(node[~wrong & documents], minlength=nodes)
        for index, count in enumerate(np.bincount(node[documents], minlength=nodes).tolist()):
            self._fleet.nodes[index].backed += count
            if count:
                self._fleet.nodes[index].pass_audits(step, count, self._rules)
        honest = ~answers.attacker[rows]
        self._tally.honest_audits += int(honest.sum())
        self._tally.audits += len(node)

    def _fold_quiet(self, node: int) -> None:
        if count := self._quiet[node]:
            own = self._fleet.nodes[node]
            stood_for, self._stood_for[node] = self._stood_for[node], 0.0
            own.standing = with_quiet_matches(self._rules, own.standing, count, self._honest_ppm, stood_for)
            self._quiet[node] = 0

    # --- one audit -----------------------------------------------------------------------------------------------

    def _conclude(self, step: int, entry: Entry, finding: Finding) -> None:
        epoch_id, contribution_id = step // STEPS_PER_DAY, f"{step}/{entry.row}"
        node, host = entry.node, None if entry.canary else entry.host
        void = host is not None and self._weigh_host(
            host, node, finding, epoch_id, contribution_id, refused=entry.refused
        )
        if not void and finding.kind != "no_evidence":
            outcome = self._outcome(step, entry, finding.kind, 1 - finding.confirmed)
            self.follow(node, outcome, contribution_id)
        self._settle(step, entry, finding)

    def _outcome(
        self, step: int, entry: Entry, kind: Literal["match", "mismatch"], excess: float
    ) -> AuditOutcome:
        host = None if entry.canary else entry.host
        return AuditOutcome(
            kind,
            (step + 1) * STEP_MS,
            self._fleet.nodes[entry.node].handed_in,
            entry.value,
            self._canary_ppm if host is None else self._rate_ppm(entry, kind),
            str(host),
            step // STEPS_PER_DAY,
            excess if kind == "match" else 0.0,
            self.hosts.excess_of(host),
            self._honest_ppm,
            entry.canary,
        )

    def _rate_ppm(self, entry: Entry, kind: str) -> int:
        lured = entry.turned and kind == "mismatch"
        return self._rules.audit_rate_min_ppm if lured else max(1, entry.rate_ppm)

    def _weigh_host(
        self, host: int, node: int, finding: Finding, epoch_id: int, contribution_id: str, *, refused: bool
    ) -> bool:
        """Fold what the audit says about the host; says whether a mismatch is void because of it."""
        voided: tuple[str, ...] = ()
        if finding.host is not None:
            if finding.host.kind == "agree":
                self.hosts.agree(host, finding.host)
            else:
                self.hosts.observe(host, finding.host)
        self._fold_quiet(node)
        good = not self._setting.mended or in_good_standing(self._rules, self._fleet.nodes[node].standing)
        if finding.kind == "mismatch" and self._rules.on("hard_hosts") and good:
            voided = self.hosts.observe(
                host, HostEvent("mismatch", epoch_id, prefix_of(node), contribution_id)
            )
        if finding.kind == "match" and good and not refused:
            self.hosts.observe(host, HostEvent("match", epoch_id))
        for earlier in voided:
            self._undo(earlier)
        return contribution_id in voided

    def _undo(self, contribution_id: str) -> None:
        """Take back what a mismatch did that turned out to be void."""
        if contribution_id not in self._open:
            return
        node, before, fine = self._open.pop(contribution_id)
        own = self._fleet.nodes[node]
        own.standing = replace(
            own.standing,
            mismatches=max(0, own.standing.mismatches - 1),
            strikes=min(own.standing.strikes, before.strikes),
            suspicion=before.suspicion,
            escalation=before.escalation,
        )
        self._accounts.give_back(node, fine)
        self._tally.lost_penalties[node] -= fine
        self._tally.voided += 1

    def follow(self, node: int, outcome: AuditOutcome, contribution_id: str) -> None:
        """Fold an outcome into a node's standing and let its consequences fall."""
        self._fold_quiet(node)
        own = self._fleet.nodes[node]
        before = own.standing
        own.standing, consequences = observe(self._rules, before, outcome)
        counted = own.standing.mismatches - before.mismatches
        if not self._setting.mended or in_good_standing(self._rules, before):
            self._pooled[0] += counted
            self._pooled[1] += 1
        self._tally.audits += 1
        if not self._fleet.attacker[node]:
            self._tally.honest_audits += 1
            self._tally.honest_mismatches += counted
        taken = sum(self._exact(node, consequence) for consequence in consequences)
        self._tally.lost_penalties[node] += taken
        if outcome.kind == "mismatch":
            self._open[contribution_id] = (node, before, taken)

    def _exact(self, node: int, consequence: Consequence) -> float:
        """Let one consequence take what it takes; returns how much that was."""
        match consequence.kind:
            case "fined":
                taken = self._accounts.fine(node, consequence.documents * MEAN_PAY)
                if self._setting.mended and self._accounts.bond[node] <= 0:
                    own = self._fleet.nodes[node]
                    own.begun_again |= own.backed > 0
                    own.backed = 0  # its bond is gone: it is young again
                return taken
            case "padding":
                taken = self._accounts.shrink_novelty(node, consequence.share)
                self._tally.lost_padding[node] += taken
                return taken
            case "suspended":
                self._fleet.nodes[node].suspended_ever = True
                return self._accounts.forfeit(node)
            case "would_suspend":
                self._fleet.nodes[node].suspended_ever = True
        return 0.0

    def _settle(self, step: int, entry: Entry, finding: Finding) -> None:
        """Pay one audited answer, and put it or the truth among the accepted documents."""
        node, fee, novelty = entry.node, entry.fee, entry.novelty
        own = self._fleet.nodes[node]
        if finding.kind == "match" and not entry.refused:
            of_work = not (entry.canary or entry.turned)
            if of_work:
                own.pass_audits(step, 1, self._rules)
            paid = novelty * (finding.confirmed if self._rules.on("padding") else 1.0)
            if paid < novelty:
                self._tally.lost_unconfirmed[node] += novelty - paid
            to_bond = self._rules.on("probation") and own.backed < self._rules.probation_documents
            own.backed += of_work
            self._accounts.credit(step, node, fee, paid, entry.fraud, to_bond=to_bond)
            if not (entry.canary or entry.turned):
                self._accounts.export(node, good=int(not entry.wrong), bad=int(entry.wrong))
        elif finding.kind == "mismatch":
            self._tally.lost_penalties[node] += fee + novelty
            self._tally.replaced += self._rules.on("replacement") and not (entry.canary or entry.turned)
            if self._setting.strategy.appeals and entry.attacker:
                self._accounts.fine(node, APPEAL_FEES)
                self._tally.truths += APPEAL_TRUTHS
        elif finding.kind == "no_evidence":
            self._tally.lost_no_evidence[node] += fee + novelty
