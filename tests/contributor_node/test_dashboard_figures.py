"""What the dashboard adds up and says: rows followed across rotations, bytes per day, amounts and sizes in words."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from crawl_sites import wall_ms
from hypothesis import given

from contributor_node.dashboard.day_plot import day_plot
from contributor_node.dashboard.log_tail import DAY_MS, DaySums, DayTraffic, LogEvent, LogTail
from contributor_node.dashboard.markup import Markup, fill, joined, visible
from contributor_node.dashboard.state_words import row_words
from contributor_node.dashboard.tongue import exact
from contributor_node.dashboard.wording import Unit, bytes_text
from contributor_node.egress import line_log as line_log_module
from contributor_node.egress.line_log import LineLog, read_rows
from windrow_protocol.limits import DASHBOARD_LOG_ROWS_MAX, DASHBOARD_TAIL_BYTES_MAX


class Clock:
    """A clock that the test moves."""

    now_ms = 20_000 * DAY_MS

    def __call__(self) -> int:
        return self.now_ms


def fetch(log: LineLog, url: str, down: int = 100) -> None:
    log.done(log.sent(url=url, purpose="page", client="crawl"), status=200, bytes_up=10, bytes_down=down)


def test_the_tail_follows_the_log_across_its_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_log_module, "LINE_LOG_FILE_BYTES_MAX", 3_000)
    path = tmp_path / "line_log.ndjson"
    log, tail = LineLog(path, wall_ms), LogTail(path)
    seen: list[str] = []
    for n in range(60):
        fetch(log, f"http://x.example/{n}")
        seen = [row.url for row in tail.rows()]
        assert seen[0].endswith(f"/{n}")
    assert len(list(tmp_path.glob("line_log.0*"))) > 3
    assert seen == [f"http://x.example/{n}" for n in reversed(range(60))]
    assert all(row.event == "done" and row.bytes_down == 100 for row in tail.rows())


def test_the_tail_is_bounded_and_skips_what_it_never_saw(tmp_path: Path) -> None:
    path = tmp_path / "line_log.ndjson"
    tail = LogTail(path)
    assert tail.rows() == [], "no log yet"
    log = LineLog(path, wall_ms)
    for n in range(3_000):
        fetch(log, f"http://x.example/{n}")
    assert path.stat().st_size > 2 * DASHBOARD_TAIL_BYTES_MAX
    rows = tail.rows()
    assert len(rows) == DASHBOARD_LOG_ROWS_MAX
    assert rows[0].url.endswith("/2999")
    with path.open("ab") as file:
        file.write(b'{"event":"se')
    before = tail.version
    assert len(tail.rows()) == DASHBOARD_LOG_ROWS_MAX
    assert tail.version == before, "half a row is no row"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9)), max_size=40), st.integers(1, 40))
def test_days_add_up_to_the_log_however_often_they_are_looked_at(
    tmp_path_factory: pytest.TempPathFactory, fetches: list[tuple[int, int]], every: int
) -> None:
    path = tmp_path_factory.mktemp("days") / "line_log.ndjson"
    clock = Clock()
    log, sums, wanted = LineLog(path, clock), DaySums(path), dict[int, int]()
    for place, (days_later, down) in enumerate(fetches):
        clock.now_ms += days_later * DAY_MS
        fetch(log, "http://x.example/", down)
        day = clock.now_ms // DAY_MS
        wanted[day] = wanted.get(day, 0) + down
        if place % every == 0:
            sums.of_days(0, 10**6)
    found = sums.of_days(0, 10**6)
    assert {day: traffic.bytes_down for day, traffic in found.items()} == wanted
    assert sum(traffic.requests for traffic in found.values()) == len(list(read_rows(path)))


def test_a_row_without_an_end_is_no_traffic_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "line_log.ndjson"
    log = LineLog(path, wall_ms)
    log.sent(url="http://x.example/", purpose="page", client="crawl")
    assert DaySums(path).of_days(0, 10**6) == {}
    (row,) = LogTail(path).rows()
    assert row_words(row, wall_ms()).answer == "under way"
    assert row_words(row, wall_ms() + 10**6).answer == "end not seen"


@given(st.integers(-(10**40), 10**40), st.sampled_from([18, 6, 2, 0]))
def test_an_amount_is_exact_and_its_short_form_is_never_more(amount: int, digits: int) -> None:
    """In 18 decimals as in the 6 of USDC, or in none."""
    unit, cut = Unit("USDC", digits), 10 ** max(0, digits - 4)

    def units(text: str) -> int:
        whole, _, decimals = text.replace(",", "").replace("−", "-").partition(".")
        return int(whole + decimals.ljust(digits, "0"))

    assert units(unit.bare(amount)) == amount
    if abs(amount) >= cut:
        assert 0 <= abs(amount) - abs(units(unit.about(amount).removeprefix("≈\xa0"))) < cut


def test_amounts_and_sizes_read_well() -> None:
    assert [bytes_text(n) for n in (0, 999, 1_000, 1_549, 999_949, 999_951, 10**9, 10**15)] == [
        *("0 B", "999 B", "1 kB", "1.5 kB", "999.9 kB", "1 MB", "1 GB", "1000 TB")
    ]
    assert [Unit().about(n) for n in (0, 1, 10**18, 1234567 * 10**12)] == [
        *("0", "less than 0.0001", "1", "≈\xa01.2345")
    ]
    assert [Unit("USDC", 6).about(n) for n in (0, 1, 250_000, 1_234_567)] == [
        *("0", "less than 0.0001", "0.25", "≈\xa01.2345")
    ]
    assert exact("en", Unit("USDC", 6), 1_234_567) == "1.234567 USDC"
    assert exact("en", Unit("USDC", None), 1_234_567) == "1,234,567 of the smallest unit of USDC"


@given(st.text(max_size=60))
def test_nothing_filled_in_becomes_markup(text: str) -> None:
    filled = fill('<p title="{text}">{text}</p>', text=text)
    inner = filled.removeprefix('<p title="').removesuffix("</p>")
    assert "<" not in inner
    assert inner.count(">") == 1
    assert inner.count('"') == 1
    assert joined([filled, Markup("<br>")]) == filled + "<br>"


@given(st.text(max_size=60))
def test_what_is_shown_can_be_seen(text: str) -> None:
    assert visible(text).isprintable()


def test_a_plot_without_traffic_and_one_at_its_cap_can_be_drawn() -> None:
    none = [(day, DayTraffic(0, 0, 0)) for day in range(30)]
    assert "NaN" not in day_plot(none, 10**9).svg
    assert not day_plot(none, 10**9).shows_cap
    full = day_plot([(0, DayTraffic(1, 5 * 10**8, 5 * 10**8))], 10**9)
    assert full.shows_cap
    assert full.top_bytes == 10**9
    assert 'y1="0.00"' in full.svg
    assert day_plot(none, 0).svg


def test_a_code_that_nobody_knows_is_shown_as_it_is() -> None:
    event = LogEvent("refused", at_ms=wall_ms(), url="http://x.example/", purpose="page", error="brand_new")
    assert row_words(event, wall_ms()).answer == "not sent: brand new"
    assert json.dumps(row_words(event, wall_ms()))
