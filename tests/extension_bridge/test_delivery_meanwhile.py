"""What happens to the queue of donations while it is being carried away: taken back, over, or stuck at one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from bridge_world import PAGE, Coordinator, coordinator, new_home, no_bytes_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from extension_bridge.consent import DAY_MS, ConsentTerms
from extension_bridge.delivery import Courier
from extension_bridge.donation import Page, build_donation, page_record
from extension_bridge.native_host import clock_ms
from extension_bridge.outbox import Outbox
from extension_bridge.settings import read_node_key
from extension_bridge.withdrawal import sign_withdrawal


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


@pytest.fixture
async def home(tmp_path: Path, place: Coordinator) -> Path:
    folder = new_home(tmp_path / "node")
    await place.register(folder)
    return folder


def keep(
    outbox: Outbox, key: Ed25519PrivateKey, place: Coordinator, texts: list[str], given_at_ms: int
) -> list[str]:
    """Put donations into the outbox, as agreed at a time; return their ids."""
    names = []
    for number, text in enumerate(texts):
        terms = ConsentTerms(retention_days=30)
        page = msgspec.convert({**PAGE, "text": text}, Page)
        donation = build_donation(
            key,
            page_record(page, terms),
            terms,
            network=place.house.network,
            controller_id=place.house.coordinator_id,
            now_ms=given_at_ms,
        )
        names.append(outbox.keep(donation, given_at_ms + number).contribution_id)
    return names


class TakesBack:
    """A clock whose first reading finds a person taking a donation back in another program."""

    def __init__(self, file: Path, name: str) -> None:
        self._file, self._name, self._is_done = file, name, False

    def __call__(self) -> int:
        if not self._is_done:
            self._is_done = True
            with Outbox.open(self._file) as other:
                assert other.withdrawal(self._name, "signed").state == "withdrawn"
        return clock_ms()


async def test_what_is_taken_back_while_the_one_before_it_leaves_does_not_leave(
    place: Coordinator, home: Path
) -> None:
    key = read_node_key(home)
    with Outbox.open(home / "bridge.db") as outbox:
        names = keep(outbox, key, place, ["the first", "the second"], clock_ms())
        courier = Courier(outbox, key, place.url, TakesBack(home / "bridge.db", names[1]))
        await asyncio.to_thread(courier.deliver_waiting, 8)
        assert [outbox.get(name).state for name in names] == ["delivered", "withdrawn"]
    assert [donation.records[0].text for donation in place.received()] == ["the first"]


async def test_a_consent_that_ended_during_an_outage_is_not_sent_and_keeps_nothing_waiting(
    place: Coordinator, home: Path
) -> None:
    key, secret = read_node_key(home), "a page of long ago"
    with no_bytes_of(secret.encode(), home), Outbox.open(home / "bridge.db") as outbox:
        (old,) = keep(outbox, key, place, [secret], clock_ms() - 31 * DAY_MS)
        (new,) = keep(outbox, key, place, ["a page of today"], clock_ms())
        await asyncio.to_thread(Courier(outbox, key, place.url, clock_ms).deliver_waiting, 8)
        assert [outbox.get(name).state for name in (old, new)] == ["refused", "delivered"]
        assert "ended" in outbox.get(old).sentence
    assert [donation.records[0].text for donation in place.received()] == ["a page of today"]


async def test_one_withdrawal_that_is_not_taken_keeps_no_other_waiting(
    place: Coordinator, home: Path
) -> None:
    key = read_node_key(home)
    with Outbox.open(home / "bridge.db") as outbox:
        names = keep(outbox, key, place, ["the first", "the second"], clock_ms())
        courier = Courier(outbox, key, place.url, clock_ms)
        await asyncio.to_thread(courier.deliver_waiting, 8)
        outbox.withdrawal(names[0], "no signature of anybody")
        token = sign_withdrawal(key, outbox.get(names[1]), place.house.network, clock_ms())
        outbox.withdrawal(names[1], token)
        await asyncio.to_thread(courier.take_back_waiting, 8)
        assert [outbox.get(name).state for name in names] == ["withdrawing", "withdrawn"]
        assert outbox.get(names[0]).sentence, "and it is said why"
        assert [name for name, _ in outbox.withdrawals(8)] == [names[0]], "it is tried again"
