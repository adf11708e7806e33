"""The loop of the model: leases, answers, draws, audits, vesting and departure, step by step.

Rules: a step is six hours; what was drawn in a step is decided at its end, which is later than in a real network, and
so to the ring's advantage. All decisions are the protocol's: `audit_rate_ppm` (on arrays), `vesting_bounds`,
`unranked_room`, and those of `judging` and `lapses`. At the end every node leaves, as `windrow node leave` has it.

Does not: print; `figures` says what came of it.

Usage: `network = Network(Setting(strategy=STRATEGIES["fakes_5"]), seed=1).run()`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aggregator.verification.standings.audit_rate import bond_comes_back, canary_rate_of
from aggregator.verification.standings.standing import AuditOutcome, is_suspected
from bench.fraud_model.accounts import Accounts
from bench.fraud_model.answers import Answers, answers_of, with_own_sites
from bench.fraud_model.audits import draw, rates_of_nodes, rates_of_values
from bench.fraud_model.batches import Batch
from bench.fraud_model.caps import Caps
from bench.fraud_model.documents import (
    BYTE_PAY,
    BYTES_MAX,
    FEE,
    OPERATORS,
    Floats,
    Indices,
    Leases,
    Mask,
    leases_of,
)
from bench.fraud_model.fleet import STEP_MS, STEPS_PER_DAY, Fleet, Node
from bench.fraud_model.judging import Judging
from bench.fraud_model.lapses import Lapses
from bench.fraud_model.setting import MEAN_BYTES, MEAN_PAY, Setting, Tally
from bench.fraud_model.turned import TurnedPages
from bench.fraud_model.webs import hosts_of
from rewards.vesting import vesting_bounds
from windrow_protocol.trust_rules import PPM

DISAGREEING: Final = 0.22  # truths of hosts of more noise than this disagree about every second time
PADDED_MATCH_MAX: Final = 0.4  # more inserted text than this is a mismatch


class Network:
    """One run."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting, self.seed = setting, seed
        self.rules = setting.rules
        self.steps = setting.days * STEPS_PER_DAY
        self.rng = np.random.Generator(np.random.SFC64([seed, 0]))
        self.hosts = hosts_of(setting.web, self.rng)
        self.fleet = Fleet.of(setting.nodes, setting.share, self.steps, self.rules, self.rng)
        self.accounts = Accounts(setting.nodes, self.steps, STEP_MS)
        established = np.array([node.backed > 0 for node in self.fleet.nodes])
        self.initial_bond = np.where(established, self.rules.probation_documents * MEAN_PAY, 0.0)
        self.accounts.bond += self.initial_bond
        self.tally = Tally.of(setting.nodes)
        self.judging = Judging(setting, self.fleet, self.accounts, self.tally)
        self.outages = self._outages()
        self._caps = Caps(setting, self.hosts)
        self._turned = TurnedPages(setting, self.hosts)
        self._lapses = Lapses(setting.rules, setting.nodes, deaf=setting.strategy.deaf)

    def run(self) -> Network:
        """Run all steps, let every node leave, and return this."""
        for step in range(self.steps):
            self._step(step)
            self._vest_all(step)
            if (step + 1) % STEPS_PER_DAY == 0:
                self._close_epoch(step)
        for node in range(self.setting.nodes):
            self._leave(node, self.steps)
        return self

    # --- one step ----------------------------------------------------------------------------------------------------

    def _step(self, step: int) -> None:
        rates, hard_rates, active = self._rates(step)
        leases = self._leases(step)
        attacker = self.fleet.attacker[leases.node]
        self._turned.lend(step, leases, attacker)
        answers = answers_of(
            leases,
            self.setting.strategy,
            self.setting.web,
            self.hosts,
            self.rules,
            attacker,
            attacker & active[leases.node],
            self._canary_rates()[leases.node],
        )
        self._count(answers)
        values = answers.size / np.float32(MEAN_BYTES)
        disputed = self.judging.hosts.disputed[leases.host] & self.rules.on("audits")
        hard = self.judging.hosts.hard[leases.host] & ~disputed
        node_rates = np.where(hard, hard_rates[leases.node], rates[leases.node])
        node_rates[disputed] = PPM
        rates_ppm = self._turned.rates_of(answers, rates_of_values(node_rates, values))
        up = tuple(each for each in range(OPERATORS) if each not in self.outages.get(step, ()))
        drawn, first = draw(leases, rates_ppm, up)
        fee, novelty = self._asked(step, answers, hard)
        batch = Batch(answers, rates_ppm, values, fee, novelty, drawn, first)
        undrawn = ~drawn.any(axis=0) & ~answers.canary & ~answers.refused
        for rows, wrong in ((undrawn & ~leases.turned, answers.wrong), (undrawn & leases.turned, None)):
            self.accounts.credit_many(
                step, leases.node[rows], fee[rows], novelty[rows], answers.fraud[rows],
                None if wrong is None else wrong[rows],
            )  # fmt: skip
        self.judging.judge_step(step, batch, up)
        self._turned.learn(batch, self.judging)

    def _canary_rates(self) -> Indices:
        """Return how many of a million leases of each node are of control pages."""
        return np.array(
            [
                canary_rate_of(self.rules, node.standing, node.backed) if self.rules.on("canaries") else 0
                for node in self.fleet.nodes
            ]
        )

    def _watched(self) -> Mask:
        return np.array([node.standing.escalation is not None for node in self.fleet.nodes])

    def _leases(self, step: int) -> Leases:
        """Return the leases that nodes took and answer."""
        pace = self.fleet.leases_in(step)
        drawn = leases_of(self.seed, step, pace, self.hosts, self.setting.web, self.setting.archive_held)
        leases = with_own_sites(drawn, self.setting.strategy)
        place = np.arange(len(leases)) - np.repeat(np.cumsum(pace) - pace, pace)
        given = place < self._given(step, np.where(self.fleet.joined <= step, pace, 0))[leases.node]
        self._caps.pace(step, leases, drawn, given)
        strategy = self.setting.strategy
        unanswered = self.fleet.attacker[leases.node] & (leases.kind_coin < strategy.unanswered)
        nodes = self.setting.nodes
        issued, lapsed = (
            np.bincount(leases.node[rows], minlength=nodes) for rows in (given, given & unanswered)
        )
        self.tally.leases += issued
        self.tally.lapsed += int(lapsed.sum())
        if strategy.unanswered:
            self._lapses.note(issued, lapsed)
        self._count_due(leases, given & unanswered)
        return leases.only(given & ~unanswered)

    def _rates(self, step: int) -> tuple[Floats, Floats, Mask]:
        """Return each node's audit rate for a mean document, the same on a hard host, and whether it cheats now."""
        stakes = (self.accounts.pending + self.accounts.bond) / MEAN_PAY
        rates, hard_rates = rates_of_nodes(
            self.rules, stakes, self.fleet.pace, self._documents(), self._watched()
        )
        active = np.zeros(self.setting.nodes, np.bool_)
        low = 2 * self.rules.audit_rate_min_ppm
        for index in np.flatnonzero(self.fleet.attacker).tolist():
            rate = int(rates[index])
            active[index] = self.fleet.cheats(
                index,
                self.setting.strategy,
                self.rules,
                step,
                self.steps,
                watched=rate > low,
                all_audited=rate >= PPM,
            )
        return rates.astype(np.float32), hard_rates.astype(np.float32), active

    def _documents(self) -> Indices:
        """Return how many documents of each node count towards the end of its probation."""
        nodes, mended = self.fleet.nodes, self.setting.mended
        return np.array([node.backed if mended else node.handed_in for node in nodes])

    def _given(self, step: int, pace: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many leases each node gets: those without their bond share a small part, by lot."""
        gets: NDArray[np.int64] = pace * np.array([not node.standing.suspended for node in self.fleet.nodes])
        suspected = np.array([is_suspected(self.rules, node.standing) for node in self.fleet.nodes])
        few = self.rules.suspected_leases_per_day
        gets[suspected] = np.minimum(
            gets[suspected], few * (step + 1) // STEPS_PER_DAY - few * step // STEPS_PER_DAY
        )
        self._lapses.cap(gets)
        if not self.rules.on("sybil_limits"):
            return gets
        young = (self._documents() < self.rules.probation_documents) | self._lapses.lacking()
        share = self.rules.young_lease_share_ppm
        room = max(
            int(gets[~young].sum()) * share // (PPM - share), self.rules.young_leases_per_day // STEPS_PER_DAY
        )
        lot = np.random.Generator(np.random.SFC64([self.seed, step, 7]))
        order = lot.permutation(np.flatnonzero(young))
        before = np.cumsum(gets[order]) - gets[order]
        gets[order] = np.clip(room - before, 0, gets[order])
        return gets

    def _count(self, answers: Answers) -> None:
        nodes, node = self.setting.nodes, answers.leases.node
        self.tally.fetched += np.bincount(node[answers.fetched], minlength=nodes)
        self.tally.fakes += np.bincount(node[answers.fraud > 0], minlength=nodes)
        self._count_due(answers.leases, ~answers.canary & ~answers.closed, answers.canary)
        for index, count in enumerate(np.bincount(node, minlength=nodes).tolist()):
            self.fleet.nodes[index].handed_in += count

    def _count_due(self, leases: Leases, pages: Mask, fees: Mask | None = None) -> None:
        worth = (FEE + BYTE_PAY * leases.novel) * pages
        if fees is not None:
            worth = worth + FEE * fees
        self.tally.due += np.bincount(leases.node, worth, self.setting.nodes)

    def _asked(self, step: int, answers: Answers, hard: Mask) -> tuple[Floats, Floats]:
        """Return the fee and the novelty pay that each answer asks for; records what hard hosts and caps withhold."""
        novelty = np.minimum(answers.novel, BYTES_MAX) * np.float32(BYTE_PAY)
        withheld = hard & ~answers.attacker & ~answers.canary & ~answers.refused
        rightly = self.hosts.noise[answers.leases.host] > DISAGREEING
        for column, rows in ((self.tally.lost_hard, rightly), (self.tally.lost_hardened, ~rightly)):
            lost = withheld & rows
            column += np.bincount(answers.leases.node[lost], novelty[lost], self.setting.nodes)
        novelty[hard | answers.canary] = 0
        if self.rules.on("domain_caps"):
            before = novelty.copy()
            self._caps.apply(step, answers.leases, novelty)
            capped = (before - novelty) * ~answers.attacker
            self.tally.lost_capped += np.bincount(answers.leases.node, capped, self.setting.nodes)
        return np.full(len(answers.leases), FEE, np.float32), novelty

    # --- vesting, epochs, leaving ------------------------------------------------------------------------------------

    def _vest_all(self, step: int) -> None:
        first, due = self.accounts.first, dict[int, int]()
        old_enough, wanted = step - self.rules.vest_age_ms // STEP_MS, self.rules.vest_audits
        ruled = self.rules.on("vesting") and self.rules.on("audits")
        for index, node in enumerate(self.fleet.nodes):
            # what the rule would say no to anyway: all that is pending is too young, or too few audits have passed
            if first[index] > step or (ruled and (first[index] > old_enough or len(node.passed) < wanted)):
                continue
            bounds = vesting_bounds(
                self.rules,
                node.passed,
                now_ms=(step + 1) * STEP_MS,
                frozen=node.standing.frozen,
                suspended=node.standing.suspended,
                settled=not self.rules.on("audits"),
            )
            until = self.accounts.covered(index, bounds, step)
            if until > first[index]:
                due[index] = until
        self.accounts.post_many(list(due), list(due.values()))

    def _close_epoch(self, step: int) -> None:
        """Disclose; throw-away identities that were caught leave and come back as somebody else."""
        for index in np.flatnonzero(self.fleet.attacker).tolist():
            caught = self.fleet.disclose(index, self.rules, step)
            node = self.fleet.nodes[index]
            if self.setting.strategy.when == "churn" and (caught or node.standing.suspended):
                self._leave(index, step + 1)
                self.fleet.nodes[index] = Node(suspended_ever=node.suspended_ever)

    def _leave(self, index: int, next_step: int) -> None:
        """Draw some of what is pending, let their outcomes fall, post the rest and return the bond."""
        node = self.fleet.nodes[index]
        good, bad = (round(count) for count in self.accounts.waiting(index))
        if good + bad and self.rules.on("audits") and not node.standing.suspended:
            watched = node.standing.escalation is not None
            wanted = self.rules.escalated_audits if watched else self.rules.vest_audits
            count = min(wanted, good + bad)
            fakes = int(self.rng.hypergeometric(bad, good, count)) if bad else 0
            for drawn in range(count):
                self._leave_audit(
                    index, f"leave {drawn}", drawn < fakes, PPM * count // (good + bad), next_step
                )
        if not node.standing.suspended:
            everything = vesting_bounds(
                self.rules, (), now_ms=next_step * STEP_MS, frozen=False, suspended=False, settled=True
            )
            until = self.accounts.covered(index, everything, next_step - 1)
            if until > self.accounts.first[index]:
                self.accounts.post(index, until)
            if bond_comes_back(self.rules, node.backed, begun_again=node.begun_again):
                self.accounts.return_bond(index)
            else:
                self.tally.lost_penalties[index] += self.accounts.keep_bond(index)
        self.accounts.first[index] = next_step
        self._sell(index)

    def _sell(self, index: int) -> None:
        """Count what of an identity's documents may be sold."""
        good, bad = float(self.accounts.exported_good[index]), float(self.accounts.exported_bad[index])
        self.accounts.exported_good[index] = self.accounts.exported_bad[index] = 0
        if not self.judging.is_sold(index):
            self.tally.withheld_good += good
            self.tally.withheld_bad += bad
            self.tally.withheld_honest += 0 if self.fleet.attacker[index] else good
        else:
            self.tally.sold_good += good
            self.tally.sold_bad += bad

    def _leave_audit(self, index: int, what: str, bad: bool, rate_ppm: int, step: int) -> None:
        inflated = self.setting.strategy.inflated
        rescued = self.setting.colluding != "no" and self.rng.random() * OPERATORS < 1
        differs = bad and not rescued and not 0 < inflated <= PADDED_MATCH_MAX
        self.tally.truths += OPERATORS if differs else 1
        outcome = AuditOutcome(
            kind="mismatch" if differs else "match",
            at_ms=step * STEP_MS,
            documents=self.fleet.nodes[index].handed_in,
            value=1.0,
            rate_ppm=max(1, rate_ppm),
            domain=what,
            epoch_id=step // STEPS_PER_DAY,
            excess=inflated if bad and not rescued and not differs else 0.0,
        )
        self.judging.follow(index, outcome, f"{what} of {index} at {step}")

    def _outages(self) -> dict[int, set[int]]:
        """Draw which operators are down in which steps; coins of its own, so that nothing else changes."""
        coins = np.random.Generator(np.random.SFC64([self.seed, 0, 1]))
        down: dict[int, set[int]] = {}
        for place in coins.permutation(self.steps * OPERATORS)[: self.setting.outages].tolist():
            down.setdefault(place // OPERATORS, set()).add(place % OPERATORS)
        return down
