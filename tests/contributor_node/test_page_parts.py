"""Parts of an article's page that are no main content: cut, bounded, and only cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resiliparse.parse.html import HTMLTree

from contributor_node.extract import extract_markup, written_out
from contributor_node.page_parts import TAGS_MAX, parts_of, weights, without_parts

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


def test_parts_end_where_their_elements_end() -> None:
    markup = (
        '<body><div id="a">x<!-- </div> --><p title="<div>">y</p><section-x>z</section-x></div>tail</body>'
    )
    body = written_out(HTMLTree.parse(markup))
    (part,) = parts_of(body)
    assert body[part.begin :].startswith('<div id="a">')
    assert body[part.end :] == "tail</body>"


def test_a_page_with_too_many_tags_is_left_as_it_is() -> None:
    markup = AFTER["footer"] + "<br>" * TAGS_MAX
    assert without_parts(markup) == markup
    assert parts_of(AFTER["footer"] + "<br>" * 10)


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
    assert without_parts(markup) == markup


def test_weights_are_few_and_whole() -> None:
    assert 500 < len(weights()) < 5_000
    assert all(isinstance(weight, int) and abs(weight) < 10_000 for weight in weights().values())
