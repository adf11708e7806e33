"""The judgement of a month and its result are sealed to each other, and a crash between them loses neither."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from history_world import HistoryHouse, month
from month_pay_world import (
    count,
    jobs_of,
    results,
)

from extension_bridge.consent import DAY_MS
from rewards.personal.month_jobs import MonthResult, judge, seal
from rewards.personal.months import accept_result, job_of, open_jobs, run_person_months
from storage.tables.person_months import (
    month_results,
    personal_months,
)
from windrow_protocol.errors import WindrowError
from windrow_protocol.personal.messages import PersonalContribution


@pytest.fixture
def world(tmp_path: Path) -> HistoryHouse:
    return HistoryHouse(tmp_path / "house")


@pytest.fixture
def job_world(world: HistoryHouse) -> HistoryHouse:
    world.give(world.join(1), month(1))
    world.give(world.join(2), month(2))
    world.clock.at_ms += 2 * DAY_MS
    assert open_jobs(world.house) == 2
    return world


def result_of(world: HistoryHouse, job_id: str) -> tuple[MonthResult, frozenset[bytes], bytes]:
    with world.house.state.read() as connection:
        job = job_of(connection, job_id)
    donations = [
        msgspec.json.decode(world.personal.vault.read(each), type=PersonalContribution)
        for each in job.donations
    ]
    judged = judge(
        job,
        donations,
        key=world.house.keyed("history_marks"),
        known=lambda _: set(),
        now_ms=world.house.now_ms(),
    )
    return judged.result, judged.marks, judged.spans


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(WindrowError) as refusal:
        work()
    return refusal.value.code


def test_a_result_is_taken_once(job_world: HistoryHouse) -> None:
    first, _ = jobs_of(job_world)
    result, marks, spans = result_of(job_world, first)
    token = seal(result, job_world.house.sign)
    accept_result(job_world.house, token, marks, spans, job_id=first)
    assert code_of(lambda: accept_result(job_world.house, token, marks, spans, job_id=first)) == "replayed"
    assert count(job_world, month_results) == 1


def test_a_result_of_another_job_nonce_target_or_signer_is_refused(job_world: HistoryHouse) -> None:
    house, (first, second) = job_world.house, jobs_of(job_world)
    result, marks, spans = result_of(job_world, first)
    token = seal(result, house.sign)
    assert code_of(lambda: accept_result(house, token, marks, spans, job_id=second)) != "replayed"
    for change in ({"nonce": "0" * 32}, {"target_sha256": "0" * 64}, {"job_id": second}):
        wrong = msgspec.structs.replace(result, **change)
        wrong_token = house.sign("person_month", first, msgspec.structs.asdict(wrong))
        assert (
            code_of(partial(accept_result, house, wrong_token, marks, spans, job_id=first)) == "wrong_target"
        )
    more = marks | {b"12345678"}
    assert code_of(lambda: accept_result(house, token, more, spans, job_id=first)) == "wrong_target"
    assert code_of(lambda: accept_result(house, token, marks, bytes(558), job_id=first)) == "wrong_target"
    for_else = house.sign("verdict", first, msgspec.structs.asdict(result))
    by_else = HistoryHouse(job_world.folder.parent / "else").house.sign(
        "person_month", first, msgspec.structs.asdict(result)
    )
    for forged in (for_else, by_else):
        with pytest.raises(WindrowError):
            accept_result(house, forged, marks, spans, job_id=first)
    assert code_of(lambda: accept_result(house, token, marks, spans, job_id="m" + "0" * 31)) == "not_found"
    assert count(job_world, month_results) == 0


def test_a_donation_that_is_not_what_its_id_says_is_no_part_of_a_month(job_world: HistoryHouse) -> None:
    first, _ = jobs_of(job_world)
    with job_world.house.state.read() as connection:
        job = job_of(connection, first)
    donations = [
        msgspec.json.decode(job_world.personal.vault.read(each), type=PersonalContribution)
        for each in job.donations
    ]
    swapped = [
        msgspec.structs.replace(
            each, records=[msgspec.structs.replace(r, url=r.url + "/x") for r in each.records]
        )
        for each in donations
    ]
    told = judge(job, swapped, key=bytes(32), known=lambda _: set(), now_ms=0).result
    assert (told.verdict, told.reason, told.items) == ("refused", "too_few_items", 0)
    twice = judge(job, donations * 2, key=bytes(32), known=lambda _: set(), now_ms=0).result
    once = judge(job, donations, key=bytes(32), known=lambda _: set(), now_ms=0).result
    assert twice.items == once.items


def test_a_crash_between_job_and_result_is_judged_again_under_the_same_nonce(job_world: HistoryHouse) -> None:
    before = jobs_of(job_world)
    assert run_person_months(job_world.house, job_world.personal.vault.read) == 2
    assert jobs_of(job_world) == before
    assert [each[0] for each in results(job_world)] == ["genuine", "genuine"]


def test_what_is_taken_back_between_job_and_result_does_not_count(job_world: HistoryHouse) -> None:
    with job_world.house.state.read() as connection:
        job = job_of(connection, jobs_of(job_world)[0])
        node_id = connection.execute(
            sa.select(personal_months.c.node_id).where(personal_months.c.contribution_id == job.donations[0])
        ).scalar_one()
    with job_world.house.state.write() as connection:
        job_world.personal.withdrawals._take_out(
            connection, node_id, list(job.donations), "withdrawn", "", ""
        )
    run_person_months(job_world.house, job_world.personal.vault.read)
    assert sorted(each[1] for each in results(job_world)) == ["person_month", "too_few_items"]
