"""Two languages on the dashboard's pages: every sentence, every template, every placeholder in both."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import pytest

from contributor_node.dashboard import (
    facts,
    give_pages,
    give_rows,
    money_pages,
    pages,
    state_words,
    tongue,
    wording,
)
from contributor_node.dashboard.german import OTHER_PAGES
from contributor_node.dashboard.give_german import COUNTED, GIVE_PAGES
from contributor_node.dashboard.limits_form import LIMITS
from contributor_node.dashboard.money_german import LEDGER, MONEY_PAGE
from contributor_node.dashboard.pages import NAV
from contributor_node.dashboard.tongue import GERMAN
from contributor_node.owner import budget
from extension_bridge.consent import LIMITS_OF_WITHDRAWAL
from extension_bridge.sources import RULES
from rewards import rates
from rewards.personal import statement
from windrow_protocol.errors import REASONS

FOLDER = Path(give_pages.__file__).parent


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def said() -> set[str]:
    """Every string that stands in a call of `say`, in the code as it is."""
    found = set()
    for path in (*FOLDER.glob("*.py"), FOLDER.parent / "bridge_host.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say" and len(node.args) == 2:
                for part in ast.walk(node.args[1]):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        found.add(part.value)
    return found


def test_what_is_said_is_said_in_german_too() -> None:
    tables = (
        give_pages.DAYS,
        give_pages.WAITS,
        give_pages._STATES,
        give_pages._MONTH_STATES,
        give_rows._SOURCES,
        facts.STAGES,
        state_words.OUTCOMES,
        state_words.PURPOSES,
        budget.SENTENCES,
        money_pages.HELD,
        money_pages.CAUSES,
    )
    words = said() | {words for table in tables for words in table.values()} | {words for _, words in NAV}
    words |= {*pages.COLUMNS, pages.NO_HOST, wording.NO_DATA}
    words |= {each for limit in LIMITS.values() for each in (limit.label, limit.hint)}
    words |= {each for name, _, why in money_pages.TILES for each in (name, why)}
    words |= {why for _, _, why in give_rows._KINDS.values()} | {give_rows.EARNS}
    assert words - GERMAN.keys() == set()
    assert {one for one, _, _ in give_rows._KINDS.values()} - COUNTED.keys() == set()
    assert give_rows._SOURCES.keys() == RULES.keys()


def test_every_reason_that_a_ledger_or_a_month_can_give_is_said_in_german() -> None:
    given = {each.sentence for each in REASONS.values() if each.http_status == 200} | {statement._WAITING}
    assert given | set(rates._CREDITS.values()) == LEDGER.keys()


def test_a_sentence_has_one_german_only() -> None:
    tables = (GIVE_PAGES, OTHER_PAGES, MONEY_PAGE, LEDGER)
    assert sum(map(len, tables)) == len(GERMAN)


def test_placeholders_are_the_same_in_both() -> None:
    assert {english for english, german in GERMAN.items() if fields(english) != fields(german)} == set()


@pytest.mark.parametrize("path", sorted((FOLDER / "pages" / "de").glob("*.html")), ids=lambda path: path.stem)
def test_templates_have_the_same_fields_and_controls(path: Path) -> None:
    english, german = (each.read_text(encoding="utf-8") for each in (path.parent.parent / path.name, path))
    assert fields(english) == fields(german)
    for mark in (
        "<form",
        "<input",
        "<button",
        "<label",
        "<select",
        'name="do" value="',
        "data-text=",
        "<svg",
        "id=",
    ):
        assert english.count(mark) == german.count(mark), mark


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5", "de"),
        ("en;q=0.1,de;q=0.2", "de"),
        ("de;q=x, *", "en"),
        ("den, deu", "en"),
        ("de;q=0", "en"),
    ],
)
def test_a_browser_s_wish_is_followed(accepted: str, language: str) -> None:
    assert tongue.language_of(accepted) == language


def test_numbers_days_and_months_are_written_as_the_language_has_them() -> None:
    assert tongue.count_of("de", 1234, "row") == "1.234 Zeilen"
    assert tongue.count_of("de", 1, "row") == "1 Zeile"
    assert tongue.amount("de", "≈ 1,234.5") == "≈ 1.234,5"
    assert tongue.amount("de", "less than 0.0001") == "weniger als 0,0001"
    assert (tongue.size("de", 1_500_000), tongue.day("de", 20_780)) == ("1,5 MB", "23.11.")
    assert tongue.month("de", 1_772_500_000_000) == "März 2026"
    assert tongue.moment("de", 1_772_500_000_000).split(",")[0].endswith("März 2026")


def test_the_limits_of_withdrawal_are_told_in_both_and_say_what_a_short_item_is_not_kept_from() -> None:
    assert "for a page or a short item it does not" in LIMITS_OF_WITHDRAWAL["en"]
    assert "bei einer Seite oder einem kurzen Eintrag nicht" in LIMITS_OF_WITHDRAWAL["de"]
