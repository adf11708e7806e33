"""Opt-out signals in real pages and in nonsense: all found, none invented, everything bounded."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.limits import OPTOUT_SIGNALS_MAX
from windrow_protocol.optout import (
    Signal,
    denies_training,
    denying_signals,
    optout_signals,
    signal_from_text,
)
from windrow_protocol.optout_kinds import KINDS
from windrow_protocol.robots_rules import RobotsStatements

patient = settings(deadline=None)  # a busy machine is no failure
URL = "https://provider.com/directory-a/page.html"


def test_too_many_signals_are_cut_but_never_the_deciding_ones() -> None:
    noise = "".join(f'<meta name="bot-{number}" content="noindex">' for number in range(100))
    head = f'{noise}<meta name="robots" content="noai"><meta name="tdm-reservation" content="0">'
    signals = optout_signals(URL, [("tdm-reservation", "1")], head)
    assert len(signals) == OPTOUT_SIGNALS_MAX
    assert {signal.kind for signal in denying_signals(signals)} == {"noai"}
    assert Signal("tdm-reservation", "0", "meta:tdm-reservation") in signals
    assert signals[-1] == Signal("invalid", "72 more signals", "text")


def test_a_page_of_nothing_but_tags_is_read_in_linear_work() -> None:
    # The parser's live collections search the page again for every element: iterating one would take hours here.
    signals = optout_signals(URL, [], "<meta name=robots content=noai>" * 30_000)
    assert signals == (Signal("noai", "*", "meta:robots"),)


def test_signals_travel_as_lines() -> None:
    signal = Signal("content-usage", "train-ai=n, search=y", "header:content-usage")
    assert signal.as_text() == "header:content-usage content-usage=train-ai=n, search=y"
    assert signal_from_text(signal.as_text()) == signal
    for text in ("", "noai", "meta:robots noai", "meta:robots unheard=1", "=="):
        assert signal_from_text(text).kind == "invalid"


# --- real pages -------------------------------------------------------------------------------------------

SETS = ("html_wcxb_a", "html_trafilatura_eval", "html_mozilla_readability")
TAGS = r"(?i)<meta[^>]*no(?:ai|imageai|archive|index|cache|snippet)\b[^>]*>"


def test_real_pages_all_found_none_invented() -> None:
    parquet, compute = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow.compute")
    expected: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in (real_data("optout_signals_real") / "signals.jsonl").read_text().splitlines():
        row = json.loads(line)
        expected[row["set"], row["id"]].add(row["signal"])
    checked = 0
    for name in SETS:
        pages = parquet.read_table(real_data(name) / "pages.parquet", columns=["id", "html"])
        # A page without such a tag has nothing to find; parsing all 1,966 would only take time.
        for page in pages.filter(compute.match_substring_regex(pages["html"], TAGS)).to_pylist():
            html = page["html"]
            tags = re.findall(TAGS, html if isinstance(html, str) else html.decode(errors="replace"))
            signals = optout_signals(URL, [], html)
            kinds = {signal.kind for signal in signals}
            assert expected[name, page["id"]] <= kinds
            assert denies_training(signals) is ("noai" in expected[name, page["id"]])
            for signal in signals:  # each stands in a tag of the name that it is said to come from
                meta = signal.source.removeprefix("meta:")
                assert any(meta in tag.lower() and signal.kind in tag.lower() for tag in tags)
            checked += len(expected.pop((name, page["id"])))
    assert checked == 100
    assert not expected


# --- nonsense ---------------------------------------------------------------------------------------------

FIELDS = st.sampled_from(
    ["X-Robots-Tag", "tdm-reservation", "TDM-Policy", "Content-Usage", "content-signal", "Link", "Server"]
)
SHARDS = 'noai train-ai=n , ; : = " < > gptbot: 1 0 rel=license application/rsl+xml ( \0 é'
WORDS = st.lists(st.sampled_from(SHARDS.split())).map("".join)
HTML = st.lists(
    st.sampled_from(
        [
            "<meta name=robots content='noai'>",
            "<meta name='tdm-reservation' content=1>",
            "<meta ",
            "<!--",
            "-->",
            "<script>",
            "<link rel=license type=application/rsl+xml>",
            "</head>",
            "\x00",
            "\ud800",
        ]
    )
    | st.text(max_size=5)
).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["location", "tdm-reservation", "tdm-policy", "x"]), inner)
    ),
).map(json.dumps)
SOURCES = re.compile(r"(header|meta|robots|file|html|text)(:[a-z0-9._-]+)?")


@patient
@given(
    st.text(max_size=30),
    st.lists(st.tuples(FIELDS, WORDS | st.text())),
    HTML | st.binary(),
    st.lists(WORDS | st.text(), max_size=3),
    st.none() | JSON | st.binary() | st.text(),
)
def test_nonsense_is_recorded_and_bounded(
    url: str, headers: list[tuple[str, str]], html: str | bytes, said: list[str], tdmrep: str | bytes | None
) -> None:
    robots = RobotsStatements(tuple(said), tuple(said), tuple(said))
    signals = optout_signals(url, headers, html, robots=robots, tdmrep_json=tdmrep)
    assert len(signals) <= OPTOUT_SIGNALS_MAX
    assert set(denying_signals(signals)) <= set(signals)
    for signal in signals:
        assert signal.kind in KINDS
        assert SOURCES.fullmatch(signal.source)
        text = signal.as_text()
        assert len(text) <= 256
        assert text.isprintable()
        assert signal_from_text(text) == signal


@patient
@given(
    st.lists(st.sampled_from(sorted(KINDS)), max_size=6), st.lists(st.sampled_from(["0", "1", "train-ai=n"]))
)
def test_more_that_denies_never_denies_less(kinds: list[str], values: list[str]) -> None:
    signals = [Signal(kind, value, "header:x") for kind, value in zip(kinds, values, strict=False)]
    assert denies_training(signals) <= denies_training([*signals, Signal("noai", "*", "meta:robots")])
    assert denies_training(signals) <= denies_training([Signal("invalid", "?", "meta:robots"), *signals])
