"""The fraud model, small: its shortcuts equal the rules they stand for, and no cheat of it pays where it must not."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.assignment import frontier
from aggregator.verification.standings.audit_rate import Exposure, audit_rate_ppm
from aggregator.verification.standings.hosts import HostStanding
from aggregator.verification.standings.standing import AuditOutcome, Standing, observe
from bench.fraud import arguments_of, row_of, settings_of
from bench.fraud_model import network
from bench.fraud_model.answers import answers_of
from bench.fraud_model.archives import is_archived, is_other, is_static, stands_still
from bench.fraud_model.audits import rates_of_nodes, rates_of_values
from bench.fraud_model.batches import Batch
from bench.fraud_model.documents import leases_of
from bench.fraud_model.figures import Figures, figures_of
from bench.fraud_model.network import Network
from bench.fraud_model.quiet import is_quiet, with_quiet_matches
from bench.fraud_model.setting import Setting
from bench.fraud_model.strategies import STRATEGIES
from bench.fraud_model.webs import WEBS, HostKind, Web, hosts_of
from rewards.rates import CURRENT, Novelty, price_work
from windrow_protocol.trust_rules import PPM, TrustRules

RULES = TrustRules()
SMALL = Setting(nodes=60, days=12)
WEB = WEBS["assumed"]


def run(name: str, **changes: object) -> Figures:
    return figures_of(Network(replace(SMALL, strategy=STRATEGIES[name], **changes), 1).run())  # type: ignore[arg-type]


@given(
    st.floats(0, 5_000), st.floats(1, 5_000), st.lists(st.floats(0, 20, width=32), min_size=1, max_size=20)
)
def test_rates_on_arrays_equal_the_rule(at_stake: float, a_day: float, values: list[float]) -> None:
    exposure = Exposure(at_stake, a_day)
    node_rate = np.full(len(values), audit_rate_ppm(RULES, exposure), np.float32)
    found = rates_of_values(node_rate, np.array(values, np.float32)).tolist()
    assert found == pytest.approx([audit_rate_ppm(RULES, exposure, value) for value in values], abs=1)


@given(
    st.lists(
        st.tuples(st.floats(0, 5_000), st.integers(0, 5_000), st.integers(0, 120), st.booleans()),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from([(), ("audits",), ("probation",), ("escalation",), ("hard_hosts",)]),
)
def test_rates_of_all_nodes_together_equal_the_rule(
    known: list[tuple[float, int, int, bool]], off: tuple[str, ...]
) -> None:
    rules = TrustRules(off=off)
    stakes, paces, documents, escalated = (np.array(column) for column in zip(*known, strict=True))
    rates, hard_rates = rates_of_nodes(rules, stakes, paces, documents, escalated)
    assert rates.tolist() == [audit_rate_ppm(rules, Exposure(*each)) for each in known]
    assert hard_rates.tolist() == [audit_rate_ppm(rules, Exposure(*each, hard_host=True)) for each in known]


@settings(max_examples=50)
@given(st.integers(1, 120), st.floats(0, 9), st.integers(0, 120), st.integers(10_000, 50_000))
def test_counting_quiet_matches_together_equals_observing_each(
    count: int, suspicion: float, doubt: int, honest_ppm: int
) -> None:
    standing = Standing(audits=70, mismatches=1, suspicion=suspicion, passed_in_a_row=5, doubt=doubt)
    match = AuditOutcome("match", 0, 100, 1.0, 30_000, "a.example", 1, 0.029, 0.0, honest_ppm)
    assert is_quiet(standing)
    each = reduce(lambda now, _: observe(RULES, now, match)[0], range(count), standing)
    together = with_quiet_matches(RULES, standing, count, honest_ppm, count * PPM / match.rate_ppm)
    same = [msgspec.structs.replace(one, suspicion=0.0, stood_for=0.0) for one in (together, each)]
    assert same[0] == same[1]
    assert together.stood_for == pytest.approx(each.stood_for)
    assert together.suspicion == pytest.approx(each.suspicion)


def test_a_run_follows_from_its_seed_and_its_coins_from_seed_and_step() -> None:
    assert run("fakes_10", days=4) == run("fakes_10", days=4)
    hosts = hosts_of(WEB, np.random.default_rng(1))
    paces = np.full(10, 20)
    one, other = leases_of(1, 3, paces, hosts, WEB), leases_of(1, 3, paces, hosts, WEB)
    assert np.array_equal(one.draw_coins, other.draw_coins)
    assert not np.array_equal(one.draw_coins, leases_of(2, 3, paces, hosts, WEB).draw_coins)


def test_a_network_of_honest_nodes_loses_next_to_nothing_and_suspects_nobody() -> None:
    found = run("honest", share=0.0)
    assert found.suspensions == 0
    assert found.honest_loss <= 0.005
    assert found.F <= 1.25
    assert (found.L, found.wrong_content) == (0.0, 0.0)


@pytest.mark.parametrize("name", ["garbage", "llm_text"])
def test_who_fetches_nothing_earns_nothing(name: str) -> None:
    found = run(name)
    assert found.income_ratio <= 0.05
    assert found.L < 0.01
    assert found.wrong_content <= 0.005
    assert found.honest_loss <= 0.01
    assert found.suspensions == 0


@pytest.mark.parametrize("name", ["fakes_10", "padding_25", "ring_with_framing"])
def test_cheating_now_and_then_earns_less_than_the_work_left(name: str) -> None:
    found = run(name)
    assert found.income_ratio <= found.work_share
    assert found.suspensions == 0


def test_the_frontier_leases_no_accepted_page_again_as_the_model_has_it() -> None:
    """What became of a page of which somebody's answer was taken: only one that was not accepted is open again."""
    after = {event: state for (before, event), state in frontier.STEPS.items() if before == "done"}
    assert after == {"not_accepted": "open", "exhausted": "given_up"}


def test_who_hands_in_what_the_house_has_earns_the_fee_whether_it_fetched_or_not() -> None:
    paces, hosts = np.full(20, 200), hosts_of(WEB, np.random.default_rng(1))
    leases = leases_of(1, 3, paces, hosts, WEB, archive_held=0.5)
    still = leases.held & stands_still(leases.page_coin, leases.kind_coin, WEB)
    assert 0.15 < leases.held.mean() < 0.25
    assert not leases.novel[still].any()
    assert leases.novel[leases.held & ~still].any()
    copy = price_work("unaudited", "not_drawn", Novelty(kind="exact", unique_bytes=0), rates=CURRENT)
    assert [line.amount_wei for line in copy] == [CURRENT.fetch_fee_wei, 0]
    everybody, no = np.ones(len(leases), np.bool_), np.zeros(len(leases), np.bool_)
    nobody = np.zeros(len(leases), np.int64)
    of_ring = answers_of(leases, STRATEGIES["stale_replay"], WEB, hosts, RULES, everybody, everybody, nobody)
    assert not of_ring.novel[leases.held & ~of_ring.fetched].any()
    assert of_ring.novel[is_archived(leases.page_coin) & ~leases.held & ~of_ring.fetched].any()
    assert answers_of(leases, STRATEGIES["stale_replay"], WEB, hosts, RULES, no, no, nobody).fetched.all()


def test_the_web_says_how_many_archived_pages_have_changed() -> None:
    page, kind = (np.random.default_rng(seed).random(200_000, np.float32) for seed in (1, 2))
    old = is_archived(page)
    assert 1 - stands_still(page, kind, WEB)[old].mean() == pytest.approx(WEB.stale, abs=0.01)
    assert is_other(page, kind, WEB)[is_static(page)].mean() == pytest.approx(0.03, abs=0.005)
    assert not (is_other(page, kind, WEB) & stands_still(page, kind, WEB) & old).any()


def test_who_fakes_only_while_nobody_looks_is_not_sold() -> None:
    """At this size most of a run is probation: what matters is that the doubt keeps out what would be sold."""
    found = run("adaptive_pauser", days=30)
    assert found.wrong_content <= 0.005 < found.wrong_ungated


def test_pages_that_no_list_knows_share_what_they_may() -> None:
    found, free = run("own_sites"), run("own_sites", rules=TrustRules(unranked_novelty_ppm=PPM - 1))
    assert found.L < 0.01 < free.L


def test_nobody_is_sent_to_pages_that_have_no_room() -> None:
    found, sent = run("own_sites"), run("own_sites", rules=TrustRules(unranked_leases_per_day=10**6))
    assert found.honest_loss <= 0.01
    assert sent.honest_loss > 0.08


def test_who_cannot_be_unlucky_costs_few_fetches() -> None:
    found = run("page_twice", days=16)
    assert found.F <= 1.25
    assert run("page_twice", days=16, rules=TrustRules(suspected_leases_per_day=10**6)).F > 1.3


def test_who_fakes_until_it_has_lost_all_leaves_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("padding_40", days=24)
    assert found.income_ratio < 0.02
    monkeypatch.setattr(network, "bond_comes_back", lambda *_, **__: True)
    assert run("padding_40", days=24).income_ratio > 2 * found.income_ratio


def test_who_is_new_is_led_to_control_pages_until_it_is_known() -> None:
    """Old copies of pages that stand still; at this size most of a run is what `patient_replay` waits for."""
    as_before = run("static_replay", days=24, rules=TrustRules(canary_young_audits=0))
    found = run("static_replay", days=24)
    patient = run("patient_replay", days=24, rules=TrustRules(canary_young_audits=100))
    assert found.L < 0.7 * as_before.L
    assert found.F <= 1.25
    assert patient.L < 0.7 * as_before.L
    assert patient.work_share > found.work_share


def test_a_ring_that_makes_readers_dispute_hosts_takes_little_from_honest_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = taken_by_hosts("ring_with_framing")
    monkeypatch.setattr(HostStanding, "disputed", property(lambda _: False))
    assert found < 0.3 * taken_by_hosts("ring_with_framing")


def taken_by_hosts(name: str) -> float:
    """Return how much of the novelty of easy hosts honest nodes are not paid, in WIND."""
    made = Network(replace(SMALL, nodes=120, days=20, strategy=STRATEGIES[name]), 1).run()
    return float(made.tally.lost_hardened[~made.fleet.attacker].sum())


def test_domains_that_let_no_validator_in_earn_the_fee() -> None:
    closed = run("closed_sites", days=20)
    unclosed = run("closed_sites", days=20, rules=TrustRules(off=("hard_hosts",)))
    assert closed.L < 0.8 * unclosed.L
    assert closed.suspensions == 0


def test_who_lets_leases_go_is_given_few_and_who_never_heard_of_them_not_many() -> None:
    unlimited = TrustRules(off=("lease_limits", "earned_standing"))
    for name in ("lease_hoarder", "deaf_hoarder"):
        found, without = run(name), run(name, rules=unlimited)
        assert found.lease_share < without.lease_share
        assert found.income_ratio < 0.5
        assert found.lapsed < without.lapsed


def test_old_copies_are_found_by_pages_that_turned() -> None:
    alone = TrustRules(canary_young_audits=0)
    found = run("static_replay", days=24, archive_held=1.0, rules=alone)
    unguarded = run(
        "static_replay", days=24, archive_held=1.0, rules=msgspec.structs.replace(alone, off=("turned",))
    )
    assert found.income_ratio < unguarded.income_ratio - 0.1
    assert found.L < unguarded.L
    assert found.suspensions == 0


def test_nobody_is_led_to_more_turned_pages_than_the_rule_says_nor_to_yesterdays() -> None:
    network = Network(replace(SMALL, days=3, archive_held=1.0), 1)
    led: list[tuple[int, int]] = []
    judge_step = network.judging.judge_step

    def judged(step: int, batch: Batch, up: tuple[int, ...]) -> None:
        led.append((int(batch.answers.leases.turned.sum()), len(batch.answers.leases)))
        judge_step(step, batch, up)

    network.judging.judge_step = judged  # type: ignore[method-assign]
    network.run()
    assert [count for count, _ in led[::4]] == [0, 0, 0], "an epoch has four steps, and its pages end with it"
    assert 0 < sum(count for count, _ in led) <= 0.02 * sum(whole for _, whole in led)


def test_without_its_defence_a_cheat_pays() -> None:
    assert run("padding_25", rules=TrustRules(off=("padding",))).income_ratio > 1.05
    unfined = run("fakes_10", rules=TrustRules(off=("fines",)))
    assert unfined.income_ratio > run("fakes_10").income_ratio + 0.02


def test_outages_of_validators_cost_nobody_anything() -> None:
    """On a web without any noise all that an honest node could lose is our own doing."""
    still = Web("still", (HostKind(1.0, 0.0, 0.0),), truth_failures=0.0, stale=0.0)
    setting = replace(SMALL, web=still, share=0.0)
    plain, dark = Network(setting, 1).run(), Network(replace(setting, outages=100), 1).run()
    assert sum(len(down) for down in dark.outages.values()) == 100
    assert dark.tally.truths < 0.6 * plain.tally.truths  # so they were felt: 100 of 144 draws are missing
    found = figures_of(dark)
    assert found.honest_loss == pytest.approx(found.honest_capped, abs=1e-6)  # not an outage's doing
    assert (found.suspensions, float(dark.tally.lost_penalties.sum())) == (0, 0.0)
    assert float(dark.tally.lost_no_evidence.sum()) == 0.0


def test_a_line_has_the_fields_that_were_asked_for() -> None:
    arguments = arguments_of(["--strategy", "fakes_5", "--nodes", "30", "--days", "3", "--seeds", "2"])
    (setting,) = settings_of(arguments)
    row = row_of(setting, range(1, 3))
    asked = "strategy share web F L wrong_content work_share income_ratio marginal_per_fake"
    assert set(asked.split()) <= set(row)
    assert {"honest_suspended_per_month", "honest_loss", "worst_seed", "suspension"} <= set(row)
