"""Canonical URLs against the WHATWG's own cases, the public suffix list's and 2,188 real addresses."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from real_data import real_data

from windrow_protocol.domains import registrable_domain
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import URL_CHARS_MAX, URL_PATH_DEPTH_MAX
from windrow_protocol.urls import (
    CANON_RULES,
    canonical_url,
    canonical_url_with_rules,
    host_key,
    is_same_host,
    site_of,
    split_http_url,
    url_sha256,
    whatwg_href,
)

patient = settings(deadline=None)  # a busy machine is no failure

CANONICAL = [
    # what the WHATWG parser does by itself
    ("HTTP://EXAMPLE.com:80/a/./b/../c", "http://example.com/a/c", ()),
    ("https://bücher.example:443", "https://xn--bcher-kva.example/", ()),
    ("https://e.example\\a\\b", "https://e.example/a/b", ()),
    ("https://0x7f.1/", "https://127.0.0.1/", ()),
    ("https://[0:0::1]:443/", "https://[::1]/", ()),
    ("https://e.example:8443/é?ü", "https://e.example:8443/%C3%A9?%C3%BC", ()),
    ("https://e.example/a%2Fb", "https://e.example/a%2Fb", ()),
    # what the declared rules do
    ("https://e.example/#top", "https://e.example/", ("fragment",)),
    ("https://e.example/#", "https://e.example/", ("fragment",)),
    ("https://e.example./a", "https://e.example/a", ("root_dot",)),
    ("https://e.example/%7Euser/%e4?q=%41", "https://e.example/~user/%E4?q=A", ("percent",)),
    ("https://e.example/a;jsessionid=1F;v=2?PHPSESSID=77", "https://e.example/a;v=2", ("session",)),
    ("https://e.example/?sid=" + "0a" * 16, "https://e.example/", ("session",)),
    ("https://e.example/?utm_source=x&UTM_medium=y&id=3&gclid=", "https://e.example/?id=3", ("tracking",)),
    ("https://e.example/?fbclid=1", "https://e.example/", ("tracking",)),
    ("https://e.example/?", "https://e.example/", ("empty_query",)),
    ("https://e.example/?a=1&&b=2&", "https://e.example/?a=1&b=2", ("empty_query",)),
    ("https://e.example/?b=2&a=9&a=1", "https://e.example/?a=9&a=1&b=2", ("sorted_query",)),
    # what stays apart, because a site may well serve something else there
    ("https://e.example/index.html", "https://e.example/index.html", ()),
    ("https://www.e.example/a/", "https://www.e.example/a/", ()),
    ("https://e.example/a//b", "https://e.example/a//b", ()),
    ("https://e.example/?sid=17", "https://e.example/?sid=17", ()),
    ("https://e.example/?a=%20+", "https://e.example/?a=%20+", ()),
    ("https://e.example/%%32E%%32E/x", "https://e.example/%%32E%%32E/x", ()),
    ("https://e.example/a/..;jsessionid=1/b", "https://e.example/a/..;jsessionid=1/b", ()),
]

REFUSED = [
    ("ftp://e.example/", "scheme"),
    ("javascript:alert(1)", "scheme"),
    ("data:text/html,x", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("/relative", "unparsable"),
    ("", "unparsable"),
    ("http://", "unparsable"),
    ("http://256.256.256.256/", "unparsable"),
    ("http://a b/", "unparsable"),
    ("http://\ud800/", "unparsable"),
    ("http://user@e.example/", "userinfo"),
    ("http://:secret@e.example/", "userinfo"),
    ("http://e.example@evil.example/", "userinfo"),
    ("http://a..b/", "host"),
    ("http://./", "host"),
    ("http://" + "a" * 64 + ".example/", "host"),
    ("http://" + "a.example" * 40 + "/", "host"),
    ("http://a$b/", "host"),
    ("http://e.example/" + "a/" * URL_PATH_DEPTH_MAX, "too_deep"),
    ("http://e.example/" + "a" * URL_CHARS_MAX, "too_long"),
    ("http://e.example/" + "é" * (URL_CHARS_MAX // 3), "too_long"),
    ("http://e.example/?utm_x=" + "a" * 10_000, "too_long"),
]


@pytest.mark.parametrize(("url", "canonical", "rules"), CANONICAL)
def test_canonical_form_and_rules(url: str, canonical: str, rules: tuple[str, ...]) -> None:
    assert canonical_url_with_rules(url) == (canonical, rules)


@pytest.mark.parametrize(("url", "cause"), REFUSED)
def test_refusals_name_their_cause(url: str, cause: str) -> None:
    with pytest.raises(WindrowError) as refused:
        canonical_url(url)
    assert refused.value.code == "bad_url"
    assert refused.value.facts["cause"] == cause


def test_a_long_tracking_tail_does_not_refuse_a_short_page() -> None:
    assert canonical_url("https://e.example/p?utm_term=" + "x" * URL_CHARS_MAX) == "https://e.example/p"


def test_rules_are_declared_once_with_a_reason() -> None:
    assert len({rule.name for rule in CANON_RULES}) == len(CANON_RULES) == 7
    assert all(len(rule.reason) > 20 for rule in CANON_RULES)


def test_host_keys() -> None:
    assert host_key("https://E.example./x?y") == "https://e.example:443"
    assert host_key("http://127.0.20.1:8100/") == "http://127.0.20.1:8100"
    assert host_key("http://[::1]/") == "http://[::1]:80"
    assert host_key("http://[::1]:81/") == "http://[::1]:81"
    assert is_same_host("https://e.example/a", "HTTPS://e.example:443/b")
    assert not is_same_host("https://e.example/", "http://e.example/")
    assert not is_same_host("https://e.example/", "https://e.example:444/")


def test_digest_is_of_the_canonical_form() -> None:
    assert url_sha256("HTTP://e.example/?b&a#x") == url_sha256("http://e.example/?a&b")
    assert url_sha256("http://e.example/") != url_sha256("https://e.example/")
    assert len(url_sha256("http://e.example/")) == 64


# --- the WHATWG's cases -----------------------------------------------------------------------------------


def _entries(path: Path) -> list[dict[str, Any]]:
    return [entry for entry in json.loads(path.read_text()) if isinstance(entry, dict)]


def _is_web(entry: dict[str, Any]) -> bool:
    return not entry.get("failure") and entry["protocol"] in ("http:", "https:")


def test_whatwg_hrefs() -> None:
    entries = _entries(real_data("url_whatwg_wpt") / "urltestdata.json")
    absolute = [entry for entry in entries if entry.get("base") is None]
    assert len(absolute) > 250
    for entry in absolute:
        if entry.get("failure"):
            with pytest.raises(WindrowError):
                canonical_url(entry["input"])
        else:
            assert whatwg_href(entry["input"]) == entry["href"]
    for entry in filter(_is_web, entries):
        assert whatwg_href(entry["href"]) == entry["href"]
        if entry["username"] or entry["password"]:
            with pytest.raises(WindrowError, match="password"):
                canonical_url(entry["href"])


def test_whatwg_parts() -> None:
    entries = _entries(real_data("url_whatwg_wpt") / "urltestdata.json")
    checked = 0
    for entry in filter(_is_web, entries):
        cause = _cause(entry["href"])
        if cause:
            assert cause in ("bad_url/userinfo", "bad_url/host")
            continue
        parts = split_http_url(entry["href"])
        assert (parts.host, parts.port, parts.path) == (
            entry["hostname"],
            entry["port"],
            entry["pathname"],
        )
        assert (parts.query or "") == entry["search"][1:]
        assert (parts.fragment or "") == entry["hash"][1:]
        assert parts.href() == entry["href"]
        checked += 1
    assert checked >= 210


@pytest.mark.parametrize("name", ["IdnaTestV2.json", "toascii.json"])
def test_whatwg_host_names(name: str) -> None:
    for entry in _entries(real_data("url_whatwg_wpt") / name):
        url = f"https://{entry['input']}/x"
        if entry["output"] is None:
            with pytest.raises(WindrowError):
                canonical_url(url)
        elif entry["output"]:
            assert whatwg_href(url) == f"https://{entry['output']}/x"


# --- real addresses ---------------------------------------------------------------------------------------


def _real_urls() -> list[str]:
    places = json.loads((real_data("urls_mozilla_places") / "dummy_urls.json").read_text())
    entries = _entries(real_data("url_whatwg_wpt") / "urltestdata.json")
    return [place["url"] for place in places] + [entry["href"] for entry in filter(_is_web, entries)]


def _cause(url: str) -> str:
    """Return why a URL is refused, "" if it is not. Any error but a refusal comes through."""
    try:
        canonical_url(url)
    except WindrowError as refused:
        return f"{refused.code}/{refused.facts['cause']}"
    return ""


def _assert_lawful(url: str) -> str:
    """Check the two promises for one URL and return its canonical form."""
    canonical, rules = canonical_url_with_rules(url)
    assert canonical_url_with_rules(canonical) == (canonical, ())
    assert (not rules) == (canonical == whatwg_href(url))
    assert whatwg_href(canonical) == canonical
    assert canonical.isascii()
    assert len(canonical) <= URL_CHARS_MAX
    return canonical


def test_real_urls_keep_the_promises() -> None:
    meeting: dict[str, set[str]] = defaultdict(set)
    causes = Counter(map(_cause, _real_urls()))
    # All of the refused are among the WHATWG's own cases; every address of the real collection is usable.
    assert causes == {"": 2400, "bad_url/userinfo": 31, "bad_url/host": 4}
    for url in _real_urls():
        if not _cause(url):
            meeting[_assert_lawful(url)].add(whatwg_href(url))
    for canonical, hrefs in meeting.items():
        undeclared = [href for href in hrefs if not canonical_url_with_rules(href)[1]]
        assert undeclared in ([], [canonical])


def test_public_suffix_vectors() -> None:
    lines = (real_data("url_public_suffix") / "tests.txt").read_text().splitlines()
    vectors = [line.split() for line in lines if line.strip() and not line.startswith("//")]
    checked = 0
    for host, expected in vectors:
        if host == "null":
            continue
        checked += 1
        if host.startswith("."):
            with pytest.raises(WindrowError):
                registrable_domain(host)
            continue
        own = split_http_url(f"http://{host}/").host
        wanted = own if expected == "null" else split_http_url(f"http://{expected}/").host
        assert registrable_domain(host) == wanted
    assert checked > 70


def test_registrable_domain_of_urls_and_literals() -> None:
    assert registrable_domain("https://a.b.example.co.uk:8443/x?y") == "example.co.uk"
    assert registrable_domain("alice.github.io.") == "alice.github.io"
    assert registrable_domain("github.io") == "github.io"
    assert registrable_domain("localhost") == "localhost"
    assert registrable_domain("http://127.1/") == "127.0.0.1"
    assert registrable_domain("::1") == registrable_domain("http://[::1]:80/") == "::1"


# --- properties -------------------------------------------------------------------------------------------

PIECES = r"""
a b . .. ; ;jsessionid=1 ;PHPSESSID= / // \ ? & = # % %2 %25 %2e %2E%2e %41 %7e %7E %c3%a9 é %00 ' " + =&
utm_source=1 gclid sid=00112233445566778899aabbccddeeff z=1 y
"""
HOSTS = st.sampled_from(
    [
        "e.example",
        "E.EXAMPLE.",
        "xn--bcher-kva.de",
        "bücher.de",
        "1.2.3.4",
        "0x7f.1",
        "[::1]",
        "a_b.c",
        "e.example:443",
    ]
)
URLS = st.builds(
    lambda scheme, host, tail: f"{scheme}://{host}/{''.join(tail)}",
    st.sampled_from(["http", "https", "HTTP"]),
    HOSTS,
    st.lists(st.sampled_from(PIECES.split()), max_size=14),
)


LABELS = st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True) | st.sampled_from(
    ["xn--mnchen-3ya", "xn--", "xn--a", "0x1f", "127", "a" * 63, "a" * 64, "", "a_b", "co", "example"]
)


@settings(max_examples=300)
@given(st.sampled_from(["http", "https"]), st.lists(LABELS, min_size=1, max_size=6))
@example("http", ["10", "0", "0", "1"])
@example("https", ["a" * 62, "b" * 62, "c" * 62, "d" * 61, "e"])
def test_sites_that_no_parser_sees_are_what_it_makes_of_them(scheme: str, labels: list[str]) -> None:
    site = f"{scheme}://{'.'.join(labels)}/"

    def read(url: str) -> object:
        try:
            return split_http_url(url)._replace(query=None)
        except WindrowError as error:
            return error.facts["cause"]

    assert read(site) == read(f"{site}?")


@patient
@given(URLS)
@example("http://e.example/%%32E%%32E/b")
@example("http://e.example/a/%2e%2e;jsessionid=1/b")
@example("http://e.example/%2e;jsessionid=1%")  # this and the next were found by this very test
@example("http://e.example/;jsessionid=1%/%41")
@example("http://e.example/%4%31%%41%2542%4;jsessionid=1;%31")
@example("http://e.example/?&utm_source=1&&#?")
def test_canonical_is_idempotent_and_declared(url: str) -> None:
    if not _cause(url):
        _assert_lawful(url)


@patient
@given(URLS)
def test_the_site_of_a_canonical_url_has_its_host_key(url: str) -> None:
    assume(not _cause(url))
    canonical = canonical_url(url)
    assert canonical.startswith(site_of(canonical))
    assert host_key(site_of(canonical)) == host_key(canonical)


@patient
@given(URLS)
def test_canonical_never_changes_the_host_key(url: str) -> None:
    assume(not _cause(url))
    assert is_same_host(url, canonical_url(url))


@patient
@given(st.text(max_size=200) | st.text(max_size=80).map(lambda text: f"https://{text}"))
def test_any_text_is_a_url_or_a_refusal(text: str) -> None:
    if not _cause(text):
        _assert_lawful(text)
