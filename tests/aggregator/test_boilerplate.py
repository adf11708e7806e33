"""Boilerplate of a host: what its pages repeat is marked, what one page says is not, and texts stay whole."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from aggregator_world import World
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from aggregator.dedup import Marked, drop_lines, mark_boilerplate, read_pages
from storage.tables.contributions import boilerplate, host_blocks, metadata
from windrow_protocol.content import normalise_text, words
from windrow_protocol.limits import HOST_BLOCKS_MAX, PAGE_LINES_MAX
from windrow_protocol.urls import host_key

ROOT = Path(__file__).resolve().parents[2]
MENU, FOOTER = "Home\nNews\nAbout us", "© Example, all rights reserved"


class Site:
    """A database, and pages marked in it in their order."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://")
        metadata.create_all(self.engine)

    def mark(self, *pages: tuple[str, str], are_new: bool = True) -> list[Marked]:
        with self.engine.begin() as connection:
            return mark_boilerplate(connection, read_pages(pages), [are_new] * len(pages))

    def saved(self) -> dict[str, bytes]:
        with self.engine.begin() as connection:
            return {row.host_key: row.blocks for row in connection.execute(sa.select(host_blocks))}


def page(number: int, host: str = "a.example") -> tuple[str, str]:
    own = f"What page {number} says by itself.\nIts second line, of {number}."
    return f"https://{host}/{number}", f"{MENU}\n\n{own}\n\n{FOOTER}"


def test_from_the_third_page_on_what_a_host_repeats_is_marked() -> None:
    found = Site().mark(*(page(number) for number in range(4)))
    assert found[:2] == [Marked([], [], 0)] * 2
    bytes_repeated = len((MENU.replace("\n", "") + FOOTER).encode())
    assert found[2:] == [Marked([1, 2, 3, 8], [1, 2, 3], bytes_repeated)] * 2
    assert drop_lines(page(3)[1], found[3].lines).strip() == page(3)[1].split("\n\n")[1]


def test_hosts_have_nothing_to_do_with_each_other() -> None:
    found = Site().mark(*(page(number, f"{number}.example") for number in range(5)))
    assert found == [Marked([], [], 0)] * 5
    odd = [(f"no URL {number}", page(number)[1]) for number in range(5)]
    assert Site().mark(*odd) == [Marked([], [], 0)] * 5, "and a page without one stops nothing"


def test_one_page_fetched_again_and_again_makes_no_boilerplate_of_its_article() -> None:
    """An attack, or a page that changes: neither the same URL nor copies under other URLs count."""
    site, (url, text) = Site(), page(1)
    for number in range(5):
        assert site.mark((url, f"{text}\nVersion {number}"))[0].lines == []
    for number in range(5):
        assert site.mark((f"{url}?copy={number}", text), are_new=False)[0].lines == []
    site.mark(page(2))
    (copy,) = site.mark((f"{url}?copy=9", text), are_new=False)
    assert copy.lines == [1, 2, 3, 8], "marked it is all the same"


def test_lines_are_compared_by_their_words() -> None:
    lines = [
        "Über uns: STRASSE!",
        "über uns, Straße",
        "uber uns - straße",
        "Über  uns. straẞe",
        "日本語 ",
        "日本 語",
    ]
    pages = [(f"https://a.example/{i}", normalise_text(line)) for i, line in enumerate(lines)]
    assert [bool(each.lines) for each in Site().mark(*pages)] == [False, False, False, True, False, False]
    rules = [(f"https://a.example/{i}", "---\n\n***") for i in range(4)]
    assert [each.lines for each in Site().mark(*rules)] == [[]] * 4, (
        "without words there is nothing to compare"
    )


PAGES = st.lists(
    st.tuples(st.integers(0, 6), st.lists(st.integers(0, 9), min_size=1, max_size=7), st.booleans()),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(PAGES, st.data())
def test_the_same_log_gives_the_same_marks_whatever_the_batching(
    log: list[tuple[int, list[int], bool]], data: st.DataObject
) -> None:
    texts = [(f"https://a.example/{url}", "\n".join(f"line {i}" for i in lines)) for url, lines, _ in log]
    are_new = [is_new for _, _, is_new in log]
    whole, cut = Site(), Site()
    with whole.engine.begin() as connection:
        expected = mark_boilerplate(connection, read_pages(texts), are_new)
    found: list[Marked] = []
    while len(found) < len(texts):
        end = len(found) + data.draw(st.integers(1, len(texts) - len(found)))
        with cut.engine.begin() as connection:
            pages = read_pages(texts[len(found) : end])
            found += mark_boilerplate(connection, pages, are_new[len(found) : end])
    assert found == expected
    assert cut.saved() == whole.saved()


def test_what_is_held_of_a_host_is_bounded_and_a_flood_does_not_wash_its_menu_away() -> None:
    site = Site()
    site.mark(*(page(number) for number in range(3)))
    for number in range(100, 140):
        flood = "\n\n".join(f"only here: {number} {line}" for line in range(PAGE_LINES_MAX * 4))
        site.mark((f"https://a.example/{number}", flood))
    (saved,) = site.saved().values()
    assert len(saved) <= HOST_BLOCKS_MAX * 20
    (found,) = site.mark(page(9))
    assert found.lines == [1, 2, 3, 8]


def test_of_a_long_page_its_beginning_and_end_are_looked_at() -> None:
    site = Site()
    for number in range(3):
        middle = "\n".join(f"{number} says {line}" for line in range(5_000))
        (found,) = site.mark((f"https://a.example/{number}", f"{MENU}\n{middle}\n{FOOTER}"))
    assert found.lines == [1, 2, 3, 5_004]


def test_a_recipe_drops_marked_lines_as_the_manual_says() -> None:
    (statement,) = re.findall(
        r"```sql\n(.+?)```",
        (ROOT / "docs" / "adr" / "0029-boilerplate-beside-the-text.md").read_text(),
        re.DOTALL,
    )
    found = Site().mark(*(page(number) for number in range(3)))
    engine = duckdb.connect()
    engine.execute("SET enable_external_access = false")
    engine.execute("CREATE TABLE lake (seq BIGINT, text VARCHAR, boilerplate_lines INTEGER[])")
    for number, each in enumerate(found):
        engine.execute("INSERT INTO lake VALUES (?, ?, ?)", [number, page(number)[1], each.lines])
    kept = [row[0] for row in engine.execute(statement).fetchall()]
    assert kept == [drop_lines(page(i)[1], each.lines) for i, each in enumerate(found)]
    assert [FOOTER in text for text in kept] == [True, True, False]


async def test_a_house_keeps_marks_beside_the_texts(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.seed(9)
    node = await world.node()
    texts, expected = {}, []
    pages_of: Counter[str] = Counter()
    for number in range(9):
        (lease,) = await world.take(node, 1)
        body = " ".join(f"w{number}_{i}" for i in range(90))
        texts[lease.url] = f"{MENU}\n\n{body}"
        await node.submit(world.doors.submissions, [node.contribution(lease, texts[lease.url])])
        await world.settle(texts)
        pages_of[host_key(lease.url)] += 1
        expected.append([1, 2, 3] if pages_of[host_key(lease.url)] > 2 else [])
    assert any(expected)
    with world.house.state.read() as connection:
        rows: list[Any] = list(connection.execute(sa.select(boilerplate).order_by(boilerplate.c.seq)))
    assert [json.loads(row.lines) for row in rows] == expected
    lake = str(world.house.home / "lake" / "**" / "*.parquet")
    found = duckdb.sql(f"SELECT boilerplate_lines FROM read_parquet('{lake}') ORDER BY seq").fetchall()
    assert [row[0] for row in found] == expected


def test_on_real_pages_what_is_marked_is_not_what_people_chose() -> None:
    """Whole visible text of pages of hosts with three or more, against the main text that people selected."""
    pq = pytest.importorskip("pyarrow.parquet")
    html2text = pytest.importorskip("resiliparse.extract.html2text")
    rows = pq.read_table(real_data("html_wcxb_a") / "pages.parquet").to_pylist()
    rows = [row for row in rows if row["url"] and row["expected_text"]]
    pages_of = Counter(host_key(row["url"]) for row in rows)
    rows = [row for row in rows if pages_of[host_key(row["url"])] >= 3]
    texts = [
        normalise_text(html2text.extract_plain_text(row["html"].decode("utf-8", "replace"), alt_texts=False))
        for row in rows
    ]
    found = Site().mark(*((row["url"], text) for row, text in zip(rows, texts, strict=True)))
    marked = wrong = 0
    for row, text, each in zip(rows, texts, found, strict=True):
        chosen = {tuple(words(line)) for line in row["expected_text"].split("\n")}
        lines = text.split("\n")
        for number in each.lines:
            said = tuple(words(lines[number - 1]))
            marked += len(said)
            wrong += len(said) * (said in chosen)
    assert len(rows) >= 50
    assert marked > 10_000
    assert wrong / marked <= 0.05
