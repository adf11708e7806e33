"""Blocks, what pages declare, and which blocks are kept: shapes that real pages have, and bounds that hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributor_node.block_features import FIRST, SECOND, context_of, features_of
from contributor_node.block_scores import scores, weights
from contributor_node.extract import extract_markup, parsed
from contributor_node.main_text import main_text, threshold
from contributor_node.page_blocks import PageBlocks, blocks_of
from contributor_node.page_facts import FORUM, PRODUCT, Facts, facts_of
from windrow_protocol.limits import PAGE_BLOCKS_MAX, PAGE_ELEMENTS_MAX

SENTENCE = "In August, after the second mowing, the grass is raked into long rows, and the wind dries it. "


def blocks(body: str) -> PageBlocks:
    root = parsed(f"<html><body>{body}</body></html>")
    assert root is not None
    return blocks_of(root)


def texts(body: str) -> list[str]:
    return [block.text for block in blocks(body).blocks]


def facts(head: str, markup: str = "") -> Facts:
    root = parsed(f"<html lang=de-AT><head>{head}</head><body>x{markup}</body></html>")
    return facts_of(root, head)


def test_inline_markup_is_no_boundary_and_block_markup_is() -> None:
    assert texts("<p>one <b>bo</b>ld <a href=/>link</a>.</p>tail<div>two<p>three</p>four</div>") == [
        "one bold link.",
        "tail",
        "two",
        "three",
        "four",
    ]


def test_a_row_of_a_table_is_one_line() -> None:
    body = "<table><tr><th>Place</th><th>Rows</th></tr><tr><td>Field</td><td>12</td></tr></table>"
    assert texts(body) == ["Place | Rows", "Field | 12"]


def test_tables_and_code_within_the_main_text_are_kept() -> None:
    code = "def rake(field):\n    for row in field:\n        yield row"
    table = (
        "<table><tr><th>Month</th><th>Rows</th></tr><tr><td>August</td><td>12 rows of hay</td></tr></table>"
    )
    found = extract_markup(
        f"<html><body><main><h1>Raking</h1>{f'<p>{SENTENCE * 3}</p>' * 3}<pre><code>{code}</code></pre>"
        f"<p>{SENTENCE * 3}</p>{table}<p>{SENTENCE * 3}</p></main></body></html>"
    )
    assert code in found.text
    assert "Month | Rows\nAugust | 12 rows of hay" in found.text


def test_what_is_never_text() -> None:
    assert texts("<script>a</script><style>b</style><template>c</template><select><option>d</select>e") == [
        "e"
    ]


def test_text_for_those_without_javascript_counts() -> None:
    assert texts("<noscript><p>words</p></noscript>") == ["words"]


def test_places_count_what_is_in_them() -> None:
    page = blocks("<div><p>one two</p><p>three <a href=/>four</a></p></div>")
    assert (page.places.words[0], page.places.link_words[0], page.places.blocks[0]) == (4, 1, 2)


def test_declared_facts_in_their_order() -> None:
    head = (
        '<title>Short - Site</title><meta property="og:title" content="The  title">'
        '<meta name="author" content="A. Rake"><meta property="article:published_time" content="2024-03-09T10:00Z">'
        '<script type="application/ld+json">{"@type": "Product", "datePublished": "2020-01-01"}</script>'
    )
    assert facts(head) == Facts("The title", "A. Rake", "2024-03-09", "de-at", PRODUCT)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", Facts(language="de-at")),
        ("<meta name=date content='31.12.2024'>", Facts(language="de-at")),
        ("<meta name=date content='2024-13-40'>", Facts(language="de-at")),
        ("<meta name=generator content='Discourse 3'>", Facts(language="de-at", kind=FORUM)),
        ("<meta name=author content='https://example.org/me'>", Facts(language="de-at")),
        ("<script type='application/ld+json'>{broken</script>", Facts(language="de-at")),
    ],
)
def test_facts_are_not_guessed(head: str, expected: Facts) -> None:
    assert facts(head) == expected


def test_weights_fit_the_layout_and_the_numbers_of_features() -> None:
    first, second = weights()
    page = blocks(f"<nav><a href=/>Home</a></nav><main><h1>A</h1><p>{SENTENCE}</p></main><footer>©</footer>")
    rows = features_of(page, 5)
    assert all(0 <= number < len(first) == FIRST.size for row in rows for number in row)
    for score in (-10_000, 0, 10_000):
        context = context_of(page, [score] * len(rows))
        assert all(0 <= number < len(second) == SECOND.size for row in context for number in row)


_BITS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<div class=nav>",
        "</div>",
        "<td>",
        "<tr>",
        "<a href=x>",
        "</a>",
        "words ",
        "<pre>",
        "<h1>",
        "\n",
    ]
)


@given(st.lists(_BITS, max_size=60).map("".join), st.integers(0, 5))
def test_any_markup_is_scored_alike_twice_and_something_is_kept(body: str, kind: int) -> None:
    page = blocks(body + "end")
    found = scores(page, kind)
    assert len(found) == len(page.blocks) > 0
    assert all(isinstance(score, int) for score in found)
    assert main_text(page, kind) == main_text(blocks(body + "end"), kind) != ""


@given(st.lists(st.tuples(st.integers(-6_000, 6_000), st.integers(1, 500)), min_size=1, max_size=60))
def test_what_is_likelier_than_not_is_always_kept(blocks_seen: list[tuple[int, int]]) -> None:
    found, words = (list(column) for column in zip(*blocks_seen, strict=True))
    least = threshold(found, words)
    assert least <= 0
    assert least <= max(found)


def test_elements_and_blocks_are_bounded() -> None:
    assert len(blocks("<p>x</p>" * (PAGE_BLOCKS_MAX + 10)).blocks) == PAGE_BLOCKS_MAX
    page = blocks("<b></b>" * PAGE_ELEMENTS_MAX + "<p>late</p>")
    assert (page.cut, page.blocks) == (True, [])
