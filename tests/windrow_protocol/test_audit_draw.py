"""Draws: exact at the edges, independent by purpose, as often as promised, and bound to the commitment."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow_protocol.audit_draw import SECRET_BYTES, commitment_of, is_drawn, share_of_one_ppm
from windrow_protocol.trust_rules import PPM

SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
RATES = st.integers(min_value=0, max_value=PPM)
ENTRIES = 20_000


@given(SECRETS, st.text(max_size=40), st.text(max_size=64))
def test_nothing_is_drawn_at_zero_and_everything_at_one(secret: bytes, lease_id: str, digest: str) -> None:
    assert not is_drawn(secret, lease_id, digest, 0)
    assert is_drawn(secret, lease_id, digest, PPM)


@given(SECRETS, st.text(max_size=40), RATES, RATES)
def test_what_is_drawn_at_a_rate_is_drawn_at_any_higher_one(
    secret: bytes, lease_id: str, a: int, b: int
) -> None:
    low, high = sorted((a, b))
    assert is_drawn(secret, lease_id, "d", high) or not is_drawn(secret, lease_id, "d", low)


@pytest.mark.parametrize("rate_ppm", [30_000, 150_000, 500_000])
def test_as_much_is_drawn_as_was_promised(rate_ppm: int) -> None:
    secret = bytes(range(SECRET_BYTES))
    drawn = sum(is_drawn(secret, f"lease-{i}", "d", rate_ppm) for i in range(ENTRIES))
    rate = rate_ppm / PPM
    assert abs(drawn - ENTRIES * rate) < 5 * math.sqrt(ENTRIES * rate * (1 - rate))


def test_another_secret_text_or_purpose_is_another_draw() -> None:
    one, other = bytes(SECRET_BYTES), bytes([1]) * SECRET_BYTES

    def draws(secret: bytes, digest: str = "d", purpose: str = "audit") -> list[bool]:
        return [is_drawn(secret, f"l{i}", digest, PPM // 2, purpose) for i in range(200)]  # type: ignore[arg-type]

    assert (
        len({tuple(each) for each in (draws(one), draws(other), draws(one, "e"), draws(one, "d", "double"))})
        == 4
    )


@given(SECRETS, SECRETS)
def test_a_commitment_names_its_secret(secret: bytes, other: bytes) -> None:
    assert (commitment_of(secret) == commitment_of(other)) is (secret == other)
    assert secret.hex() not in commitment_of(secret)


@pytest.mark.parametrize("length", [0, SECRET_BYTES - 1, SECRET_BYTES + 1])
def test_a_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="bytes"):
        commitment_of(bytes(length))


@given(RATES, st.integers(min_value=1, max_value=12))
def test_shares_of_independent_validators_make_up_the_rate(rate_ppm: int, validators: int) -> None:
    share = share_of_one_ppm(rate_ppm, validators) / PPM
    together = 1 - (1 - share) ** validators
    assert abs(together - rate_ppm / PPM) <= validators * 1e-6
