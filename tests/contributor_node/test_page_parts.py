"""Parts of a page that are no main content: cut, bounded, and only cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from contributor_node.extraction.main_text import extract_markup, written_out
from contributor_node.extraction.page_parts import TAGS_MAX, Parts, parts_of, plain_lines
from contributor_node.extraction.part_score import (
    features,
    may_go,
    note_names,
    said_first,
    weights,
    without_parts,
)
from contributor_node.extraction.part_words import meaning_of

WORDS = "Mown grass is raked together to dry before the rain comes. " * 8
STORY = f'<article class="story"><h1>Rows</h1><p>{WORDS}</p><p>{WORDS}</p><p>{WORDS}</p></article>'
ARTICLE = '<meta property="og:type" content="article">'
AFTER = {
    "related": '<section class="related-posts"><h3>Read on</h3><ul><li><a href="/a">Baling <img src="a"></a></li>'
    '<li><a href="/b">Stacking <img src="b"></a></li></ul></section>',
    "author": '<div class="author-box"><h4>A. Mower</h4><p>Writes about meadows. <a href="/m">More</a></p></div>',
    "newsletter": '<div class="newsletter-signup"><p>Our letter</p><form><input><button>Go</button></form></div>',
    "footer": '<div class="site-footer"><ul><li><a href="/i">Imprint</a></li></ul><p>Printed here</p></div>',
}
SAID = {"related": "Stacking", "author": "meadows", "newsletter": "Our letter", "footer": "Printed here"}


def text_of(body: str, head: str = ARTICLE) -> str:
    return extract_markup(f"<html><head><title>Rows</title>{head}</head><body>{body}</body></html>").text


@pytest.mark.parametrize("part", AFTER)
def test_what_stands_below_an_article_is_left_out(part: str) -> None:
    text = text_of(f'<div class="page">{STORY}{AFTER[part]}</div>')
    assert SAID[part] not in text
    assert text.count("raked together") == 24


@pytest.mark.parametrize("name", ["related", "author-box", "site-footer", "newsletter share promo comments"])
def test_no_name_takes_the_article_itself(name: str) -> None:
    assert text_of(f'<div class="{name}">{STORY}</div>').count("raked together") == 24


def test_only_pages_that_say_article_lose_parts() -> None:
    body = f'<div class="page">{STORY}<div class="teaser-box"><p>Stacking is next. {WORDS}</p></div></div>'
    assert "Stacking is next" in text_of(body, head="")


@pytest.mark.parametrize("says", ["hidden", 'style="color: red; display: none"', 'style="visibility:hidden"'])
def test_what_a_page_hides_is_left_out(says: str) -> None:
    hidden = f"<div {says}><p>This is not shown. {WORDS}</p></div>"
    assert "not shown" not in text_of(f"<main>{STORY}{hidden}</main>")
    assert text_of(f"<main {says}>{STORY}</main>").count("raked together") == 24, "not the article itself"


def parts(markup: str) -> Parts:
    found = parts_of(markup)
    assert found
    return found


def test_parts_end_where_their_elements_end() -> None:
    markup = (
        '<body><div id="a">x<!-- </div> --><p title="<div>">y</p><section-x>z</section-x></div>tail</body>'
    )
    body = plain_lines(written_out(HTMLTree.parse(markup)))
    division, paragraph = parts(body).inner
    assert body[division.begin :].startswith('<div id="a">')
    assert body[division.end :] == "tail</body>"
    assert body[paragraph.begin : paragraph.end].endswith(">y</p>")


def test_parts_know_where_they_stand() -> None:
    body = (
        f"<body><ul><li>x</li></ul><div><main><p>{WORDS}</p><h2>y</h2><p>{WORDS}</p></main>"
        "<form>z</form></div></body>"
    )
    found = parts(body)
    assert [(part.name, part.place) for part in found.inner] == [
        ("ul", "b9"),
        ("div", "h1"),
        ("main", "h0"),
        ("p", "i0"),
        ("h2", "i0"),
        ("p", "i0"),
        ("form", "a1"),
    ]
    assert [part.name for part in found.inner if not may_go(part)] == ["div", "main"]


def test_tags_within_lines_change_no_text() -> None:
    line = "<p>Mown <b>grass</b> is<!-- not --> <span class='x'>raked</span> t<i>o</i>gether<br>to dry</p>"
    assert plain_lines(line) == "<p>Mown grass is raked together<br>to dry</p>"
    assert plain_lines("<main><section><small-x>") == "<main><section><small-x>"


def test_what_is_known_of_a_part_is_whole_numbers() -> None:
    found = parts(f'<body><div class="a"><ul class="share b"><li>Teilen</li></ul><p>{WORDS}</p></div></body>')
    rows = []
    for part in found.inner:
        note_names(part)
        rows.append(features(part, found))
    assert len({len(row) for row in rows}) == 1
    assert all(type(value) is int for row in rows for value in row)


@pytest.mark.parametrize(
    "said", ["Related", "Ähnliche Artikel", "Relacionados", "Похожие", "関連記事", "Powiązane"]
)
def test_what_stands_first_means_the_same_in_many_languages(said: str) -> None:
    found = parts(f"<body><h2>{said}</h2></body>")
    assert "=related" in said_first(found.inner[0], found.texts)


def test_most_words_mean_nothing() -> None:
    assert meaning_of("grass") is None


def test_a_page_with_too_many_tags_is_left_as_it_is() -> None:
    markup = AFTER["footer"] + "<br>" * TAGS_MAX
    assert without_parts(markup) == markup
    assert parts_of(markup) is None
    assert parts(AFTER["footer"] + "<br>" * 10).inner


PIECES = [
    "<div>",
    "</div>",
    "<!--",
    "-->",
    '<p a"b>',
    '"',
    "<",
    ">",
    "text ",
    '<ul class="share">',
    "</ul>",
    "'",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_markup_of_any_kind_is_only_cut(markup: str) -> None:
    for given_markup in (markup, written_out(HTMLTree.parse(markup))):
        kept = without_parts(given_markup)
        rest = iter(given_markup)
        assert all(character in rest for character in kept), "what is kept stands there in the same order"


HOSTILE = [
    '<div class="',
    '<div a"b ',
    "<!--",
    "<!-- -",
    '<p x="',
    "<div><p>",
    "</div>",
    '<div class="share x">',
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_markup_that_never_ends_is_left_as_it_is(piece: str) -> None:
    """What would be read again from each start tag on to the end of the page would take minutes here."""
    markup = piece * (TAGS_MAX // 2)
    assert without_parts(markup) == ("" if piece.startswith("<!--") else markup)


def test_weights_are_few_and_whole() -> None:
    assert 1_000 < sum(map(len, weights().values())) < 10_000
    assert all(
        type(weight) is int and abs(weight) < 10_000
        for kind in weights().values()
        for weight in kind.values()
    )
