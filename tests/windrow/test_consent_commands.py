"""A person's own hand on what they gave, by the command line: listed, shown, copied, taken back, and gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pyrage
import pytest
from bridge_world import PAGE, Coordinator, coordinator, donation, host, new_home
from jsonschema import Draft202012Validator
from real_data import ROOT
from typer.testing import CliRunner, Result

from extension_bridge.consent import Consent, ConsentTerms, consent_receipt_id
from extension_bridge.donation import Page, build_donation
from extension_bridge.drafts import Drafts
from extension_bridge.native_host import clock_ms
from extension_bridge.outbox import Outbox
from extension_bridge.settings import read_node_key
from windrow.cli import app
from windrow_protocol.errors import WindrowError
from windrow_protocol.personal.messages import PersonalContribution, PersonalRecord

SCHEMA = ROOT / "docs" / "consent_receipt.schema.json"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


def windrow(home: Path, *words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["consent", *words], env={"WINDROW_NODE_HOME": str(home)})


async def test_what_a_month_earned_is_told_to_its_person(tmp_path: Path, place: Coordinator) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    nothing = await asyncio.to_thread(windrow, home, "pay", "--coordinator", place.url)
    assert (nothing.exit_code, nothing.stdout.splitlines()) == (
        0,
        ["No visit with a time and an address was delivered from this home."],
    )
    async with host(home, "--coordinator", place.url) as bridge:
        assert (await bridge.ask(donation()))["state"] == "delivered"
    told = await asyncio.to_thread(windrow, home, "pay", "--coordinator", place.url)
    assert told.stdout.startswith("2023-11  waiting        1 visits  pending 0 WIND, yours 0 WIND")
    assert "200 visits" in told.stdout
    (month,) = json.loads(
        (await asyncio.to_thread(windrow, home, "pay", "--json", "--coordinator", place.url)).stdout
    )["months"]
    assert (month["state"], month["held_wei"], month["posted_wei"]) == ("waiting", "0", "0")


async def test_what_was_given_is_listed_shown_copied_and_taken_back(
    tmp_path: Path, place: Coordinator
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    async with host(home, "--coordinator", place.url) as bridge:
        given = await bridge.ask(donation())
        assert given["state"] == "delivered"
        put = {"type": "put_aside", "source": "browser_page", "pages": [{**PAGE, "text": "not sent"}]}
        assert (await bridge.ask(put))["added"] == 1
    receipt = given["consent_receipt_id"]

    listed = await asyncio.to_thread(windrow, home, "list", "--json")
    assert [each["consent_receipt_id"] for each in json.loads(listed.stdout)] == [receipt]

    shown = json.loads((await asyncio.to_thread(windrow, home, "show", receipt[:12])).stdout)
    assert consent_receipt_id(shown["consent"]) == receipt
    Draft202012Validator(json.loads(SCHEMA.read_bytes())).validate(shown["consent"])
    assert shown["receipt"]

    identity = pyrage.x25519.Identity.generate()
    copy = tmp_path / "copy.age"
    words = ("export", str(copy), "--age-recipient", str(identity.to_public()), "--coordinator", place.url)
    exported = await asyncio.to_thread(windrow, home, *words)
    assert exported.exit_code == 0, exported.output
    assert b"river" not in copy.read_bytes()
    (tmp_path / "identity").write_text(str(identity))
    opened = await asyncio.to_thread(
        windrow, home, "open-copy", str(copy), "--identity", str(tmp_path / "identity")
    )
    held = json.loads(opened.stdout)
    assert "river" in held["coordinator"]["donations"][0]["donation"]["records"][0]["text"]
    assert [each["contribution_id"] for each in held["here"]] == [given["contribution_id"]]
    assert [each["text"] for each in held["put_aside"]] == ["not sent"]

    gone = await asyncio.to_thread(windrow, home, "withdraw", receipt, "--yes", "--coordinator", place.url)
    assert "withdrawn" in gone.stdout
    assert place.received() == []
    assert place.personal.withdrawals.removals()["ids"] == [given["contribution_id"]]
    again = await asyncio.to_thread(windrow, home, "withdraw", receipt, "--yes", "--coordinator", place.url)
    assert isinstance(again.exception, WindrowError)
    assert again.exception.code == "nothing_to_withdraw"


async def test_taking_everything_back_holds_back_what_was_about_to_leave(
    tmp_path: Path, place: Coordinator
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    network, controller, now_ms = place.house.network, place.house.coordinator_id, clock_ms()

    def sign(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
        key = read_node_key(home)
        return build_donation(key, record, terms, network=network, controller_id=controller, now_ms=now_ms)

    with Outbox.open(home / "bridge.db") as outbox:
        drafts = Drafts(outbox.file)
        drafts.put([msgspec.convert(PAGE, Page)], "browser_page")
        drafts.send(drafts.open_items(1), sign, 365, now_ms=now_ms, leaves_at_ms=now_ms)
        gone = await asyncio.to_thread(
            windrow, home, "withdraw", "--all", "--yes", "--coordinator", place.url
        )
        assert gone.exit_code == 0, gone.output
        assert drafts.leave(now_ms, 10) == 0, "it was agreed to before everything was taken back"
        assert drafts.counts() == {"open": 1, "leaving": 0}


def test_the_schema_that_is_published_is_the_one_that_is_checked() -> None:
    held = json.loads(SCHEMA.read_bytes())
    Draft202012Validator.check_schema(held)
    assert held == json.loads(msgspec.json.encode(msgspec.json.schema(Consent)))


def test_a_copy_opens_with_its_own_key_only() -> None:
    from extension_bridge.personal_copy import opened_copy, sealed_copy

    mine, others = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    sealed = sealed_copy({"here": []}, recipient=str(mine.to_public()))
    assert json.loads(opened_copy(sealed, identity=f"# a comment\n{mine}\n")) == {"here": []}
    for wrong in (str(others), "AGE-SECRET-KEY-nonsense", ""):
        with pytest.raises(WindrowError) as refusal:
            opened_copy(sealed, identity=wrong)
        assert refusal.value.code == "key_gone"
    with pytest.raises(WindrowError) as refusal:
        sealed_copy({}, recipient="age1nonsense")
    assert refusal.value.code == "bad_usage"
