"""The rule of vesting by itself: nothing vests early, nothing that may vest is withheld, whatever happened before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rewards.ledger_checks import MOVES
from rewards.vesting import STEPS, audits_missing, expected_at_ms, vesting_bounds
from windrow_protocol.limits import PASSED_AUDITS_KEPT
from windrow_protocol.trust_rules import DAY_MS, TrustRules

RULES = TrustRules()
passed_places = st.lists(st.integers(1, 90), unique=True, max_size=80).map(sorted)


@given(
    passed_places, st.integers(1, 90), st.integers(0, 3 * DAY_MS), st.integers(0, 20), st.integers(0, DAY_MS)
)
def test_a_document_vests_when_old_and_followed_by_enough_passed_audits_and_not_before(
    passed: list[int], seq: int, age_ms: int, vest_audits: int, vest_age_ms: int
) -> None:
    rules = TrustRules(vest_audits=vest_audits, vest_age_ms=vest_age_ms)
    now_ms = 10 * DAY_MS
    bounds = vesting_bounds(rules, passed, now_ms=now_ms, frozen=False, suspended=False)
    after = sum(1 for place in passed if place > seq)
    assert bounds.cover(seq, now_ms - age_ms) == (after >= vest_audits and age_ms >= vest_age_ms)
    assert (audits_missing(rules, passed, seq) == 0) == (after >= vest_audits)
    assert audits_missing(rules, passed, seq) == max(0, vest_audits - after)


def test_a_document_is_not_followed_by_its_own_audit() -> None:
    rules = TrustRules(vest_audits=2, vest_age_ms=0)
    bounds = vesting_bounds(rules, [4, 7, 9], now_ms=0, frozen=False, suspended=False)
    assert [seq for seq in range(1, 12) if bounds.cover(seq, 0)] == [1, 2, 3, 4, 5, 6]


@given(passed_places, st.integers(0, 90))
def test_more_passed_audits_never_take_anything_back(passed: list[int], extra: int) -> None:
    def below(places: list[int]) -> int:
        return vesting_bounds(RULES, places, now_ms=0, frozen=False, suspended=False).seq_below

    assert below(sorted({*passed, 91 + extra})) >= below(passed)


@given(passed_places)
def test_the_latest_audits_are_enough_to_know(passed: list[int]) -> None:
    kept = passed[-PASSED_AUDITS_KEPT:]
    for rules in (RULES, TrustRules(vest_audits=2)):
        ask = {"now_ms": 5, "frozen": False, "suspended": False}
        assert vesting_bounds(rules, kept, **ask) == vesting_bounds(rules, passed, **ask)


@given(passed_places, st.integers(1, 90))
def test_frozen_waits_suspended_gets_nothing_and_who_left_waits_no_longer(
    passed: list[int], seq: int
) -> None:
    now_ms = 10 * DAY_MS

    def covered(*, frozen: bool, suspended: bool, settled: bool, rules: TrustRules = RULES) -> bool:
        bounds = vesting_bounds(
            rules, passed, now_ms=now_ms, frozen=frozen, suspended=suspended, settled=settled
        )
        return bounds.cover(seq, now_ms)

    old = TrustRules(vest_age_ms=0, vest_audits=0)
    assert covered(frozen=False, suspended=False, settled=False, rules=old)
    assert not covered(frozen=True, suspended=False, settled=False, rules=old)
    assert covered(frozen=True, suspended=False, settled=True)
    for settled in (False, True):
        for rules in (RULES, old, TrustRules(off=("vesting",))):
            assert not covered(frozen=False, suspended=True, settled=settled, rules=rules)
    assert covered(frozen=True, suspended=False, settled=False, rules=TrustRules(off=("vesting",)))


def test_the_date_told_is_the_later_of_age_and_audits() -> None:
    soon = expected_at_ms(RULES, 0, received_at_ms=0, now_ms=5, audit_every_ms=None)
    assert soon == DAY_MS
    assert expected_at_ms(RULES, 0, received_at_ms=0, now_ms=2 * DAY_MS, audit_every_ms=None) == 2 * DAY_MS
    assert expected_at_ms(RULES, 3, received_at_ms=0, now_ms=5, audit_every_ms=None) is None
    assert expected_at_ms(RULES, 3, received_at_ms=0, now_ms=5, audit_every_ms=DAY_MS) == 5 + 3 * DAY_MS
    assert expected_at_ms(RULES, 3, received_at_ms=0, now_ms=5, audit_every_ms=1) == DAY_MS


def test_every_step_is_a_move_of_the_ledger_and_nothing_leaves_what_is_posted_but_a_claim() -> None:
    assert {("emission" if state == "earned" else state, to) for (state, _), to in STEPS.items()} <= MOVES
    assert {to for state, to in MOVES if state == "posted"} == {"claimed"}
    assert not {to for state, to in MOVES if state == "claimed"}


def test_no_rule_of_vesting_asks_for_more_audits_than_are_kept() -> None:
    assert RULES.vest_audits <= PASSED_AUDITS_KEPT
