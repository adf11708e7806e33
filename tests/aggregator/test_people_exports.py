"""Exports about people: nobody is named, joined, singled out or sold after they took it back, and everybody is paid."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from history_world import BEGIN_MS, HistoryHouse, month, payout_of
from published_world import RECIPES

from aggregator.personal import Personal
from aggregator.publish import people_rows, private_counts, retiring
from aggregator.publish.export import Export, export_folder, publish
from aggregator.publish.private_counts import answer, monthly_counts, noisy
from aggregator.publish.retiring import retire
from marketplace.catalogue import Catalogue
from marketplace.export_checks import ExportChecks
from marketplace.questions import NotChecked
from rewards.history_doubts import Moment
from rewards.ledger import balances
from rewards.ledger_checks import verify_ledger
from rewards.royalties import run_royalties
from storage.person_month_tables import export_donations, month_jobs, privacy_answers, privacy_spends
from storage.tables import exports, sales
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PRIVACY_EPSILON_MICRO_MAX, PRIVACY_HOSTS_MAX

PEOPLE = 6
SECRET = "https://only.example/of-one-person"
SHARED = [f"https://news.example/story{i}" for i in range(3)]
EPSILON_MICRO = 500_000


def with_shared(number: int) -> list[Moment]:
    """A person's month in which they read what all others read too, and one page that nobody else reads."""
    moments = month(number)
    places = [len(moments) // 4, len(moments) // 2, 3 * len(moments) // 4]
    shared = [
        replace(moments[at], at_ms=moments[at].at_ms + 7, url=url)
        for at, url in zip(places, SHARED, strict=True)
    ]
    alone = replace(
        moments[9], at_ms=moments[9].at_ms + 5, url=f"{SECRET}{number}"[:-1] + "abcdefghij"[number]
    )
    return [*moments, *shared, alone]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which six people gave a month; tests work on copies."""
    folder = tmp_path_factory.mktemp("given") / "house"
    world = HistoryHouse(folder)
    for number in range(1, PEOPLE + 1):
        world.give(world.join(number), with_shared(number), title="A story")
    world.days_pass(2)
    with world.house.state.write() as connection:
        connection.execute(sa.text("SELECT 1"))
    world.house.state.forget_bytes()
    (folder / "key").write_bytes(world.house.key.private_bytes_raw())
    (folder / "now").write_text(str(world.clock.at_ms))
    return folder


@pytest.fixture
def world(given: Path, tmp_path: Path) -> HistoryHouse:
    shutil.copytree(given, tmp_path / "house")
    return HistoryHouse.reopened(tmp_path / "house")


def published(world: HistoryHouse, dataset: str = "opt_in_browsing", recipes: Path = RECIPES) -> Export:
    return publish(world.house, recipes, dataset, read=world.personal.vault.read)


def rows_of(export: Export) -> list[dict[str, Any]]:
    assert export.path
    return pq.read_table(export.path / "data").to_pylist()


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def columns_in(folder: Path) -> set[str]:
    """Return every value of every Parquet file of an export, as text."""
    tables = [pq.read_table(path) for path in folder.rglob("*.parquet")]
    return {str(value) for table in tables for column in table.columns for value in column.to_pylist()}


def recipes_with(tmp_path: Path, dataset: str, file: str, old: str, new: str) -> Path:
    """Return the shipped recipes with something changed in one of them."""
    shutil.copytree(RECIPES, tmp_path / "recipes")
    path = tmp_path / "recipes" / dataset / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return tmp_path / "recipes"


# --- nobody is named


def test_only_what_enough_people_gave_is_sold_and_what_one_alone_gave_is_not(world: HistoryHouse) -> None:
    export = published(world)
    rows = rows_of(export)
    assert {row["url"] for row in rows} >= set(SHARED)
    assert not any(row["url"].startswith(SECRET) for row in rows)
    for url in SHARED:
        assert len({row["contributor_pseudonym"] for row in rows if row["url"] == url}) == PEOPLE
    assert export.path
    assert SECRET.encode() not in everything_in(export.path)


def test_no_file_of_an_export_names_a_node_a_wallet_a_donation_or_a_time(world: HistoryHouse) -> None:
    export = published(world)
    assert export.path
    values = columns_in(export.path)
    with world.house.state.read() as connection:
        nodes = set(connection.execute(sa.text("SELECT node_id FROM nodes")).scalars())
        donations = set(connection.execute(sa.text("SELECT contribution_id FROM consents")).scalars())
        jobs = set(connection.execute(sa.select(month_jobs.c.job_id)).scalars())
    names = nodes | donations | jobs | {payout_of(number) for number in range(1, PEOPLE + 1)}
    assert values.isdisjoint(names)
    text = everything_in(export.path)
    assert not any(name.encode() in text for name in names)
    assert not any(str(BEGIN_MS)[:6] in value and value.isdigit() for value in values)


def test_two_exports_cannot_be_joined_on_their_contributors(world: HistoryHouse, tmp_path: Path) -> None:
    shutil.copytree(RECIPES, tmp_path / "recipes")
    shutil.copytree(RECIPES / "opt_in_browsing", tmp_path / "recipes" / "opt_in_other")
    one, other = (
        published(world, name, tmp_path / "recipes") for name in ("opt_in_browsing", "opt_in_other")
    )
    assert one.path
    assert other.path
    a, b = rows_of(one), rows_of(other)
    assert sorted((row["url"], row["month"]) for row in a) == sorted((row["url"], row["month"]) for row in b)
    for column in ("id", "contributor_pseudonym"):
        assert {row[column] for row in a}.isdisjoint({row[column] for row in b})
    common = {value for value in columns_in(one.path) & columns_in(other.path) if len(value) > 16}
    pseudonyms = {row["contributor_pseudonym"] for row in (*a, *b)} | {row["id"] for row in (*a, *b)}
    assert common.isdisjoint(pseudonyms)
    assert [row["url"] for row in a] != [row["url"] for row in b], "nor on the order of the rows"


def test_pseudonyms_of_one_dataset_stay_what_they_are(world: HistoryHouse) -> None:
    first = {row["contributor_pseudonym"] for row in rows_of(published(world))}
    again = published(world)
    assert again.state == "unchanged"
    node = world.join(40)
    world.give(node, with_shared(7), title="A story")
    world.days_pass(2)
    assert first < {row["contributor_pseudonym"] for row in rows_of(published(world))}


def test_a_recipe_that_forgets_the_group_is_stopped_and_told_which(
    world: HistoryHouse, tmp_path: Path
) -> None:
    recipes = recipes_with(tmp_path, "opt_in_browsing", "build.sql", ">= getvariable('people_min')", ">= 1")
    with pytest.raises(WindrowError) as refusal:
        published(world, recipes=recipes)
    assert refusal.value.code == "checks_failed"
    assert "every group has enough people" in refusal.value.detail
    assert '"people":1' in refusal.value.detail
    assert '"url":"https://' in refusal.value.detail


@pytest.mark.parametrize(
    ("old", "new"), [("people_min = 5", "people_min = 4"), ('of = "visits"', 'of = "all"')]
)
def test_a_recipe_may_not_ask_for_fewer_people(
    world: HistoryHouse, tmp_path: Path, old: str, new: str
) -> None:
    recipes = recipes_with(tmp_path, "opt_in_browsing", "recipe.toml", old, new)
    with pytest.raises(WindrowError) as refusal:
        published(world, recipes=recipes)
    assert refusal.value.code == "bad_recipe"


def test_a_month_that_was_not_judged_genuine_is_not_sold(world: HistoryHouse) -> None:
    node = world.join(50)
    copied = [replace(each, at_ms=each.at_ms + 60_000) for each in with_shared(1)]
    world.give(node, copied[::2] + copied[1::2], title="Another title")
    world.days_pass(2)
    assert len({row["contributor_pseudonym"] for row in rows_of(published(world))}) == PEOPLE


def test_the_offline_check_passes_and_says_what_it_could_not_check(world: HistoryHouse) -> None:
    export = published(world)
    assert export.path
    checks = ExportChecks(export.path, world.house.coordinator_id, world.house.network, world.clock.at_ms)
    told = {}
    for name, ask in checks.questions():
        try:
            told[name] = ask()
        except NotChecked:
            told[name] = "not checked"
    assert [name for name, said in told.items() if said == "not checked"] == [
        "receipts",
        "verdicts",
        "opt-outs",
        "shares",
    ]


# --- taking back, from the donation to the sold version


def give_back(world: HistoryHouse, number: int) -> None:
    node = world.node(number)
    with world.house.state.read() as connection:
        mine = sa.text("SELECT contribution_id FROM personal_bodies WHERE node_id = :node")
        ids = list(connection.execute(mine, {"node": node.node_id}).scalars())
    world.take_back(node, ids)


def test_what_is_taken_back_leaves_the_next_version_and_stands_in_removed_ids(world: HistoryHouse) -> None:
    first = published(world)
    assert first.path
    before = rows_of(first)
    pseudonyms = {row["contributor_pseudonym"] for row in before}
    with world.house.state.read() as connection:
        behind = {row.row_id: row.contribution_id for row in connection.execute(sa.select(export_donations))}
    give_back(world, 1)
    mine = {
        row_id
        for row_id, contribution_id in behind.items()
        if contribution_id in world.personal.withdrawals.removals()["ids"]
    }
    assert mine
    second = published(world)
    assert second.path
    assert second.version != first.version
    after = rows_of(second)
    assert not mine & {row["id"] for row in after}
    assert len({row["contributor_pseudonym"] for row in after}) == len(pseudonyms) - 1
    removed = json.loads((second.path / "removed_ids.json").read_bytes())
    assert set(removed["ids"]) == mine & {row["id"] for row in before}
    assert mine <= {row["id"] for row in before}


def test_a_version_that_holds_it_is_given_out_no_more_and_no_row_of_it_is_left(world: HistoryHouse) -> None:
    first = published(world)
    assert first.path
    titles = everything_in(first.path / "data")
    assert titles
    export_id = first.export_id
    assert Catalogue(world.house).offer_of(export_id)
    give_back(world, 1)
    with pytest.raises(WindrowError) as refusal:
        Catalogue(world.house).offer_of(export_id)
    assert refusal.value.code == "version_retired"
    assert not list(first.path.rglob("*.parquet")) or [p.name for p in first.path.rglob("*.parquet")] == [
        "shares.parquet"
    ]
    with pytest.raises(WindrowError) as waiting:
        Catalogue(world.house).delivered_for(export_id)
    assert waiting.value.code == "version_retired"
    second = published(world)
    given = Catalogue(world.house).delivered_for(export_id)
    assert given.manifest.version == second.version, "who bought it gets its successor"
    assert [offer.manifest.version for offer in Catalogue(world.house).versions("opt_in_browsing")] == [
        second.version
    ]


def test_a_crash_between_mark_and_deletion_is_finished_at_the_next_start(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = published(world)
    assert export.path

    def cut(*_: object) -> Path:
        raise OSError("cut")

    monkeypatch.setattr(retiring, "export_folder", cut)
    with pytest.raises(OSError, match="cut"):
        give_back(world, 1)
    monkeypatch.undo()
    with pytest.raises(WindrowError):
        Catalogue(world.house).offer_of(export.export_id)
    assert (export.path / "data").exists()
    Personal(world.house, world.segments)
    assert not (export.path / "data").exists()
    assert retire(world.house) == []


def test_what_is_taken_back_while_an_export_is_built_stops_it(
    world: HistoryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = people_rows.build_data

    def built_then_taken_back(*arguments: Any) -> Any:
        built = build(*arguments)
        give_back(world, 1)
        return built

    monkeypatch.setattr(people_rows, "build_data", built_then_taken_back)
    with pytest.raises(WindrowError) as refusal:
        published(world)
    assert refusal.value.code == "withdrawn"
    monkeypatch.undo()
    with world.house.state.read() as connection:
        assert connection.execute(sa.select(exports)).all() == []
    assert len({row["contributor_pseudonym"] for row in rows_of(published(world))}) == PEOPLE - 1


def test_a_sale_pays_the_months_of_exactly_the_rows_sold(world: HistoryHouse) -> None:
    give_back(world, 6)
    export = published(world)
    royalties = 700 * 10**18
    with world.house.state.write() as connection:
        connection.execute(
            sa.insert(sales).values(
                sale_id="s" + "1" * 31,
                dataset=export.dataset,
                version=export.version,
                export_id=export.export_id,
                buyer=payout_of(900),
                asset="WIND",
                price=10**21,
                royalties=royalties,
                fees=10**21 - royalties,
                tx_hash="0x1",
                block=1,
                sold_at_ms=world.clock.at_ms,
            )
        )
    run_royalties(world.house)
    with world.house.state.read() as connection:
        assert verify_ledger(connection) == []
        folded = balances(connection)
    held = {name: amount for name, amount in folded.items() if name.startswith("held:")}
    assert held == {f"held:{payout_of(number)}": royalties // 200 for number in range(1, PEOPLE)}
    assert folded["personal"] == royalties - 5 * (royalties // 200)


# --- counts


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
    assert export_folder(world.house, export.dataset, export.version).exists()
    assert isinstance(pq.read_table(export.path / "data"), pa.Table)
