"""The page that nodes name to sites is an address and nothing else, whoever publishes it."""

from __future__ import annotations

import msgspec
import pytest

from windrow_protocol.user_agent import PUBLISHERS_URL_CHARS_MAX, PublishersUrl, user_agent

PAGES = [
    *("", "http://127.0.0.1:8420/publishers", "https://a.example", "https://a.example/", "http://[::1]:1/publishers"),
    *("https://xn--bcher-kva.example:8443/a/%C3%BC/~b-c_d.html", "https://A.Example/" + "x" * 182),
]  # fmt: skip
NO_PAGES = [
    *("https://a.example/\r\nCookie: b", "https://a.example/\n", "https://a.example/\r", "https://a.example/\x00"),
    *("https://a.example/) Mozilla/5.0 (b", "https://a.example/(", "https://a.example/;b", 'https://a.example/"', "\thttp://a/"),
    *("https://a.example/ b", "https://a.example/\\", "https://b\u00fccher.example/", "https://a.example/\u2028", "https://a.example/\x85"),
    *("ftp://a.example/", "javascript:alert(1)", "data:text/html,a", "mailto:a@b.example", "//a.example/", "https://"),
    *("https://a.example@b.example/", "https://a.example/?node=1", "https://a.example/#1", "\n"),
    *("https://a.example:123456/", "https://a.example:x/", "https://[::1/", "http://a.example/\nhttp://b.example/"),
    "https://a.example/" + "x" * 184,
]  # fmt: skip


@pytest.mark.parametrize("url", PAGES)
def test_an_address_of_a_page_is_taken(url: str) -> None:
    assert msgspec.convert(url, PublishersUrl) == url


@pytest.mark.parametrize("url", NO_PAGES)
def test_what_could_be_more_than_an_address_is_not(url: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(url, PublishersUrl)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(url), type=PublishersUrl)


@pytest.mark.parametrize("url", PAGES)
def test_the_name_is_one_short_line_that_any_server_takes(url: str) -> None:
    name = user_agent(url)
    assert name.startswith("WindrowBot/0.1 (")
    assert name.isascii()
    assert name.isprintable()
    assert (name.count("("), name.count(")"), name[-1]) == (1, 1, ")")
    assert len(name) <= PUBLISHERS_URL_CHARS_MAX + 40
    assert (f"(+{url})" in name) == bool(url), "without a page none is made up"
