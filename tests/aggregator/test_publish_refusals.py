"""What a recipe says counts: its price, its checks; and a mistake in one is named before anything is published."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from published_world import RECIPES, PublishedWorld, copied_recipes, open_world

import aggregator.publish as publish_room
from aggregator.publish import publish
from aggregator.publish.recipe import load_recipe, split_checks
from windrow_protocol.errors import WindrowError

PRICED = 'units_per_million_tokens = "100000"\nminimum_units = "10000"\n\n'


@pytest.fixture
def world(tmp_path: Path) -> PublishedWorld:
    return open_world(tmp_path / "home")


def test_a_failing_check_publishes_nothing_and_names_itself(world: PublishedWorld, tmp_path: Path) -> None:
    recipes = copied_recipes(
        tmp_path / "recipes",
        checks=(
            "-- check: no language",
            "-- check: only long texts\nSELECT id, length(text) AS chars FROM export\n"
            "WHERE length(text) < 3000;\n\n-- check: no language",
        ),
    )
    with pytest.raises(WindrowError, match="only long texts") as refusal:
        publish(world.house, recipes, "web_text")
    assert refusal.value.code == "checks_failed"
    assert '"chars":' in refusal.value.detail
    assert not list(world.house.home.glob("exports/*"))
    dry = publish(world.house, recipes, "web_text", dry_run=True)
    assert [failure.name for failure in dry.failures] == ["only long texts"]
    assert (dry.state, dry.path, dry.version) == ("dry_run", None, "0.1.0")
    assert not list(world.house.home.glob("exports/*"))


def test_no_recipe_can_leave_out_what_every_dataset_must_hold(world: PublishedWorld, tmp_path: Path) -> None:
    """A recipe that gives each row twice and asks of its rows nothing itself: nothing is published all the same."""
    twice = "FROM (SELECT * FROM accepted UNION ALL SELECT * FROM accepted)\nWHERE"
    recipes = copied_recipes(tmp_path / "recipes", build=("FROM accepted\nWHERE", twice))
    (recipes / "web_text" / "checks.sql").write_text("-- check: anything\nSELECT 1 WHERE false;\n")
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, recipes, "web_text")
    assert refusal.value.code == "checks_failed"
    assert {"ids are unique", "no text twice"} <= {
        failure.name for failure in publish(world.house, recipes, "web_text", dry_run=True).failures
    }


@pytest.mark.parametrize(
    ("stated", "instead", "check"),
    [
        ("\n    robots_state,", "CAST(NULL AS VARCHAR) AS robots_state,", "nothing that robots.txt denies"),
        ("\n    robots_state,", "'no_robots' AS robots_state,", "a row says of its fetch what the lake says"),
        ("\n    verdict,", "CAST(NULL AS VARCHAR) AS verdict,", "only what an audit accepted or nobody drew"),
        (
            "\n    verdict,",
            "CASE verdict WHEN 'accepted' THEN 'unaudited' ELSE 'accepted' END AS verdict,",
            "a row says of its fetch what the lake says",
        ),
        (
            "coalesce(optout_signals, []) AS optout_signals",
            "CAST(NULL AS VARCHAR[]) AS optout_signals",
            "nothing with an opt-out signal",
        ),
        (
            "\n    token_count,",
            "token_count * 2 AS token_count,",
            "a row says of its fetch what the lake says",
        ),
        (
            "text_sha256 AS content_sha256",
            "CAST(NULL AS VARCHAR) AS content_sha256",
            "every row has text, a language, a date and an owner",
        ),
    ],
)
def test_no_recipe_can_say_of_a_row_what_is_not_known_or_not_so(
    world: PublishedWorld, tmp_path: Path, stated: str, instead: str, check: str
) -> None:
    """SQL passes over what is NULL: a check has to be told that nothing known is not nothing wrong."""
    recipes = copied_recipes(tmp_path / "recipes", build=(stated, "\n    " + instead.strip()))
    (recipes / "web_text" / "checks.sql").write_text("-- check: anything\nSELECT 1 WHERE false;\n")
    dry = publish(world.house, recipes, "web_text", dry_run=True)
    assert dry.rows > 0
    assert check in {failure.name for failure in dry.failures}


def test_a_row_that_the_lake_does_not_hold_passes_no_check_of_what_the_lake_says() -> None:
    """All that it says of itself is fine, audits let its id through, and nothing is known of where it is from."""
    checks = split_checks(Path(publish_room.__path__[0], "must_hold.sql").read_text())
    engine = duckdb.connect()
    engine.execute("SET VARIABLE unaudited_vested = 0.5")
    engine.execute("CREATE TABLE sellable AS SELECT 'i' AS contribution_id, CAST(1 AS DOUBLE) AS vested")
    engine.execute(
        "CREATE TABLE export AS SELECT 'i' AS id, 'u' AS url, 'd' AS dup_cluster_id, 'text' AS text, 'en' AS language, "
        "sha256('text') AS content_sha256, 'unaudited' AS verdict, 'allowed' AS robots_state, "
        "CAST([] AS VARCHAR[]) AS optout_signals, CAST(NULL AS VARCHAR) AS consent_receipt_id, "
        "TIMESTAMP '2026-01-01' AS fetched_at, 1 AS token_count, 'w' AS contributor_pseudonym, 0 AS pii_redactions"
    )
    engine.execute(
        "CREATE TABLE lake AS SELECT id AS contribution_id, content_sha256 AS text_sha256, verdict, robots_state, "
        "optout_signals, token_count, epoch_ms(fetched_at) AS fetched_at_ms, true AS training_allowed, "
        "'' AS rights_reason FROM export"
    )

    def failing() -> set[str]:
        return {check.name for check in checks if engine.execute(check.sql).fetchall()}

    assert failing() == set()
    engine.execute("DELETE FROM lake")
    assert failing() == {
        "nothing that may not be used for training",
        "a row says of its fetch what the lake says",
    }
    engine.execute("DELETE FROM sellable")
    assert {
        "nothing of an audit epoch under way, nothing withdrawn",
        "what nobody audited has vested",
    } < failing()


PEOPLE_VIEWS = {
    "visits": "CREATE TABLE donated AS SELECT 'i' AS id, 'u' AS url, '2026-01' AS month, 'w' AS contributor_pseudonym",
    "interests": "CREATE TABLE donated AS SELECT 'i' AS id, 'search' AS kind, '2026-01' AS month, "
    "'w' AS contributor_pseudonym",
    "counts": "CREATE TABLE counted AS SELECT 'h' AS host, '2026-01' AS month, 9 AS people",
}


@pytest.mark.parametrize("kind", sorted(PEOPLE_VIEWS))
def test_nothing_about_people_passes_because_it_is_not_said(kind: str) -> None:
    """A row that has its id, its month and its host, and says nothing else."""
    checks = split_checks(Path(publish_room.__path__[0], f"must_hold_{kind}.sql").read_text())
    engine = duckdb.connect()
    engine.execute("SET VARIABLE people_min = 5")
    engine.execute(PEOPLE_VIEWS[kind])
    nulls = ", ".join(
        f"CAST(NULL AS VARCHAR) AS {name}"
        for name in ("url", "text", "kind", '"by"', "contributor_pseudonym")
    )
    engine.execute(
        f"CREATE TABLE export AS SELECT 'i' AS id, '2026-01' AS month, 'h' AS host, {nulls}, "
        "CAST(NULL AS INTEGER) AS people, CAST(NULL AS INTEGER) AS token_count, "
        "CAST(NULL AS VARCHAR) AS content_sha256"
    )
    passed = {check.name for check in checks if not engine.execute(check.sql).fetchall()}
    assert passed == {"ids are unique", "no time but the month"} & {check.name for check in checks}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"build": ("ORDER BY seq", "ORDER BY nothing")}, "build.sql"),
        ({"build": ("    language_score,\n", "")}, "language_score"),
        ({"build": ("FROM curated", "FROM read_parquet('/etc/hostname')")}, "build.sql"),
        ({"checks": ("-- check: ", "-- checks: ")}, "no line"),
        ({"checks": ("FROM export\nWHERE", "FROM exports\nWHERE")}, "no language less sure"),
        ({"checks": ("no language less sure than promised", "ids are unique")}, "ids are unique"),
        ({"recipe": ("[columns.optout_signals]", "[columns.signals]")}, "optout_signals"),
        ({"recipe": ("[price]", "[prise]")}, "recipe.toml"),
        ({"recipe": ('type = "float64"', 'type = "float"')}, "float"),
        ({"recipe": ("20000000000000000000", "20e18")}, "wei_per_million_tokens"),
        (
            {"recipe": ("[thresholds]", "[price.also.WIND]\n" + PRICED + "[thresholds]")},
            "WIND has its price",
        ),
        ({"card": ("{{ summary }}", "{{ sumary }}")}, "card.md"),
    ],
)
def test_a_mistake_in_a_recipe_is_named(
    world: PublishedWorld, tmp_path: Path, changes: dict[str, tuple[str, str]], said: str
) -> None:
    recipes = copied_recipes(tmp_path / "recipes", **changes)
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, recipes, "web_text")
    assert refusal.value.code == "bad_recipe"
    assert said in refusal.value.detail
    assert not list(world.house.home.glob("exports/*"))


@pytest.mark.parametrize("name", ["nothing_here", "../web_text", "Web", ""])
def test_an_unknown_dataset_is_refused(world: PublishedWorld, name: str) -> None:
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, RECIPES, name)
    assert refusal.value.code == "unknown_dataset"


async def test_an_empty_lake_is_refused_with_its_reason(tmp_path: Path) -> None:
    world = await PublishedWorld(tmp_path).open()
    with pytest.raises(WindrowError) as refusal:
        publish(world.house, RECIPES, "web_text")
    assert refusal.value.code == "nothing_to_publish"
    assert publish(world.house, RECIPES, "web_text", dry_run=True).rows == 0


def test_a_dataset_is_sold_for_what_its_recipe_states_a_price_in_and_nothing_is_converted(
    world: PublishedWorld, tmp_path: Path
) -> None:
    """No shipped recipe states a price in somebody else's token: that is the operator's to say."""
    for recipe in RECIPES.glob("*/recipe.toml"):
        assert load_recipe(RECIPES, recipe.parent.name).settings.price.also == {}
    assert publish(world.house, RECIPES, "web_text", dry_run=True).prices == {}
    stated = ("[thresholds]", "[price.also.USDC]\n" + PRICED + "[thresholds]")
    priced = copied_recipes(tmp_path / "recipes", recipe=stated)
    dry = publish(world.house, priced, "web_text", dry_run=True)
    assert dry.prices == {"USDC": str(max(10_000, dry.tokens * 100_000 // 1_000_000))}
    (tmp_path / "dearer").mkdir()
    dearer = copied_recipes(
        tmp_path / "dearer" / "recipes", recipe=("20000000000000000000", "90000000000000000000")
    )
    assert publish(world.house, dearer, "web_text", dry_run=True).prices == {}, (
        "a price in WIND says nothing of others"
    )
