"""The text of a sign-in against the published vectors of EIP-4361, and against hostile ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SIGN_IN_CHARS_MAX
from windrow_protocol.sign_in import SignIn, moment_ms, parse_sign_in

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "sign_in_vectors.json").read_text("utf-8"))
NAMES = {
    "chain_id": "chainId",
    "issued_at": "issuedAt",
    "expiration_time": "expirationTime",
    "not_before": "notBefore",
    "request_id": "requestId",
}
PLAIN = ("scheme", "domain", "address", "statement", "uri", "nonce", "resources")


def of_fields(fields: dict[str, Any]) -> SignIn:
    """A message of the names that the vectors use."""
    theirs = {**{name: name for name in PLAIN}, **NAMES}
    return SignIn(**{ours: fields[each] for ours, each in theirs.items() if fields.get(each) is not None})


@pytest.mark.parametrize("name", VECTORS["parsing_positive"])
def test_what_the_vectors_take_is_read_and_written_again(name: str) -> None:
    vector = VECTORS["parsing_positive"][name]
    message = parse_sign_in(vector["message"])
    assert message == of_fields(vector["fields"])
    assert message.text() == vector["message"]


@pytest.mark.parametrize("name", VECTORS["parsing_negative"])
def test_what_the_vectors_refuse_is_refused(name: str) -> None:
    with pytest.raises(WindrowError) as refused:
        parse_sign_in(VECTORS["parsing_negative"][name])
    assert refused.value.code == "bad_sign_in"


@pytest.mark.parametrize("name", ["invalid issuedAt", "invalid notBefore", "invalid expirationTime"])
def test_a_day_that_does_not_exist_is_refused(name: str) -> None:
    text = of_fields(VECTORS["verification_negative"][name]).text()
    with pytest.raises(WindrowError, match="there is no time"):
        parse_sign_in(text)


GOOD = VECTORS["parsing_positive"]["couple of optional fields"]["message"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "\n",
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace("service.org wants", "service.org\nwants"),
        GOOD.replace("service.org wants", "service.org/path wants"),
        GOOD.replace("service.org wants", "sеrvice.org wants"),  # a Cyrillic letter
        GOOD.replace("Chain ID: 1\n", "Chain ID: ١\n"),  # an Arabic digit, which int() would read
        GOOD.replace("Chain ID: 1\n", "Chain ID: 1\nChain ID: 2\n"),
        GOOD.replace("Nonce: 32891757", "Nonce: 3289175７"),
        GOOD.replace("I accept", 'I "accept'),
        GOOD.replace("16:25:24.000Z", "16:25:60.000Z"),
        GOOD.replace("16:25:24.000Z", "24:25:00.000Z"),
        GOOD + "\n- https://example.com/%zz",
        GOOD + "\n- https://a" + "a" * SIGN_IN_CHARS_MAX,
    ],
    ids=range(14),
)
def test_hostile_texts_are_refused(text: str) -> None:
    with pytest.raises(WindrowError) as refused:
        parse_sign_in(text)
    assert refused.value.code == "bad_sign_in"


def test_the_longest_texts_are_refused_without_trying_for_ever() -> None:
    hostile = [
        "a" * SIGN_IN_CHARS_MAX,
        "a:" * (SIGN_IN_CHARS_MAX // 2),
        "%aa" * (SIGN_IN_CHARS_MAX // 3),
        GOOD + "\n- a:" + "%41" * 600 + " ",
    ]
    for text in hostile:
        with pytest.raises(WindrowError):
            parse_sign_in(text[:SIGN_IN_CHARS_MAX])


def test_times_are_counted_with_their_zone() -> None:
    assert moment_ms("2021-09-30T16:25:24-02:00") - moment_ms("2021-09-30T16:25:24Z") == 2 * 3_600_000
