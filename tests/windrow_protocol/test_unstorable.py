"""What one of the two engines of the state could not keep is refused where it comes in, on either."""

from __future__ import annotations

import json

import pytest
import zstandard

from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import AuditReveal, Registration, Report, decode_batch, decode_json

LEASE, PAGE = "l" + "0" * 31, "http://127.0.0.1/"
REPORT = {"kind": "report", "lease_id": LEASE, "url": PAGE, "outcome": "blocked", "fetched_at_ms": 1}


@pytest.mark.parametrize("agent", ["\0", "a\0b", "\\\0", '"\0', "\\\\\0"])
def test_a_zero_character_is_refused_in_any_message(agent: str) -> None:
    for body in ({"payout_address": "0x1", "agent": agent}, {"payout_address": agent}):
        with pytest.raises(WindrowError, match=r"U\+0000") as caught:
            decode_json(json.dumps(body).encode(), Registration)
        assert caught.value.code == "wrong_schema"


@pytest.mark.parametrize("agent", ["u0000", "\\u0000", "\\\\u0000", "\u0001", "0000"])
def test_what_only_looks_like_one_is_kept(agent: str) -> None:
    body = json.dumps({"payout_address": "0x1", "agent": agent}).encode()
    assert decode_json(body, Registration).agent == agent


def test_one_record_with_it_costs_the_others_of_its_batch_nothing() -> None:
    lines = [json.dumps({**REPORT, "detail": detail}).encode() for detail in ("fine", "a\0b", "fine too")]
    first, refused, last = decode_batch(zstandard.compress(b"\n".join(lines)))
    assert isinstance(first, Report)
    assert isinstance(last, Report)
    assert isinstance(refused, WindrowError)
    assert refused.code == "wrong_schema"


def test_an_epoch_has_room_in_a_column_of_32_bits() -> None:
    said = {"secret": "0" * 64, "last_seq": 1, "head": "0" * 64, "log_sha256": "0" * 64}
    assert (
        decode_json(json.dumps({**said, "epoch_id": 2**31 - 1}).encode(), AuditReveal).epoch_id == 2**31 - 1
    )
    with pytest.raises(WindrowError, match="epoch_id"):
        decode_json(json.dumps({**said, "epoch_id": 2**31}).encode(), AuditReveal)
