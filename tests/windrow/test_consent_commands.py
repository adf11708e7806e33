"""A person's own hand on what they gave, by the command line: listed, shown, copied, taken back, and gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pyrage
import pytest
from bridge_world import Coordinator, coordinator, donation, host, new_home
from jsonschema import Draft202012Validator
from real_data import ROOT
from typer.testing import CliRunner, Result

from extension_bridge.consent import Consent, consent_receipt_id
from windrow.cli import app
from windrow_protocol.errors import WindrowError

SCHEMA = ROOT / "docs" / "consent_receipt.schema.json"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Coordinator]:
    async with coordinator(tmp_path / "coordinator") as running:
        yield running


def windrow(home: Path, *words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["consent", *words], env={"WINDROW_NODE_HOME": str(home)})


async def test_what_was_given_is_listed_shown_copied_and_taken_back(
    tmp_path: Path, place: Coordinator
) -> None:
    home = new_home(tmp_path / "node")
    await place.register(home)
    async with host(home, "--coordinator", place.url) as bridge:
        given = await bridge.ask(donation())
        assert given["state"] == "delivered"
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

    gone = await asyncio.to_thread(windrow, home, "withdraw", receipt, "--yes", "--coordinator", place.url)
    assert "withdrawn" in gone.stdout
    assert place.received() == []
    assert place.personal.withdrawals.removals()["ids"] == [given["contribution_id"]]
    again = await asyncio.to_thread(windrow, home, "withdraw", receipt, "--yes", "--coordinator", place.url)
    assert isinstance(again.exception, WindrowError)
    assert again.exception.code == "nothing_to_withdraw"


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
