"""Taking mismatches back, as a fold: whatever is undone, nothing gets worse and nothing of it is left over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aggregator.verification.consequences.second_thoughts import folded_again
from aggregator.verification.standings.standing import AuditOutcome, Standing, observe
from windrow_protocol.trust_rules import TrustRules

RULES = TrustRules(suspension_enforced=True, audits_per_strike=10)

outcomes = st.builds(
    AuditOutcome,
    kind=st.sampled_from(["match", "match", "mismatch"]),
    at_ms=st.just(0),
    documents=st.integers(0, 400),
    value=st.floats(0.5, 3.0),
    rate_ppm=st.integers(30_000, 1_000_000),
    domain=st.sampled_from("abcdef"),
    epoch_id=st.integers(1, 3),
    excess=st.floats(0.0, 0.4),
)
STATES = st.sampled_from(["counted", "counted", "voided", "restored"])


def rows(found: list[AuditOutcome], states: list[str]) -> list[tuple[str, str, AuditOutcome]]:
    """Only mismatches are ever taken back."""
    return [
        (f"c{number}", state if outcome.kind == "mismatch" else "counted", outcome)
        for number, (outcome, state) in enumerate(zip(found, states, strict=False))
    ]


@given(found=st.lists(outcomes, max_size=40))
def test_folding_again_gives_the_same_standing(found: list[AuditOutcome]) -> None:
    standing = Standing()
    for outcome in found:
        standing, _ = observe(RULES, standing, outcome)
    assert folded_again(RULES, rows(found, ["counted"] * len(found)))[0] == standing


@given(found=st.lists(outcomes, max_size=40))
def test_when_every_mismatch_is_voided_only_the_matches_ever_were(found: list[AuditOutcome]) -> None:
    kept = [outcome for outcome in found if outcome.kind == "match"]
    voided = folded_again(RULES, rows(found, ["voided"] * len(found)))
    assert voided[0] == folded_again(RULES, rows(kept, ["counted"] * len(kept)))[0]
    assert {each.kind for _, each in voided[1]} <= {"padding"}


@given(found=st.lists(outcomes, max_size=40), states=st.lists(STATES, min_size=40, max_size=40))
def test_taking_one_more_back_never_makes_more_mismatches(
    found: list[AuditOutcome], states: list[str]
) -> None:
    before, _ = folded_again(RULES, rows(found, states))
    for number, outcome in enumerate(found):
        if outcome.kind == "mismatch" and states[number] == "counted":
            for state in ("voided", "restored"):
                changed = [*states[:number], state, *states[number + 1 :]]
                after, _ = folded_again(RULES, rows(found, changed))
                # Not fewer by one: a site's next mismatch of the epoch counts in the place of its first.
                assert after.mismatches <= before.mismatches


@given(found=st.lists(outcomes, min_size=1, max_size=20))
def test_restored_counts_as_a_passed_audit(found: list[AuditOutcome]) -> None:
    matches = [replace(outcome, kind="match", excess=0.0) for outcome in found]
    mismatches = [replace(outcome, kind="mismatch") for outcome in found]
    restored, followed = folded_again(RULES, rows(mismatches, ["restored"] * len(found)))
    assert restored == folded_again(RULES, rows(matches, ["counted"] * len(found)))[0]
    assert followed == []
