"""`windrow audit replay` from a home, a folder and a coordinator; `epoch close` closes the audits' epoch too."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
from pathlib import Path

import pytest
from audit_world import AuditWorld
from real_house import words_of
from running_house import HandNode, RunningHouse, windrow

from aggregator.verification.epochs.audit_rows import AUDITS, HEADER
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, contribution_id_for, encode_batch
from windrow_protocol.signing import dump_private_key

PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
FIELDS = {
    *("epoch", "entries", "drawn", "drawn_unaudited", "audited", "verdicts_recomputed", "mismatching"),
    *("dividends", "trust", "coordinator_id", "digest", "ok", "first_difference"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a house that published an audit epoch, with its key where a house has it."""
    world = AuditWorld(tmp_path_factory.mktemp("audited"))

    async def publish() -> None:
        truth = await world.hand_in(await world.ready(), 8, fakes=2)
        await world.close(truth)

    asyncio.run(publish())
    key = world.house.home / "keys" / "coordinator"
    key.parent.mkdir()
    key.write_text(dump_private_key(world.house.key))
    return world.house.home


def test_from_a_home_and_from_a_copy_of_the_files_it_is_the_same(home: Path, tmp_path: Path) -> None:
    first = windrow("audit", "replay", 1, "--home", home, "--json")
    copy = shutil.copytree(home / "audits" / "1", tmp_path / "copy")
    second = windrow("audit", "replay", 1, "--from", copy, "--json")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.json == second.json
    assert set(first.json) == FIELDS
    assert (first.json["epoch"], first.json["entries"], first.json["ok"]) == (1, 8, True)


def test_it_tells_a_person_too(home: Path) -> None:
    said = windrow("audit", "replay", 1, "--home", home)
    assert said.code == 0
    assert "audit epoch 1: 8 entries" in said.out
    assert "3 independent validator operators" in said.out
    assert "digest " in said.out


def test_a_changed_byte_ends_with_the_first_difference(home: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(home / "audits" / "1", tmp_path / "copy")
    content = bytearray((copy / AUDITS).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / AUDITS).write_bytes(bytes(content))
    said = windrow("audit", "replay", 1, "--from", copy, "--json")
    assert said.code == 1
    assert "[replay_differs]" in said.err
    assert not json.loads(said.out)["ok"]
    assert json.loads(said.out)["first_difference"] in said.err


def test_files_of_another_coordinator_or_epoch_are_no_replay(home: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(home / "audits" / "1", tmp_path / "copy")
    assert windrow("audit", "replay", 1, "--from", copy, "--coordinator-id", "7" * 64).code == 1
    assert windrow("audit", "replay", 2, "--from", copy).code == 1
    said = windrow("audit", "replay", 2, "--home", home)
    assert (said.code, "[not_found]" in said.err) == (1, True)


def _contribute(house: RunningHouse) -> None:
    """Hand in one text through the real doors."""
    node = HandNode(house)
    assert node.register(PAYOUT).status == 200
    url = f"http://127.0.0.1:9/audited/{time.time_ns()}"
    assert windrow("frontier", "add", url, env=house.env).code == 0
    wish = json.dumps({"count": 10}).encode()
    leases = node.post("/v1/leases", "lease_request", wish).json["leases"]
    assert leases
    for token in leases:
        payload = token.split(".")[1]
        lease = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["content"]
        text = words_of(1)
        record = Contribution(
            contribution_id=contribution_id_for(lease["lease_id"], node.node_id),
            lease_id=lease["lease_id"],
            url=lease["url"],
            final_url=lease["url"],
            http_status=200,
            content_type="text/html",
            fetched_at_ms=time.time_ns() // 1_000_000,
            robots_state="allowed",
            optout_signals=[],
            raw_sha256=text_sha256("raw"),
            text=text,
            text_sha256=text_sha256(text),
        )
        answer = node.post("/v1/submissions", "submit", encode_batch([record])).json
        assert answer["results"][0]["ok"]


def test_closing_an_epoch_publishes_its_audits_for_everybody(house: RunningHouse) -> None:
    _contribute(house)
    said = windrow("epoch", "close", "--json", env=house.env)
    assert said.code == 0 or "[nothing_to_settle]" in said.err, (
        "nobody was paid yet, but the audits are closed"
    )
    listed = house.ask("GET", "/v1/audit/epochs").json["epochs"]
    newest = listed[0]["epoch_id"]
    header = house.ask("GET", f"/v1/audit/epochs/{newest}/{HEADER}").json
    assert header["entries"] >= 1
    over_http = windrow("audit", "replay", newest, "--coordinator", house.url, "--json")
    at_home = windrow("audit", "replay", newest, "--home", house.home, "--json")
    assert over_http.code == 0, over_http.err
    assert over_http.json == at_home.json
    assert over_http.json["trust"] == "single-operator trust"
    missing = windrow("audit", "replay", newest + 1, "--coordinator", house.url)
    assert (missing.code, "Traceback" in missing.err) == (1, False)
