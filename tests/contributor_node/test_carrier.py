"""What was given waits out an outage, leaves once, only when its time has come, and comes back when it is asked to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from bridge_world import PAGE
from crawl_sites import wall_ms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from node_world import client_of, coordinator

from contributor_node.coordinator.carrier import Carrier
from contributor_node.coordinator.client import CoordinatorClient
from extension_bridge.consent import ConsentTerms
from extension_bridge.donation import Page, build_donation
from extension_bridge.drafts import Draft, Drafts
from extension_bridge.outbox import Outbox
from extension_bridge.withdrawal import sign_withdrawal
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CARRIER_WAIT_S
from windrow_protocol.personal.messages import PersonalContribution, PersonalRecord

KEY = Ed25519PrivateKey.generate()


def put(home: Path, text: str) -> Draft:
    page = msgspec.convert({**PAGE, "text": text}, Page)
    with Outbox.open(home / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        drafts.put([page], "browser_page")
        (draft,) = drafts.open_items(10)
    return draft


def send(home: Path, client: CoordinatorClient, draft: Draft, leaves_at_ms: int) -> None:
    assert client.pin

    def sign(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
        assert client.pin
        network, controller = client.pin.network, client.pin.coordinator_id
        return build_donation(KEY, record, terms, network=network, controller_id=controller, now_ms=wall_ms())

    with Outbox.open(home / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        drafts.send([draft], sign, 365, now_ms=wall_ms(), leaves_at_ms=leaves_at_ms)


def states(home: Path) -> list[str]:
    with Outbox.open(home / "bridge.db") as outbox:
        return [kept.state for kept in outbox.all(10)]


async def test_it_waits_for_its_time_and_out_an_outage_and_is_handed_in_once(tmp_path: Path) -> None:
    home = tmp_path / "node"
    async with coordinator(tmp_path / "house") as house:
        client = await client_of(house, home, KEY)
        carrier = Carrier(home, client, wall_ms)
        assert await carrier.carry() == CARRIER_WAIT_S, "nothing was ever given here"
        draft = put(home, "The hay lay in windrows.")
        far_ms = wall_ms() + 86_400_000
        send(home, client, draft, far_ms)
        await carrier.carry()
        assert states(home) == [], "its time has not come"
        with Outbox.open(home / "bridge.db") as outbox:
            assert Drafts(outbox.file).hurry(wall_ms()) == 1
        await house.down()
        await carrier.carry()
        assert states(home) == ["sent"], "tried, and kept"
        await house.up()
        await carrier.carry()
        await carrier.carry()
        assert states(home) == ["delivered"]
        assert house.asked.count("/v1/personal") == 1

        with Outbox.open(home / "bridge.db") as outbox:
            (kept,) = outbox.all(10)
            token = sign_withdrawal(KEY, kept, house.house.network, wall_ms())
            assert outbox.withdrawal(kept.contribution_id, token).state == "withdrawing"
        await carrier.carry()
        assert states(home) == ["withdrawn"]
        rows = (home / "line_log.ndjson").read_text()
        assert "/v1/personal/withdrawals" in rows, "every request stands in the line log"


async def test_what_is_taken_back_while_the_one_before_it_leaves_does_not_leave(tmp_path: Path) -> None:
    home, readings = tmp_path / "node", 0
    async with coordinator(tmp_path / "house") as house:
        client = await client_of(house, home, KEY)

        def now_ms() -> int:
            """Between the list of what waits and the second of it, a person takes that back in another program."""
            nonlocal readings
            readings += 1
            if readings == 2:
                with Outbox.open(home / "bridge.db") as other:
                    assert other.withdrawal(names[1], "signed").state == "withdrawn"
            return wall_ms()

        for text in ("The first.", "The second."):
            send(home, client, put(home, text), wall_ms())
        with Outbox.open(home / "bridge.db") as outbox:
            Drafts(outbox.file).leave(wall_ms() + 1, 10)
            names = [name for name, _ in outbox.waiting(10)]
        await Carrier(home, client, now_ms).carry()
        with Outbox.open(home / "bridge.db") as outbox:
            assert [outbox.get(name).state for name in names] == ["delivered", "withdrawn"]
        assert house.asked.count("/v1/personal") == 1


def test_what_is_sent_cannot_be_changed_and_what_was_changed_cannot_be_sent(tmp_path: Path) -> None:
    def sign(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
        return build_donation(KEY, record, terms, network="n", controller_id="c" * 64, now_ms=wall_ms())

    draft = put(tmp_path, "As it was seen.")
    with Outbox.open(tmp_path / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        drafts.edit(draft.draft_id, draft.title, "As it is now.")
        with pytest.raises(WindrowError) as refusal:
            drafts.send([draft], sign, 365, now_ms=1, leaves_at_ms=1)
        assert refusal.value.code == "not_open"
        (now,) = drafts.open_items(10)
        drafts.send([now], sign, 365, now_ms=wall_ms(), leaves_at_ms=wall_ms() + 60_000)
        with pytest.raises(WindrowError):
            drafts.edit(now.draft_id, "", "Too late.")
        assert drafts.delete([now.draft_id]) == 0
        assert drafts.mask("now") == 0
        assert drafts.leave(wall_ms(), 10) == 0
        assert drafts.undo() == 1
        assert drafts.delete([now.draft_id]) == 1
    assert b"As it" not in b"".join(path.read_bytes() for path in tmp_path.iterdir()), "no byte of it is left"
