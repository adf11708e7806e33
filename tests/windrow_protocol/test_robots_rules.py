"""robots.txt decisions against Google's own matcher: its unit cases, and 2,068 real files."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.limits import ROBOTS_BYTES_MAX
from windrow_protocol.robots_paths import pattern_matches, plain_path, robots_path
from windrow_protocol.robots_rules import RobotsRules, RobotsState

patient = settings(deadline=None)  # a busy machine is no failure
BOT = "WindrowBot"
HOST = "https://e.example"


def _rules(text: str) -> RobotsRules:
    return RobotsRules.parse(text.encode(), 200)


def _body(robots: dict[str, str]) -> bytes:
    return robots["text"].encode() if "text" in robots else robots["latin1"].encode("latin-1")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return map(json.loads, raw.splitlines())


# --- Google's matcher -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), [("cases.jsonl", 142), ("ctc_correctness.jsonl", 146)])
def test_googles_unit_cases(name: str, count: int) -> None:
    rows = list(_rows(real_data("robots_google_unit") / name))
    wrong = [
        row
        for row in rows
        if RobotsRules.parse(_body(row["robots"]), 200).allows(row["user_agent"], row["url"])
        != row["allowed"]
    ]
    assert wrong == []
    assert len(rows) == count


def test_googles_decisions_on_real_files() -> None:
    folder = real_data("robots_real_a")
    rules = {row["host"]: RobotsRules.parse(_body(row), 200) for row in _rows(folder / "robots.jsonl.gz")}
    agreement: Counter[tuple[bool, bool]] = Counter()
    for row in _rows(folder / "decisions.jsonl.gz"):
        ours = rules[row["host"]].allows(row["user_agent"], row["url"])
        agreement[row["consensus"], ours == row["google"]] += 1
    assert len(rules) == 2068
    # Also right where the other well-known parser is not: the 455 rows without consensus.
    assert agreement == {(True, True): 60_557, (False, True): 455}


def test_a_list_of_ai_crawlers_is_obeyed() -> None:
    folder = real_data("optout_specs")
    rules = RobotsRules.parse((folder / "ai_robots_txt.robots.txt").read_bytes(), 200)
    agents = list(json.loads((folder / "ai_robots_txt.robots.json").read_text()))
    assert len(agents) == 166
    # Some names in that list are no product tokens ("iaskspider/2.0"): Google reads them up to the first odd sign.
    plain = [agent for agent in agents if agent.replace("-", "").replace("_", "").isalpha()]
    assert len(plain) > 120
    assert not any(rules.allows(agent, f"{HOST}/any") for agent in plain)
    assert rules.allows(BOT, f"{HOST}/any")


# --- what is ours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "state", "allowed"),
    [
        (200, RobotsState.RULES, False),
        (206, RobotsState.RULES, False),
        (301, RobotsState.UNREACHABLE, False),
        (304, RobotsState.UNREACHABLE, False),
        (401, RobotsState.ABSENT, True),
        (403, RobotsState.ABSENT, True),
        (404, RobotsState.ABSENT, True),
        (410, RobotsState.ABSENT, True),
        (429, RobotsState.UNREACHABLE, False),
        (500, RobotsState.UNREACHABLE, False),
        (503, RobotsState.UNREACHABLE, False),
        (None, RobotsState.UNREACHABLE, False),
        (100, RobotsState.UNREACHABLE, False),
    ],
)
def test_status_decides_before_the_body(status: int | None, state: RobotsState, allowed: bool) -> None:
    rules = RobotsRules.parse(b"User-agent: *\nDisallow: /\n", status)
    assert rules.state is state
    assert rules.allows(BOT, f"{HOST}/x") is allowed


def test_an_empty_file_allows_everything() -> None:
    assert _rules("").allows(BOT, f"{HOST}/x")
    assert _rules("<!doctype html><title>Not found</title>").allows(BOT, f"{HOST}/x")


def test_an_escaped_rule_holds_for_the_canonical_url() -> None:
    rules = _rules("User-agent: *\nDisallow: /%7Euser/\nDisallow: /caf%c3%a9\nDisallow: /日本\n")
    for path in (
        "/~user/a",
        "/%7Euser/a",
        "/%7euser/a",
        "/café",
        "/caf%C3%A9",
        "/日本",
        "/%E6%97%A5%E6%9C%AC",
    ):
        assert not rules.allows(BOT, HOST + path), path
    assert rules.allows(BOT, f"{HOST}/user/a")
    assert not _rules("User-agent: *\nDisallow: /a%2Fb\n").allows(BOT, f"{HOST}/a%2fb")
    # a reserved character differs
    assert _rules("User-agent: *\nDisallow: /a%2Fb\n").allows(BOT, f"{HOST}/a/b")


def test_an_escaped_exception_holds_too() -> None:
    rules = _rules("User-agent: *\nDisallow: /%7Ea\nAllow: /%7Ea/open\n")
    assert rules.allows(BOT, f"{HOST}/~a/open")
    assert not rules.allows(BOT, f"{HOST}/~a/shut")


def test_product_token_with_version() -> None:
    rules = _rules("User-agent: windrowbot\nDisallow: /a\n\nUser-agent: *\nDisallow: /\n")
    for token in ("WindrowBot", "windrowbot", "WindrowBot/1.0", "WindrowBot/1.0 (+https://e.example)"):
        assert rules.allows(token, f"{HOST}/b")
        assert not rules.allows(token, f"{HOST}/a")
    assert not rules.allows("Windrow", f"{HOST}/b")


def test_crawl_delay_is_per_group() -> None:
    rules = _rules(
        "User-agent: a\nCrawl-delay: 2.5\nCrawl-delay: 7\nUser-agent: *\nCrawl-delay: 1\nDisallow:\n"
    )
    assert rules.crawl_delay_s("a") == 7
    assert rules.crawl_delay_s(BOT) == 1
    assert (
        _rules("User-agent: *\nCrawl-delay: soon\nCrawl-delay: -1\nCrawl-delay: nan").crawl_delay_s(BOT)
        is None
    )
    assert _rules("User-agent: *\nCrawl-delay: 999999999\n").crawl_delay_s(BOT) == 86_400
    assert _rules("").crawl_delay_s(BOT) is None


def test_sitemaps_and_licences_belong_to_no_group() -> None:
    rules = _rules(
        "License: https://e.example/rsl.xml\nUser-agent: x\nDisallow: /\nSitemap: https://e.example/s.xml\n"
        "SITE-MAP: /relative.xml\nSitemap: https://e.example/s.xml\nLicense: none (public domain)\n"
    )
    assert rules.sitemaps == ("https://e.example/s.xml", "/relative.xml")
    assert rules.statements(BOT, HOST).licenses == ("https://e.example/rsl.xml",)


def test_a_cut_file_ends_at_a_whole_line() -> None:
    filler = "# " + "x" * 97 + "\n"
    head = "User-agent: *\nDisallow: /private\n"
    room = ROBOTS_BYTES_MAX - len(head)
    lines = filler * (room // len(filler))
    cut = head + lines + "Allow: /private/" + "a" * 200 + "\nDisallow: /beyond\n"
    assert len(cut) > ROBOTS_BYTES_MAX
    rules = _rules(cut)
    assert not rules.allows(BOT, f"{HOST}/private/a")
    assert rules.allows(BOT, f"{HOST}/beyond")


def test_paths_are_read_as_google_reads_them() -> None:
    # Cases of Google's own unit test for its path reader.
    for url, path in {
        "": "/",
        "http://www.example.com": "/",
        "http://www.example.com/a?b#c": "/a?b",
        "example.com/a?b": "/a?b",
        "http://www.example.com?a": "/?a",
        "http://www.example.com/a/b;params?q#f": "/a/b;params?q",
        "//a/b/c": "/b/c",
        "http://e.example#/x": "/",
        "/a?u=http://b/c": "/a?u=http://b/c",
    }.items():
        assert robots_path(url) == path


# --- usage preferences ------------------------------------------------------------------------------------


def test_usage_example_of_the_draft() -> None:
    text = (real_data("optout_specs") / "draft-ietf-aipref-attach.md").read_text()
    blocks = [block for block in text.split("~~~") if block.startswith("\nUser-Agent") and "/never/" in block]
    assert len(blocks) == 1
    rules = _rules(blocks[0])
    assert rules.allows(BOT, f"{HOST}/test")
    assert rules.content_usage(BOT, f"{HOST}/test") == ("train-ai=n",)
    assert not rules.allows(BOT, f"{HOST}/never/test")
    assert rules.content_usage(BOT, f"{HOST}/ai-ok/test") == ("train-ai=y",)
    assert rules.content_usage("ExampleBot", f"{HOST}/never/test") == ("train-ai=y",)


def test_usage_takes_the_longest_path_and_all_of_its_statements() -> None:
    rules = _rules(
        "User-agent: *\nContent-Usage: search=y\nContent-Usage: /a/ train-ai=y\ncontent-usage:/a/\ttrain-ai=n\n"
        "Content-Usage: /a/*.pdf$ train-ai=y;p=1\nContent-Usage: /%7Eb bots=n\nContent-Usage: /c\n"
    )
    assert rules.content_usage(BOT, f"{HOST}/") == ("search=y",)
    assert rules.content_usage(BOT, f"{HOST}/a/x") == ("train-ai=y", "train-ai=n")
    assert rules.content_usage(BOT, f"{HOST}/a/x.pdf") == ("train-ai=y;p=1",)
    assert rules.content_usage(BOT, f"{HOST}/~b") == ("bots=n",)
    assert rules.content_usage(BOT, f"{HOST}/c") == ("",)  # says nothing, and is not hidden


def test_a_usage_rule_ends_a_group_for_usage_but_not_for_crawling() -> None:
    rules = _rules("User-agent: a\nContent-Usage: train-ai=n\nUser-agent: b\nDisallow: /\n")
    assert rules.content_usage("a", HOST) == ("train-ai=n",)
    assert rules.content_usage("b", HOST) == ()
    assert not rules.allows("a", f"{HOST}/x")  # as Google groups them
    assert not rules.allows("b", f"{HOST}/x")


def test_usage_before_any_agent_is_meant_for_all() -> None:
    rules = _rules("Content-Usage: train-ai=n\nUser-agent: other\nDisallow: /\n")
    assert rules.content_usage(BOT, HOST) == ("train-ai=n",)
    assert rules.allows(BOT, HOST)


def test_content_signals_are_kept_apart() -> None:
    rules = _rules("User-agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n")
    assert rules.statements(BOT, f"{HOST}/x").content_signals == ("search=yes,ai-train=no",)
    assert rules.content_usage(BOT, f"{HOST}/x") == ()


# --- properties -------------------------------------------------------------------------------------------

RULES = st.builds(
    lambda key, pattern: f"{key}: {pattern}",
    st.sampled_from(["Allow", "Disallow"]),
    st.text("ab/*$%7E?.é", max_size=8).map(lambda tail: f"/{tail}")
    | st.sampled_from(["", "/", "*", "/a/index.html"]),
)
GROUP = st.lists(RULES, max_size=12)
URLS = st.text("ab/7Ee?.", max_size=12).map(lambda path: f"{HOST}/{path}")
LINES = RULES | st.sampled_from(
    [
        "User-agent: *",
        "user-agent a",
        f"User-agent: {BOT}",
        "Crawl-delay: 5",
        "Content-Usage: /a train-ai=n",
        "x: y",
        "",
    ]
)


def _allows(lines: list[str], url: str) -> bool:
    return _rules("\n".join([f"User-agent: {BOT}", *lines])).allows(BOT, url)


@patient
@given(st.text("ab/*$.e", max_size=10), st.text("ab/.e", max_size=12))
def test_matching_is_shell_matching(pattern: str, path: str) -> None:
    # The standard library's matcher knows the same star; a final "$" is all that differs.
    shell = pattern[:-1] if pattern.endswith("$") else pattern + "*"
    assert pattern_matches(pattern, path) == fnmatchcase(path, shell)


@patient
@given(GROUP, RULES.map(lambda rule: rule.partition(": ")[2]), URLS)
def test_another_rule_moves_the_decision_one_way_only(lines: list[str], pattern: str, url: str) -> None:
    before = _allows(lines, url)
    assert _allows([*lines, f"Disallow: {pattern}"], url) <= before
    assert _allows([*lines, f"Allow: {pattern}"], url) >= before


@patient
@given(GROUP.flatmap(lambda lines: st.tuples(st.just(lines), st.permutations(lines))), URLS)
def test_the_order_of_rules_makes_no_difference(orders: tuple[list[str], list[str]], url: str) -> None:
    assert _allows(orders[0], url) == _allows(orders[1], url)


@patient
@given(st.text(min_size=1, max_size=12))
def test_no_spelling_of_a_denied_path_gets_through(name: str) -> None:
    octets = name.encode("utf-8", "replace")
    escaped = ["".join(f"%{octet:02x}" for octet in octets), "".join(f"%{octet:02X}" for octet in octets)]
    spellings = [*escaped, quote(octets, safe="")]
    assert len({plain_path(spelling) for spelling in spellings}) == 1
    for pattern in spellings:
        for path in spellings:
            assert not _allows([f"Disallow: /{pattern}"], f"{HOST}/{path}/more")


@patient
@given(
    st.binary(max_size=400) | st.lists(LINES).map(lambda lines: "\n".join(lines).encode()),
    st.text(),
    st.text(),
)
def test_any_bytes_are_a_robots_txt(body: bytes, url: str, agent: str) -> None:
    rules = RobotsRules.parse(body, 200)
    assert rules.allows(agent, url) in (True, False)
    delay = rules.crawl_delay_s(agent)
    assert delay is None or 0 <= delay <= 86_400
    assert all(isinstance(text, str) for statements in rules.statements(agent, url) for text in statements)


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\n" + (b"Disallow: /" + b"*a" * 8000 + b"$\n") * 50,
        b"".join(b"User-agent: a%s\n" % bytes([97 + i % 26, 97 + i // 26 % 26]) for i in range(40_000))
        + b"Disallow: /a\n" * 40_000,
        b"User-agent: *\nDisallow: /" + b"a" * 900_000,
        b"User-agent: a" + b" " * 900_000 + b"b\n",
        bytes(range(256)) * 4000,
    ],
    ids=["stars", "many-agents-many-rules", "one-long-line", "spaces", "every-byte"],
)
def test_a_hostile_file_is_decided_in_linear_work(body: bytes) -> None:
    # Quadratic work on a megabyte would run for hours: the suite's own time limit is the assertion.
    rules = RobotsRules.parse(body, 200)
    assert rules.allows(BOT, f"{HOST}/" + "b" * 2000)
