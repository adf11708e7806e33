"""What a person takes back is gone: keys, bytes, future use, for everybody and after any crash; the rest stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from bridge_world import PAGE
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from history_world import SetClock
from real_house import NETWORK, Node, closing_what_opens, open_house, open_segments
from state_database import copy_home

from aggregator.personal import Personal
from aggregator.publish.sellable import withdrawn
from aggregator.requests import authenticate
from extension_bridge.consent import DAY_MS, ConsentTerms
from extension_bridge.donation import Page, build_donation, page_record
from extension_bridge.withdrawal import REQUEST_PURPOSE
from storage.house import House
from storage.tables.contributions import consents
from storage.tables.personal import personal_bodies, personal_keys, withdrawals
from storage.wrapping_keys import FileKeys
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import REMOVED_PURPOSE, ids_sha256
from windrow_protocol.personal.messages import PersonalContribution, PersonalExport, PersonalWithdrawal
from windrow_protocol.signing import sign, verify

START_MS = 1_800_000_000_000
SECRET = "the most recognisable sentence of them all"


@dataclass
class Place:
    folder: Path
    clock: SetClock = field(default_factory=lambda: SetClock(START_MS))

    def __post_init__(self) -> None:
        self.house: House = open_house(self.folder, clock=self.clock)
        self.segments = open_segments(self.house, "personal")
        self.personal = Personal(self.house, self.segments)

    def made(self, node: Node, text: str, days: int = 365) -> PersonalContribution:
        """Return a donation as a node makes it: the same every time, until the clock moves."""
        terms = ConsentTerms(retention_days=days)
        page = msgspec.convert({**PAGE, "text": text}, Page)
        return build_donation(
            node.key,
            page_record(page, terms),
            terms,
            network=NETWORK,
            controller_id=self.house.coordinator_id,
            now_ms=self.house.now_ms(),
        )

    def give(self, node: Node, text: str, days: int = 365) -> str:
        """Hand a donation in as a node does and return its id."""
        donation = self.made(node, text, days)
        self.ask(node, "personal", donation)
        return donation.contribution_id

    def ask(self, node: Node, purpose: str, message: msgspec.Struct) -> dict[str, Any]:
        body = msgspec.json.encode(message)
        caller = authenticate(self.house, node.request(purpose, body), purpose)
        match message:
            case PersonalContribution():
                return self.personal.accept(caller, body)
            case PersonalExport():
                return self.personal.withdrawals.export(caller, body)
        return self.personal.withdrawals.accept(caller, body)

    def take_back(self, node: Node, contribution_id: str, consent_id: str = "c" * 64) -> dict[str, Any]:
        content = {"contribution_id": contribution_id, "consent_receipt_id": consent_id}
        token = sign(
            node.key,
            network=NETWORK,
            purpose="withdrawal",
            subject=node.node_id,
            now_ms=self.house.now_ms(),
            content=content,
        )
        return self.ask(node, REQUEST_PURPOSE, PersonalWithdrawal(withdrawal_jws=token))

    def text_of(self, contribution_id: str) -> str:
        body = self.personal.vault.read(contribution_id)
        return msgspec.json.decode(body, type=PersonalContribution).records[0].text


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "house").mkdir()
    with closing_what_opens():
        yield Place(tmp_path / "house")


@pytest.fixture
def ana(place: Place) -> Node:
    return Node(place.house, Ed25519PrivateKey.generate())


def holders(folder: Path, text: str) -> list[str]:
    return [p.name for p in folder.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def code_of(work: Any, *values: Any) -> str:
    with pytest.raises(WindrowError) as refusal:
        work(*values)
    return refusal.value.code


def test_no_readable_byte_ever_reaches_the_disk_and_the_body_comes_back_whole(
    place: Place, ana: Node
) -> None:
    given = place.give(ana, SECRET)
    assert place.text_of(given) == SECRET
    assert holders(place.folder, SECRET) == []
    assert (place.folder / "keys" / "personal.json").stat().st_mode & 0o077 == 0


def test_the_public_list_of_removals_leads_nobody_to_who_gave_it(place: Place, ana: Node) -> None:
    """Its ids are for everybody to read; a receipt is signed about a node, so it is for that node alone."""
    gone = place.give(ana, SECRET)
    answer = place.take_back(ana, gone)
    assert gone in place.personal.withdrawals.removals()["ids"]
    stranger = Node(place.house, Ed25519PrivateKey.generate())
    assert code_of(place.take_back, stranger, gone) == "not_found"
    assert place.take_back(ana, gone) == answer


@pytest.mark.parametrize(
    "named",
    ["c" + "0" * 31, "p" + "0" * 31 + "\np" + "1" * 29, "p" + "0" * 30 + "\0", "p" + "A" * 31, "p", 7],
)
def test_nothing_but_a_donation_comes_onto_the_list_of_removals(place: Place, ana: Node, named: Any) -> None:
    """Buyers drop what the coordinator signed there: a stranger's word must not name a page, or two ids in one."""
    assert code_of(place.take_back, ana, named) == "wrong_schema"
    assert place.personal.withdrawals.removals()["ids"] == []


def test_what_is_taken_back_is_gone_and_the_rest_is_under_a_new_key(place: Place, ana: Node) -> None:
    gone, kept = place.give(ana, SECRET), place.give(ana, "What stays.")
    with place.house.state.read() as connection:
        before = connection.execute(sa.select(personal_keys.c.wrapped)).scalars().all()
        at = connection.execute(sa.select(consents).where(consents.c.contribution_id == gone)).one()
    answer = place.take_back(ana, gone)
    assert code_of(place.text_of, gone) == "not_found"
    assert place.text_of(kept) == "What stays."
    with place.house.state.read() as connection:
        after = connection.execute(sa.select(personal_keys.c.wrapped)).scalars().all()
        assert connection.execute(sa.select(withdrawals.c.state)).scalars().all() == ["done"]
    assert set(before).isdisjoint(after), "the contributor's data key was destroyed"
    assert holders(place.folder, before[0]) == [], "and no file holds what wrapped it"
    body = (place.folder / "segments" / at.segment).read_bytes()[at.offset : at.offset + at.length]
    assert body == bytes(at.length), "its bytes are overwritten where they lay"
    receipt = verify(
        answer["receipt"],
        signer=place.house.coordinator_id,
        network=NETWORK,
        purpose="personal_withdrawal_receipt",
        now_ms=place.house.now_ms(),
        subject=ana.node_id,
    )
    assert receipt.content
    assert receipt.content["contribution_id"] == gone
    assert place.take_back(ana, gone)["receipt"] == answer["receipt"], "the same word is the same withdrawal"


def test_future_versions_and_everybody_are_told(place: Place, ana: Node) -> None:
    gone = place.give(ana, SECRET)
    place.take_back(ana, gone)
    told = place.personal.withdrawals.removals()
    assert told["ids"] == [gone]
    statement = verify(
        told["jws"],
        signer=place.house.coordinator_id,
        network=NETWORK,
        purpose=REMOVED_PURPOSE,
        now_ms=place.house.now_ms(),
    )
    assert statement.content == {"count": 1, "ids_sha256": ids_sha256([gone])}
    with place.house.state.read() as connection:
        assert withdrawn(connection) == [gone], "no later version of a dataset holds it"


def test_a_backup_from_before_opens_with_nothing_once_the_operators_key_was_rotated(
    place: Place, ana: Node, tmp_path: Path
) -> None:
    gone = place.give(ana, SECRET)
    kept = place.give(ana, "What stays.")
    place.house.state.forget_bytes()
    copy_home(place.folder, tmp_path / "backup", without="keys")
    place.take_back(ana, gone)
    assert place.personal.vault.rotate() == 1
    assert place.text_of(kept) == "What stays.", "who stayed is wrapped under the new key"
    shutil.copytree(place.folder / "keys", tmp_path / "backup" / "keys")
    old = Place(tmp_path / "backup", place.clock)
    assert code_of(old.text_of, gone) == "key_gone"


def test_a_crash_between_the_keys_and_the_bytes_is_finished_at_the_next_start(
    place: Place, ana: Node
) -> None:
    gone = place.give(ana, SECRET)
    with place.house.state.write() as connection:
        place.personal.withdrawals._take_out(connection, ana.node_id, [gone], "withdrawn", "jws", "receipt")
    with place.house.state.read() as connection:
        at = connection.execute(sa.select(consents)).one()
    path = place.folder / "segments" / at.segment
    assert path.read_bytes()[at.offset : at.offset + at.length] != bytes(at.length)
    Personal(place.house, place.segments)
    assert path.read_bytes()[at.offset : at.offset + at.length] == bytes(at.length)


def test_nobody_takes_back_what_is_anothers(place: Place, ana: Node) -> None:
    given = place.give(ana, SECRET)
    bo = Node(place.house, Ed25519PrivateKey.generate())
    assert code_of(place.take_back, bo, given) == "not_found"
    assert place.text_of(given) == SECRET


def test_who_takes_a_page_back_keeps_nobody_else_from_it_and_a_late_retry_brings_nothing_in(
    place: Place, ana: Node
) -> None:
    """A page is anybody's to read; a refusal would also tell others that somebody had given it."""
    article = SECRET * 20
    place.take_back(ana, place.give(ana, article))
    assert code_of(place.give, ana, article) == "withdrawn"
    bo = Node(place.house, Ed25519PrivateKey.generate())
    assert place.text_of(place.give(bo, article)) == article


def test_what_never_arrived_can_be_taken_back_and_is_refused_later(place: Place, ana: Node) -> None:
    waiting = place.made(ana, SECRET)
    answer = place.take_back(ana, waiting.contribution_id)
    assert code_of(place.ask, ana, "personal", waiting) == "withdrawn"
    assert place.take_back(ana, waiting.contribution_id) == answer, "again is the same as once"
    told = place.ask(ana, REQUEST_PURPOSE, PersonalExport(after=""))
    assert [(each["contribution_id"], each["receipt"]) for each in told["withdrawals"]] == [
        (waiting.contribution_id, answer["receipt"])
    ]


def test_nobody_takes_back_beforehand_what_another_will_give(place: Place, ana: Node) -> None:
    """Whoever knows what somebody is about to give, and when, knows its id."""
    stranger = Node(place.house, Ed25519PrivateKey.generate())
    waiting = place.made(ana, SECRET)
    place.take_back(stranger, waiting.contribution_id)
    place.ask(ana, "personal", waiting)
    assert place.text_of(waiting.contribution_id) == SECRET
    assert place.personal.withdrawals.removals()["ids"] == []
    assert code_of(place.take_back, stranger, waiting.contribution_id) == "not_found"
    place.take_back(ana, waiting.contribution_id)
    assert place.personal.withdrawals.removals()["ids"] == [waiting.contribution_id]


def test_what_never_came_is_on_no_list_and_is_noted_so_often(
    place: Place, ana: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aggregator.withdrawals.PERSONAL_NEVER_CAME_MAX", 2)
    made_up = [f"p{number:031x}" for number in range(3)]
    for each in made_up[:2]:
        place.take_back(ana, each)
    assert code_of(place.take_back, ana, made_up[2]) == "too_many_withdrawals"
    assert place.take_back(ana, made_up[0])["contribution_id"] == made_up[0], "again is the same as once"
    given = place.give(ana, SECRET)
    place.take_back(ana, given)
    assert place.personal.withdrawals.removals()["ids"] == [given]


def test_what_is_past_its_retention_goes_by_itself(place: Place, ana: Node) -> None:
    short, long = place.give(ana, SECRET, days=30), place.give(ana, "For a year.", days=365)
    place.clock.at_ms += 31 * DAY_MS
    assert place.personal.withdrawals.expire() == 1
    assert code_of(place.text_of, short) == "not_found"
    assert place.text_of(long) == "For a year."


def test_what_went_by_itself_can_still_be_taken_back_by_its_person_with_a_receipt(
    place: Place, ana: Node
) -> None:
    """Else a node asks for ever, and for everything that was given later too."""
    given = place.give(ana, SECRET, days=30)
    place.clock.at_ms += 31 * DAY_MS
    place.personal.withdrawals.expire()
    bo = Node(place.house, Ed25519PrivateKey.generate())
    assert code_of(place.take_back, bo, given) == "not_found"
    receipt = place.take_back(ana, given)["receipt"]
    said = verify(
        receipt,
        signer=place.house.coordinator_id,
        network=NETWORK,
        purpose="personal_withdrawal_receipt",
        now_ms=place.clock.at_ms,
        subject=ana.node_id,
    )
    assert said.content
    assert said.content["contribution_id"] == given
    assert place.take_back(ana, given)["receipt"] == receipt, "the same word again"
    assert place.personal.withdrawals.removals()["ids"] == [given]


def test_a_person_is_told_everything_held_on_them_and_nothing_of_others(place: Place, ana: Node) -> None:
    bo = Node(place.house, Ed25519PrivateKey.generate())
    mine, gone = place.give(ana, "Mine."), place.give(ana, "Gone.")
    place.give(bo, "Another's.")
    place.take_back(ana, gone)
    told = msgspec.json.decode(msgspec.json.encode(place.ask(ana, "personal_export", PersonalExport())))
    (held,) = told["donations"]
    assert held["donation"]["contribution_id"] == mine
    assert held["donation"]["records"][0]["text"] == "Mine."
    assert held["consent_jws"]
    assert [each["contribution_id"] for each in told["withdrawals"]] == [gone]
    assert told["next_after"] == ""


def test_what_an_earlier_version_kept_in_the_clear_is_sealed_and_overwritten(place: Place, ana: Node) -> None:
    given = place.give(ana, SECRET)
    body = place.personal.vault.read(given)
    at = place.segments.append(body)
    place.segments.sync()
    with place.house.state.write() as connection:  # as a house of an earlier version has it
        connection.execute(sa.delete(personal_bodies))
        connection.execute(sa.delete(personal_keys))
        old = {"segment": at.segment, "offset": at.offset, "length": at.length}
        connection.execute(sa.update(consents).values(old))
        place.segments.commit(connection)
    assert place.segments.read(at) == body
    place.personal = Personal(place.house, place.segments)
    assert place.text_of(given) == SECRET
    lay = (place.folder / "segments" / at.segment).read_bytes()[at.offset : at.offset + at.length]
    assert lay == bytes(at.length)
    assert place.personal.vault.unsealed() == []
    place.take_back(ana, given)
    assert code_of(place.text_of, given) == "not_found"


def test_another_operators_key_opens_nothing(place: Place, ana: Node, tmp_path: Path) -> None:
    given = place.give(ana, SECRET)
    keys = FileKeys(tmp_path / "other.json", place.house.env.randomness.token)
    keys.rotate()
    assert code_of(Personal(place.house, place.segments, keys).vault.read, given) == "key_gone"
