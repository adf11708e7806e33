"""Counts of people by host and month: nearly right for many, silent about one, and within each person's budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from history_world import HistoryHouse
from people_world import (
    EPSILON_MICRO,
    PEOPLE,
    everything_in,
    give_back,
    published,
    rows_of,
    world_from,
)

from aggregator.publish import private_counts
from aggregator.publish.private_counts import answer, monthly_counts, noisy
from storage.tables.person_months import privacy_answers, privacy_spends
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PRIVACY_EPSILON_MICRO_MAX, PRIVACY_HOSTS_MAX


@pytest.fixture
def world(people_home: Path, tmp_path: Path) -> HistoryHouse:
    return world_from(people_home, tmp_path / "house")


def crowd(people: int, hosts: int = 3) -> dict[str, set[str]]:
    return {f"person{i}": {f"host{host}.example" for host in range(hosts)} for i in range(people)}


def spent(world: HistoryHouse) -> int:
    with world.house.state.read() as connection:
        return sum(connection.execute(sa.select(privacy_spends.c.epsilon_micro)).scalars())


def test_big_groups_are_counted_nearly_right_and_single_people_are_never_named() -> None:
    exact = {"big.example": 50_000, **{f"own{i}.example": 1 for i in range(200)}}
    told = noisy(exact, epsilon=0.5)
    assert set(told) == {"big.example"}
    assert abs(told["big.example"] - 50_000) < 5_000


def test_the_same_question_has_the_same_answer_and_costs_nothing_again(world: HistoryHouse) -> None:
    months = {"2026-03": crowd(3_000)}
    first = monthly_counts(world.house, months, epsilon_micro=EPSILON_MICRO)
    cost = spent(world)
    assert cost == 3_000 * EPSILON_MICRO
    assert first.num_rows == 3
    for _ in range(5):
        assert monthly_counts(world.house, months, epsilon_micro=EPSILON_MICRO) == first
    assert spent(world) == cost


def test_whoever_has_spent_their_budget_is_left_out_of_every_further_answer(world: HistoryHouse) -> None:
    asked, seen = crowd(50), []

    def watch(counts: Any) -> dict[str, int]:
        seen.append(dict(counts))
        return {}

    for turn in range(12):
        answer(
            world.house,
            f"2026-{turn + 1:02}",
            asked,
            epsilon_micro=EPSILON_MICRO,
            noise=watch,
        )
    assert len(seen) == PRIVACY_EPSILON_MICRO_MAX // EPSILON_MICRO
    with world.house.state.read() as connection:
        total = sa.func.sum(privacy_spends.c.epsilon_micro)
        by_person = (
            connection.execute(sa.select(total).group_by(privacy_spends.c.person_mark)).scalars().all()
        )
    assert set(by_person) == {PRIVACY_EPSILON_MICRO_MAX}
    later = {**asked, "new": {"host0.example"}}
    answer(world.house, "2027-01", later, epsilon_micro=EPSILON_MICRO, noise=watch)
    assert seen[-1] == {"host0.example": 1}, "only who has budget is counted"


def test_a_crash_after_the_spend_loses_budget_and_no_privacy(world: HistoryHouse) -> None:
    def cut(_: Any) -> dict[str, int]:
        assert spent(world) == 20 * EPSILON_MICRO, "it stands on the disk before any noise is drawn"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(world.house, "2026-03", crowd(20), epsilon_micro=EPSILON_MICRO, noise=cut)
    reopened = HistoryHouse.reopened(world.folder)
    assert spent(reopened) == 20 * EPSILON_MICRO
    answer(reopened.house, "2026-03", crowd(20), epsilon_micro=EPSILON_MICRO, noise=lambda _: {})
    assert spent(reopened) == 2 * 20 * EPSILON_MICRO, "the second try is paid for again"


def test_no_answer_is_free(world: HistoryHouse) -> None:
    with pytest.raises(ValueError, match="costs"):
        answer(world.house, "2026-03", crowd(3), epsilon_micro=0, noise=lambda _: {})
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(privacy_answers)).all() == []


def test_one_person_counts_on_few_hosts_however_many_they_visit(world: HistoryHouse) -> None:
    seen: list[dict[str, int]] = []

    def watch(counts: Any) -> dict[str, int]:
        seen.append(dict(counts))
        return {}

    answer(world.house, "2026-03", crowd(1, hosts=500), epsilon_micro=EPSILON_MICRO, noise=watch)
    assert sum(seen[0].values()) == PRIVACY_HOSTS_MAX


def test_the_differencing_attack_learns_nothing_worth_having() -> None:
    """Ask about everybody, then about everybody but one, and subtract (Denning 1979; Dwork and Roth 2014, 1.1).

    Without noise the difference is the person. With it the best guess from one host is right in at most
    e^0.5 / (1 + e^0.5) = 62 % of the cases; 600 tries stay below 72 % but for one run in a million.
    """
    tries, others = 300, 20_000

    def guesses_right(count: Any, is_there: bool) -> bool:
        with_target, without = count(others + is_there), count(others)
        return bool((with_target - without > 0.5) == is_there)

    def by_noise(people: int) -> int:
        return noisy({"clinic.example": people}, epsilon=0.5)["clinic.example"]

    exact = sum(guesses_right(lambda n: n, bool(i % 2)) for i in range(2 * tries))
    private = sum(guesses_right(by_noise, bool(i % 2)) for i in range(2 * tries))
    assert exact == 2 * tries, "the attack works where nothing is done against it"
    assert private < 0.72 * 2 * tries


def test_whoever_leaves_cannot_be_told_by_the_host_that_only_they_visited() -> None:
    for _ in range(200):
        assert "clinic.example" not in noisy({"big.example": 9_000, "clinic.example": 1}, epsilon=0.5)


def test_monthly_counts_are_published_from_what_was_given_under_the_budget(
    world: HistoryHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WindrowError) as refusal:
        published(world, "opt_in_browsing_monthly")
    assert refusal.value.code == "nothing_to_publish", "six people are too few for any number"
    cost = spent(world)
    assert cost == PEOPLE * EPSILON_MICRO

    def many(counts: Any, epsilon: float) -> dict[str, int]:
        assert epsilon == EPSILON_MICRO / 1_000_000
        return {host: people * 1_000 for host, people in counts.items()}

    with world.house.state.write() as connection:
        connection.execute(sa.delete(privacy_answers))
    monkeypatch.setattr(private_counts, "noisy", many)
    export = published(world, "opt_in_browsing_monthly")
    assert export.path
    rows = rows_of(export)
    assert sum(row["people"] for row in rows) == PEOPLE * PRIVACY_HOSTS_MAX * 1_000
    assert spent(world) == 2 * cost
    before = everything_in(export.path / "data")
    assert published(world, "opt_in_browsing_monthly").state == "unchanged"
    give_back(world, 1)
    assert everything_in(export.path / "data") == before, "a count of many says nothing of who left"
    assert export.path.is_dir()
    assert isinstance(pq.read_table(export.path / "data"), pa.Table)
