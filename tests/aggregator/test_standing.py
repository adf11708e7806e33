"""A node's standing: what each outcome leads to, in order, and that nothing leads to more than it should."""

from __future__ import annotations

import math
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregator.verification.standings.standing import (
    AuditOutcome,
    Consequence,
    Escalation,
    Standing,
    honest_rate_ppm,
    in_doubt,
    in_good_standing,
    is_suspected,
    observe,
)
from windrow_protocol.trust_rules import DAY_MS, PPM, TrustRules

RULES = TrustRules()
ENFORCED = TrustRules(suspension_enforced=True)
MATCH = AuditOutcome(
    kind="match", at_ms=0, documents=100, value=1.0, rate_ppm=30_000, domain="a.example", epoch_id=1
)
KINDS = st.sampled_from(["match", "mismatch", "no_evidence"])
OUTCOMES = st.builds(
    AuditOutcome,
    kind=KINDS,
    at_ms=st.integers(0, 40 * DAY_MS),
    documents=st.integers(0, 5_000),
    value=st.floats(0.01, 10),
    rate_ppm=st.integers(1, PPM),
    domain=st.sampled_from(["a.example", "b.example", "c.example"]),
    epoch_id=st.integers(0, 5),
    excess=st.floats(0, 1),
    host_excess=st.floats(0, 0.5),
    honest_ppm=st.integers(10_000, 50_000),
)


def mismatch(number: int, **changes: object) -> AuditOutcome:
    return replace(MATCH, kind="mismatch", domain=f"{number}.example", **changes)  # type: ignore[arg-type]


def after(outcomes: list[AuditOutcome], rules: TrustRules = RULES) -> tuple[Standing, list[Consequence]]:
    standing, found = Standing(), list[Consequence]()
    for outcome in outcomes:
        standing, new = observe(rules, standing, outcome)
        found += new
    return standing, found


def kinds_of(found: list[Consequence]) -> list[str]:
    return [each.kind for each in found]


def test_the_first_mismatch_is_free_but_watched_and_the_second_is_fined_by_value_and_rate() -> None:
    _, found = after([mismatch(1), mismatch(2, value=3.0, rate_ppm=300_000)])
    assert kinds_of(found) == ["replaced", "escalated", "strike", "replaced", "fined"]
    assert found[-1].documents == pytest.approx(2 * 3.0 / 0.3)


def test_one_strike_is_free_for_every_500_audits_begun() -> None:
    outcomes = [mismatch(0), *[MATCH] * 499, mismatch(1), mismatch(2)]
    _, found = after(outcomes)
    assert [each for each in kinds_of(found) if each in ("strike", "fined")] == ["strike", "strike", "fined"]


def test_ten_bad_pages_of_one_site_in_one_epoch_count_once() -> None:
    standing, found = after([replace(MATCH, kind="mismatch")] * 10)
    assert (standing.mismatches, standing.strikes) == (1, 1)
    assert kinds_of(found).count("replaced") == 10
    standing, _ = after([replace(MATCH, kind="mismatch"), replace(MATCH, kind="mismatch", epoch_id=2)])
    assert standing.mismatches == 2


@given(st.lists(OUTCOMES, max_size=60))
def test_what_the_verifier_could_not_check_changes_nothing(outcomes: list[AuditOutcome]) -> None:
    nothing = replace(MATCH, kind="no_evidence", excess=1.0)
    standing, _ = after(outcomes)
    assert observe(RULES, standing, nothing) == (standing, ())
    interleaved = [each for outcome in outcomes for each in (outcome, nothing)]
    assert after(interleaved) == after(outcomes)


@pytest.mark.parametrize(
    "lasting",
    [
        [MATCH] * RULES.escalated_audits,
        [replace(MATCH, documents=MATCH.documents + RULES.escalated_documents)],
        [replace(MATCH, at_ms=RULES.escalated_ms)],
    ],
)
def test_an_escalation_ends_by_audits_documents_or_time(lasting: list[AuditOutcome]) -> None:
    watched, _ = after([mismatch(1)])
    assert watched.frozen
    assert watched.escalation == Escalation(0, MATCH.documents)
    standing = reduce(lambda now, outcome: observe(RULES, now, outcome)[0], lasting[:-1], watched)
    assert standing.frozen
    standing, found = observe(RULES, standing, lasting[-1])
    assert not standing.frozen
    assert kinds_of(list(found)) == ["cleared"]


def test_suspicion_is_a_cusum_of_likelihood_ratios_with_its_bound() -> None:
    bound, rise = math.log(RULES.suspension_odds), math.log(RULES.mismatch_ratio)
    needed = math.ceil(bound / rise)
    standing, found = after([mismatch(number) for number in range(needed - 1)])
    assert not standing.would_suspend
    standing, found = after([mismatch(number) for number in range(needed)])
    assert (standing.would_suspend, standing.suspended) == (True, False)
    assert standing.suspicion == pytest.approx(needed * rise)
    assert kinds_of(found).count("would_suspend") == 1
    standing, found = after([mismatch(number) for number in range(needed + 5)], ENFORCED)
    assert standing.suspended
    assert kinds_of(found).count("suspended") == 1


def test_an_honest_node_of_a_calm_web_is_not_suspected() -> None:
    once_in_a_hundred = [mismatch(i) if i % 100 == 50 else MATCH for i in range(3_000)]
    standing, _ = after(once_in_a_hundred)
    assert not standing.would_suspend
    assert standing.suspicion < math.log(RULES.mismatch_ratio) + 1e-9


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_honest_rate_is_twice_the_pooled_one_within_bounds(mismatches: int, audits: int) -> None:
    rate = honest_rate_ppm(RULES, mismatches, audits)
    assert RULES.honest_mismatch_min_ppm <= rate <= RULES.honest_mismatch_max_ppm
    if (
        audits
        and RULES.honest_mismatch_min_ppm < 2 * PPM * mismatches // audits < RULES.honest_mismatch_max_ppm
    ):
        assert rate == 2 * PPM * mismatches // audits


def test_a_lasting_excess_shrinks_what_is_pending_by_twice_its_mean_and_one_odd_page_does_not() -> None:
    _, found = after([replace(MATCH, excess=0.6)])
    assert found == []
    padded = [replace(MATCH, excess=0.15)] * 4
    _, found = after(padded)
    assert kinds_of(found) == ["padding"]
    assert found[0].share == pytest.approx(0.3)
    _, found = after([replace(MATCH, excess=0.15, host_excess=0.13)] * 200)
    assert found == []


def test_control_pages_that_are_passed_do_not_make_up_for_padding_elsewhere() -> None:
    """Most of them are recognised: whoever pads everything else would meet a clean one between any two."""
    mixed = [replace(MATCH, excess=0.15), *[replace(MATCH, control=True)] * 5] * 4
    _, found = after(mixed)
    assert kinds_of(found) == ["padding"]


@given(st.lists(OUTCOMES, max_size=80))
def test_bounds_that_always_hold(outcomes: list[AuditOutcome]) -> None:
    standing, found = after(outcomes)
    assert standing.mismatches <= standing.audits == sum(each.kind != "no_evidence" for each in outcomes)
    assert standing.suspicion >= 0
    assert standing.padding >= 0
    assert all(0 <= each.share <= 1 and each.documents >= 0 for each in found)
    assert kinds_of(found).count("would_suspend") <= 1
    assert not standing.suspended  # shadow mode


@given(
    st.lists(OUTCOMES, max_size=60),
    st.sampled_from(["fines", "escalation", "replacement", "padding", "suspension"]),
)
def test_a_defence_that_is_off_does_nothing(outcomes: list[AuditOutcome], defence: str) -> None:
    _, found = after(outcomes, TrustRules(off=(defence,)))
    gone = {
        "fines": {"fined"},
        "escalation": {"escalated", "cleared"},
        "replacement": {"replaced"},
        "padding": {"padding"},
        "suspension": {"suspended", "would_suspend"},
    }
    assert not gone[defence] & set(kinds_of(found))


def test_a_control_page_that_was_not_fetched_is_never_a_free_strike() -> None:
    invented = mismatch(1, rate_ppm=RULES.canary_caught_ppm, control=True)
    standing, found = after([MATCH] * 100 + [invented])
    assert kinds_of(found) == ["replaced", "escalated", "fined"]
    assert found[-1].documents == RULES.fine_multiple * PPM / RULES.canary_caught_ppm
    assert standing.strikes == 0, "and the next mismatch is free as for anybody"
    assert "fined" not in kinds_of(after([invented], TrustRules(off=("fines",)))[1])


def test_who_cannot_be_unlucky_is_suspected_until_matches_say_otherwise() -> None:
    caught = [mismatch(number) for number in range(6)]
    standing, found = after(caught)
    assert "would_suspend" in kinds_of(found)
    assert is_suspected(RULES, standing)
    assert not is_suspected(RULES, after(caught[:5])[0])
    assert not is_suspected(TrustRules(off=("escalation",)), standing)
    better = reduce(lambda now, _: observe(RULES, now, MATCH)[0], range(12), standing)
    assert better.would_suspend, "what is written stays"
    assert not is_suspected(RULES, better)


def test_good_standing_takes_as_many_passed_audits_as_vesting() -> None:
    standing, _ = after([MATCH] * (RULES.vest_audits - 1))
    assert not in_good_standing(RULES, standing)
    standing, _ = observe(RULES, standing, MATCH)
    assert in_good_standing(RULES, standing)
    assert not in_good_standing(RULES, observe(RULES, standing, mismatch(1))[0])
    assert not in_good_standing(RULES, replace(standing, would_suspend=True))


def test_a_node_is_in_doubt_while_its_mismatches_are_many_or_fresh() -> None:
    clean, _ = after([MATCH] * 50)
    once, _ = observe(RULES, clean, mismatch(1))
    twice, _ = observe(RULES, once, mismatch(2))
    assert [in_doubt(each, 10_000) for each in (clean, once, twice)] == [False, False, True]
    later = reduce(lambda now, _: observe(RULES, now, MATCH)[0], range(200), twice)
    assert not in_doubt(later, 10_000)  # two of 252 are no more than one in a hundred
    padder, _ = after([replace(MATCH, excess=0.5)] * 4)
    assert in_doubt(padder, 10_000)
    passed = reduce(lambda now, _: observe(RULES, now, MATCH)[0], range(RULES.doubt_audits), padder)
    assert not in_doubt(passed, 10_000)


def test_a_node_that_is_honest_only_while_it_is_watched_stays_in_doubt() -> None:
    """Each mismatch stands for all that was not drawn at its rate, which no number of audits at a high rate thins."""
    unwatched, watched = replace(MATCH, rate_ppm=40_000), replace(MATCH, rate_ppm=300_000)
    faked = [replace(mismatch(number), rate_ppm=40_000, epoch_id=number) for number in range(3)]
    pauser, _ = after([each for fake in faked for each in (fake, *[watched] * 100, *[unwatched] * 5)])
    assert pauser.mismatches * PPM < pauser.audits * 10_000
    assert pauser.stood_for_bad / pauser.stood_for > 0.05
    assert in_doubt(pauser, 10_000)
    always, _ = after([each for fake in faked for each in (fake, *[unwatched] * 105)])
    assert not in_doubt(always, 10_000)  # three of 318, each for as many
    once_less, _ = after([each for fake in faked[:2] for each in (fake, *[watched] * 105)])
    assert not in_doubt(once_less, 10_000)


def test_control_pages_that_were_fetched_say_nothing_of_what_was_not_drawn() -> None:
    passed, _ = after([replace(MATCH, control=True, rate_ppm=RULES.canary_caught_ppm)] * 10)
    assert (passed.audits, passed.stood_for) == (10, 0.0)
    failed, _ = after([replace(mismatch(1), control=True, rate_ppm=RULES.canary_caught_ppm)])
    assert failed.stood_for == failed.stood_for_bad == 1_000
