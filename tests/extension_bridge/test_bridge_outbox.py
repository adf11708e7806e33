"""The life of a donation on the person's disk follows its table, under any order of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from bridge_world import PAGE, no_bytes_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extension_bridge.consent import ConsentTerms
from extension_bridge.donation import Page, build_donation, page_record
from extension_bridge.outbox import STEPS, Outbox
from windrow_protocol.errors import WindrowError
from windrow_protocol.personal.messages import PersonalContribution

KEY = Ed25519PrivateKey.generate()
NOW_MS = 1_800_000_000_000
REFUSAL = WindrowError("bad_consent", "no")


def donation_of(text: str) -> PersonalContribution:
    terms = ConsentTerms()
    record = page_record(msgspec.convert({**PAGE, "text": text}, Page), terms)
    return build_donation(KEY, record, terms, network="n", controller_id="c" * 64, now_ms=NOW_MS)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox.open(tmp_path / "bridge.db") as opened:
        yield opened


def test_every_state_that_is_named_has_its_row() -> None:
    assert {after for steps in STEPS.values() for after in steps.values()} <= set(STEPS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.lists(st.sampled_from(["sending", "receipt", "refusal", "withdrawal"]), max_size=6),
    st.integers(0, 10**9),
)
def test_any_order_of_events_keeps_to_the_table(outbox: Outbox, events: list[str], seed: int) -> None:
    kept = outbox.keep(donation_of(f"text {seed} {events}"), NOW_MS)
    name = kept.contribution_id
    if kept.state != "pending":
        return  # hypothesis repeated itself
    state = "pending"
    for event in events:
        expected = "sent" if (event, state) == ("sending", "pending") else STEPS[state].get(event, state)
        match event:
            case "sending":
                assert outbox.sending(name, NOW_MS) == (state in ("pending", "sent"))
            case "receipt":
                outbox.receipt(name, "r")
            case "refusal":
                outbox.refusal(name, REFUSAL)
            case _ if "withdrawal" in STEPS[state]:
                outbox.withdrawal(name, "w")
            case _:
                with pytest.raises(WindrowError):
                    outbox.withdrawal(name, "w")
        state = expected
        assert outbox.get(name).state == state
        assert (name in dict(outbox.waiting(1_000))) == (state in ("pending", "sent"))


def test_a_donation_that_never_left_is_forgotten_when_withdrawn(tmp_path: Path) -> None:
    secret = "the most recognisable sentence of all"
    with no_bytes_of(secret.encode(), tmp_path), Outbox.open(tmp_path / "bridge.db") as outbox:
        kept = outbox.keep(donation_of(secret), NOW_MS)
        assert outbox.withdrawal(kept.contribution_id, "w").state == "withdrawn"


def test_what_is_kept_is_seen_by_another_process_and_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    with Outbox.open(path) as one, Outbox.open(path) as two:
        kept = one.keep(donation_of("shared"), NOW_MS)
        assert two.get(kept.contribution_id) == kept
        assert two.keep(donation_of("shared"), NOW_MS) == kept
    with Outbox.open(path) as again:
        ((name, body),) = again.waiting(10)
    assert name == kept.contribution_id
    assert msgspec.json.decode(body, type=PersonalContribution) == donation_of_same(body)


def donation_of_same(body: bytes) -> PersonalContribution:
    """Return the donation of the same text; its signature is Ed25519's, the same for the same content."""
    record = msgspec.json.decode(body, type=PersonalContribution).records[0]
    return donation_of(record.text)


def test_a_withdrawn_item_may_be_given_again_later(outbox: Outbox) -> None:
    first = outbox.keep(donation_of("once more"), NOW_MS)
    outbox.withdrawal(first.contribution_id, "w")
    terms = ConsentTerms()
    later = page_record(msgspec.convert({**PAGE, "text": "once more", "captured_at_ms": 5}, Page), terms)
    donation = build_donation(KEY, later, terms, network="n", controller_id="c" * 64, now_ms=NOW_MS)
    assert outbox.keep(donation, NOW_MS).state == "pending"


def test_facts_are_pinned(outbox: Outbox) -> None:
    outbox.remember({"coordinator_id": "a"})
    outbox.remember({"coordinator_id": "b"})
    assert outbox.fact("coordinator_id") == "a"
    assert outbox.fact("network") == ""


def test_a_file_that_is_no_outbox_is_named(tmp_path: Path) -> None:
    (tmp_path / "bridge.db").write_bytes(b"this is not a database at all" * 100)
    with pytest.raises(WindrowError) as refusal, Outbox.open(tmp_path / "bridge.db"):
        pass
    assert refusal.value.code == "home_unwritable"
