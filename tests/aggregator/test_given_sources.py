"""What people give of their exports at a real house: sealed, told, taken back, refused; no month of history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from history_world import HistoryHouse, month
from real_house import NETWORK, Node, closing_what_opens

from aggregator.publish.donated import read_donated
from aggregator.requests import authenticate
from extension_bridge.consent import terms_of
from extension_bridge.donation import Piece, build_donation, record_of
from extension_bridge.sources import RULES, Source
from rewards.personal.statement import person_statement
from storage.tables.contributions import consents
from storage.tables.person_months import personal_months
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import FINGERPRINT_MS, OWN_WORDS_CHARS_MIN
from windrow_protocol.personal.messages import PersonalContribution, PersonalExport

NEW: list[Source] = [source for source, rule in RULES.items() if rule.by_month]
AT_MS = 1_772_500_000_000  # in 2026-03
SECRET = "the most recognisable haystack of them all"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[HistoryHouse]:
    with closing_what_opens():
        yield HistoryHouse(tmp_path / "house")


def donation(
    world: HistoryHouse, node: Node, source: Source, words: str = SECRET, n: int = 0
) -> PersonalContribution:
    piece = Piece(f"https://farm.example/{n}", words, words, AT_MS, RULES[source].author, f"-{n + 1}.00 EUR")
    terms = terms_of(source)
    return build_donation(
        node.key,
        record_of(piece, terms),
        terms,
        network=NETWORK,
        controller_id=world.house.coordinator_id,
        now_ms=world.house.now_ms(),
    )


def hand_in(world: HistoryHouse, node: Node, given: PersonalContribution) -> str:
    body = msgspec.json.encode(given)
    caller = authenticate(world.house, node.request("personal", body), "personal")
    world.personal.accept(caller, body)
    return given.contribution_id


def held_on(world: HistoryHouse, node: Node) -> dict[str, Any]:
    body = msgspec.json.encode(PersonalExport())
    caller = authenticate(world.house, node.request("personal_export", body), "personal_export")
    return world.personal.withdrawals.export(caller, body)


def readable(folder: Path, text: str) -> list[str]:
    return [each.name for each in folder.rglob("*") if each.is_file() and text.encode() in each.read_bytes()]


def test_every_source_is_sealed_told_and_taken_back_without_a_readable_byte(world: HistoryHouse) -> None:
    ana = world.join(1)
    ids = {source: hand_in(world, ana, donation(world, ana, source)) for source in NEW}
    assert readable(world.folder, "haystack") == []
    told = {msgspec.json.decode(each["donation"])["source"] for each in held_on(world, ana)["donations"]}
    assert told == set(NEW), "access: the person is told all of it"
    with world.house.state.read() as connection:
        assert set(connection.execute(sa.select(consents.c.source)).scalars()) == set(NEW)
        assert set(connection.execute(sa.select(personal_months.c["items"])).scalars()) == {0}
    world.take_back(ana, list(ids.values()))
    after = held_on(world, ana)
    assert after["donations"] == []
    assert {each["state"] for each in after["withdrawals"]} == {"done"}
    assert set(world.personal.withdrawals.removals()["ids"]) == set(ids.values())
    for contribution_id in ids.values():
        with pytest.raises(WindrowError):
            world.personal.vault.read(contribution_id)


def test_another_s_message_is_not_taken_in(world: HistoryHouse) -> None:
    ana = world.join(1)
    honest = donation(world, ana, "message")
    for changes in ({"role": "other"}, {"text": f"> {SECRET}"}):
        record = msgspec.structs.replace(honest.records[0], **changes)
        with pytest.raises(WindrowError):
            hand_in(world, ana, msgspec.structs.replace(honest, records=[record]))
    assert held_on(world, ana)["donations"] == []


def test_what_is_past_its_time_goes_by_itself(world: HistoryHouse) -> None:
    ana = world.join(1)
    hand_in(world, ana, donation(world, ana, "ai_prompt"))
    world.clock.at_ms += 366 * 86_400_000
    assert world.personal.withdrawals.expire() == 1
    assert held_on(world, ana)["donations"] == []


def test_who_takes_a_song_back_keeps_nobody_else_from_giving_it_but_a_letter_is_theirs(
    world: HistoryHouse,
) -> None:
    ana, bo = world.join(1), world.join(2)
    letter = "Dear farm, " + "the hay is dry. " * (OWN_WORDS_CHARS_MIN // 12)
    for source, words in (("listen", SECRET), ("search", SECRET), ("message", "ok"), ("ai_prompt", letter)):
        world.take_back(ana, [hand_in(world, ana, donation(world, ana, source, words))])  # type: ignore[arg-type]
    for source, words in (("listen", SECRET), ("search", SECRET), ("message", "ok")):
        hand_in(world, bo, donation(world, bo, source, words))  # type: ignore[arg-type]
    with pytest.raises(WindrowError, match="withdrawn"):
        hand_in(world, bo, donation(world, bo, "ai_prompt", letter))
    with pytest.raises(WindrowError, match="withdrawn"):
        hand_in(world, ana, donation(world, ana, "listen"))
    world.clock.at_ms += FINGERPRINT_MS + 1
    world.personal.withdrawals.expire()
    hand_in(world, bo, donation(world, bo, "ai_prompt", letter))


def test_who_takes_a_visit_back_keeps_nobody_else_from_that_page(world: HistoryHouse) -> None:
    ana, bo = world.join(1), world.join(2)
    moment = month(1)[:1]
    world.take_back(ana, world.give(ana, moment, title="The front page"))
    assert world.give(bo, moment, title="The front page")


def test_no_number_of_them_is_a_month_or_is_sold_with_one(world: HistoryHouse) -> None:
    """Reactions have an address and a time, as visits have: three hundred of them are paid nothing all the same."""
    ana, bo = world.join(1), world.join(2)
    visits = month(1)
    world.give(ana, visits, title="A story")
    reactions = [donation(world, bo, "reaction", n=n).records[0] for n in range(300)]
    for node in (ana, bo):
        for start in range(0, 300, 100):
            hand_in(world, node, world._donation(node, terms_of("reaction"), reactions[start : start + 100]))
    for source in NEW:
        hand_in(world, ana, donation(world, ana, source))
    world.days_pass(32)
    assert person_statement(world.house, bo.node_id)["months"] == []
    (told,) = person_statement(world.house, ana.node_id)["months"]
    assert (told["state"], told["items"]) == ("genuine", len({(each.at_ms, each.url) for each in visits}))
    donated = read_donated(world.house, world.personal.vault.read, b"salt").table.to_pylist()
    assert len(donated) == told["items"]
    assert not any("farm.example" in row["url"] for row in donated)
