"""A payout address: right ones in EIP-55 spelling, wrong ones refused with what is wrong and where."""

from __future__ import annotations

import string

import hypothesis.strategies as st
import pytest
from eth_utils import to_checksum_address
from hypothesis import assume, given

from contributor_node.owner.payout import read_payout
from windrow_protocol.errors import WindrowError

GOOD = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # EIP-55's own example


@given(st.binary(min_size=20, max_size=20))
def test_every_spelling_of_an_address_is_read_as_another_library_does(raw: bytes) -> None:
    assume(raw.hex() not in ("00" * 20, "00" * 18 + "dead", "ff" * 20))
    right = to_checksum_address(raw)
    assert read_payout(f" {right}\n").address == right
    assert read_payout("0x" + raw.hex()).address == right
    assert read_payout("0X" + raw.hex().upper()).address == right


def test_it_is_known_whether_a_checksum_was_given() -> None:
    assert read_payout(GOOD).checked
    assert not read_payout(GOOD.lower()).checked


@given(st.integers(2, 41), st.sampled_from(string.hexdigits))
def test_one_wrong_digit_in_a_checked_address_is_caught(place: int, digit: str) -> None:
    typed = GOOD[:place] + digit + GOOD[place + 1 :]
    assume(typed != GOOD)
    with pytest.raises(WindrowError, match="checksum"):
        read_payout(typed)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "nothing was given"),
        ("ada.eth", "look the name up"),
        ("O" + GOOD[1:], "letter O where the digit 0"),
        ("О" + GOOD[1:], "letter O where the digit 0"),
        (GOOD[2:], "0x is missing"),
        (GOOD[:-1], "39 digits after 0x, not 40"),
        (GOOD + "0", "41 digits"),
        (GOOD.replace("053", "O53"), "character 9 is 'O' .* looks like 0"),
        (GOOD.replace("B", "В"), "cyrillic capital letter ve"),
        (GOOD[:10] + "\u200b" + GOOD[10:], "zero width space"),
        (GOOD[:6] + "l" + GOOD[7:], "looks like 1"),
        ("0x" + "0" * 40, "nobody holds the key"),
        ("ab" * 32, "as long as a private key"),
        (GOOD[:-1] + "D", "checksum does not fit"),
    ],
)
def test_what_is_wrong_is_said(typed: str, says: str) -> None:
    with pytest.raises(WindrowError, match=says) as caught:
        read_payout(typed)
    assert caught.value.code == "bad_payout_address"
