"""Audit rates: the protocol's examples, their bounds, and that more at stake never means more audits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.verification.standings.audit_rate import Exposure, audit_rate_ppm, base_rate_ppm
from windrow_protocol.trust_rules import PPM, TrustRules

RULES = TrustRules()
STAKES = st.floats(min_value=0, max_value=1e6, allow_nan=False)
PACES = st.floats(min_value=0, max_value=1e5, allow_nan=False)


@pytest.mark.parametrize(
    ("at_stake", "a_day", "rate_ppm"),
    [(410, 40, 42_857), (1_000, 300, 40_000), (3_000, 3_000, 40_000), (60, 300, 55_556), (0, 300, 500_000)],
)
def test_examples_worked_by_hand(at_stake: float, a_day: float, rate_ppm: int) -> None:
    assert base_rate_ppm(RULES, Exposure(at_stake, a_day)) == rate_ppm


@given(STAKES, PACES, st.floats(min_value=0, max_value=100))
def test_rates_stay_within_their_bounds(at_stake: float, a_day: float, value: float) -> None:
    exposure = Exposure(at_stake, a_day)
    assert RULES.audit_rate_min_ppm <= base_rate_ppm(RULES, exposure) <= RULES.audit_rate_max_ppm
    assert RULES.audit_rate_min_ppm <= audit_rate_ppm(RULES, exposure, value) <= PPM


@given(STAKES, STAKES, PACES)
def test_who_has_more_to_lose_is_not_audited_more(one: float, other: float, a_day: float) -> None:
    low, high = sorted((one, other))
    assert base_rate_ppm(RULES, Exposure(high, a_day)) <= base_rate_ppm(RULES, Exposure(low, a_day))


@given(STAKES, PACES, st.floats(min_value=0, max_value=50), st.floats(min_value=0, max_value=50))
def test_a_document_worth_more_is_not_audited_less(at_stake: float, a_day: float, a: float, b: float) -> None:
    low, high = sorted((a, b))
    exposure = Exposure(at_stake, a_day)
    assert audit_rate_ppm(RULES, exposure, low) <= audit_rate_ppm(RULES, exposure, high)


def test_every_document_of_probation_is_audited() -> None:
    young = Exposure(1_000, 300, documents=RULES.probation_documents - 1)
    assert audit_rate_ppm(RULES, young, 0.01) == PPM
    assert audit_rate_ppm(RULES, Exposure(1_000, 300, documents=RULES.probation_documents)) < PPM
    assert audit_rate_ppm(TrustRules(off=("probation",)), young) < PPM


def test_escalation_and_hard_hosts_raise_the_rate_to_theirs_and_never_lower_it() -> None:
    plain = Exposure(1_000, 300)
    assert audit_rate_ppm(RULES, Exposure(1_000, 300, escalated=True)) == RULES.escalated_rate_ppm
    assert audit_rate_ppm(RULES, Exposure(1_000, 300, hard_host=True)) == RULES.hard_rate_ppm
    assert audit_rate_ppm(RULES, Exposure(0, 300, escalated=True, hard_host=True)) == RULES.audit_rate_max_ppm
    assert audit_rate_ppm(RULES, Exposure(1_000, 300, disputed_host=True), 0.1) == PPM
    off = TrustRules(off=("escalation", "hard_hosts"))
    assert audit_rate_ppm(off, Exposure(1_000, 300, disputed_host=True)) < PPM
    assert audit_rate_ppm(off, Exposure(1_000, 300, escalated=True, hard_host=True)) == audit_rate_ppm(
        off, plain
    )


def test_without_audits_nothing_is_audited() -> None:
    assert audit_rate_ppm(TrustRules(off=("audits",)), Exposure(0, 0, documents=0)) == 0


def test_thirteen_audits_come_within_a_week_of_any_pace_that_can_have_them() -> None:
    for a_day in (4, 10, 50, 300, 3_000):
        assert base_rate_ppm(RULES, Exposure(1e9, a_day)) * 7 * a_day / PPM >= 12 - 1e-3
