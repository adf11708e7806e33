"""What a page says of itself: title, authors, day; from JSON-LD, meta elements, marks, lines below the heading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from contributor_node.coordinator.submission import submission_for
from contributor_node.crawling.wire import CrawlResult
from contributor_node.extraction.main_text import extract
from contributor_node.extraction.page_facts import PageFacts, page_facts
from windrow_protocol.limits import AUTHOR_CHARS_MAX, AUTHORS_MAX, TITLE_CHARS_MAX
from windrow_protocol.messages import Contribution, Outcome


def of(body: str, head: str = "", url: str = "http://a.example/hay") -> PageFacts:
    return page_facts(HTMLTree.parse(f"<html><head>{head}</head><body>{body}</body></html>"), url)


def linked(said: str) -> str:
    return f'<script type="application/ld+json">{said}</script>'


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("<title>Rows of hay | The Meadow</title>", "<h1>Rows  of hay</h1>", "Rows of hay"),
        ("<title>The Meadow: Rows of hay</title>", "<h1>Rows of hay</h1>", "Rows of hay"),
        ("<title>Rows - a study</title>", "<h1>Something else</h1>", "Rows - a study"),
        ('<meta property="og:site_name" content="The Meadow"><title>Rows – The Meadow</title>', "", "Rows"),
        ('<meta property="og:title" content="Rows &amp; heaps"><title>x</title>', "", "Rows & heaps"),
        (linked('{"@type":"NewsArticle","headline":"Rows"}'), "", "Rows"),
        ("", "<h1>Rows</h1>", ""),
    ],
)
def test_a_title_is_without_the_name_of_its_site(head: str, body: str, title: str) -> None:
    assert of(body, head).title == title


@pytest.mark.parametrize(
    ("head", "body", "authors"),
    [
        (linked('{"@graph":[{"@type":"BlogPosting","author":[{"name":"Ann"},"Ben Rake"]}]}'), "", ("Ann", "Ben Rake")),
        (linked('{"@type":"Organization","author":"Nobody"}'), "", ()),
        ('<meta name="author" content="By Ann Mower">', "", ("Ann Mower",)),
        ('<meta property="article:author" content="https://social.example/ann">', "", ()),
        ("", '<p>von <a rel="author" href="/ann">Ann Mower</a></p>', ("Ann Mower",)),
        ("", '<p class="byline">Written by Ann Mower</p>', ("Ann Mower",)),
        ('<meta name="author" content="admin">', "", ()),
    ],
)  # fmt: skip
def test_authors_are_names(head: str, body: str, authors: tuple[str, ...]) -> None:
    assert of(body, head).authors == authors


@pytest.mark.parametrize(
    ("head", "body", "url", "day"),
    [
        (linked('{"@type":"Article","datePublished":"2024-05-17T08:00:00+02:00"}'), "", "", "2024-05-17"),
        ('<meta property="article:published_time" content="2024-05-17">', "", "", "2024-05-17"),
        ('<meta name="citation_publication_date" content="2024/5/7">', "", "", "2024-05-07"),
        ("", '<time datetime="2024-05-17">yesterday</time>', "", "2024-05-17"),
        ("", "", "http://a.example/2024/05/17/hay", "2024-05-17"),
        ('<script>{"post_date":"2024-05-17T10:00"}</script>', "", "", "2024-05-17"),
        ("", '<span class="entry-date">17. Mai 2024</span>', "", "2024-05-17"),
        ("", "<p>2019-01-01</p><h1>Hay</h1>\n<p>May 17, 2024</p>", "", "2024-05-17"),
        ("", "<h1>Hay</h1><p>le 3 août 2021</p>", "", "2021-08-03"),
        ("", "<h1>Hay</h1><p>17.05.2024, 10:00</p>", "", "2024-05-17"),
        ("", "<h1>Hay</h1><p>2024年5月17日</p>", "", "2024-05-17"),
        ("", "<h1>Hay</h1><p>Room 17.05.20245, 31.02.2024, 5/6/2024, 17 rows 2024</p>", "", ""),
        ('<meta name="date" content="0001-01-01">', "", "", ""),
    ],
)
def test_the_day_is_the_one_the_page_says(head: str, body: str, url: str, day: str) -> None:
    assert of(body, head, url).published == day


@pytest.mark.parametrize(
    "said", ["{", "[" * 50_000, '{"@graph":' * 5_000, '{"@type":{"a":[1]},"author":7}', "null"]
)
def test_broken_descriptions_are_passed_over(said: str) -> None:
    assert of("<h1>Hay</h1>", linked(said)) == PageFacts("", (), "")


@given(st.text(max_size=300), st.text(max_size=300))
def test_whatever_a_page_says_stays_within_its_limits(said: str, other: str) -> None:
    head = f"<title>{said}</title><meta name=author content='{said}'><meta name=date content='{other}'>"
    facts = of(f"<h1>{said}</h1><p class=date>{other}</p><p class=author>{other}</p>" * 3, head, other)
    assert len(facts.title) <= TITLE_CHARS_MAX
    assert len(facts.authors) <= AUTHORS_MAX
    assert all(0 < len(name) <= AUTHOR_CHARS_MAX for name in facts.authors)


@pytest.mark.parametrize(("said", "kept"), [("2024-05-17", True), ("2031-01-01", False)])
def test_what_a_page_says_of_itself_is_handed_in(said: str, kept: bool) -> None:
    page = f'<meta name="author" content="Ann Mower"><meta name="date" content="{said}"><p>Mown grass is raked.</p>'
    found = extract(page.encode(), "text/html")
    result = CrawlResult(
        lease_id="l" + "0" * 31,
        url="http://a.example/",
        final_url="http://a.example/",
        outcome=Outcome.FETCHED,
        fetched_at_ms=1_780_000_000_000,
        http_status=200,
        text=found.text,
        authors=list(found.authors),
        published=found.published,
    )
    record = submission_for(result, "0" * 64)
    assert isinstance(record, Contribution)
    assert record.authors == ["Ann Mower"]
    assert (record.published == said) is kept
