"""The list of known domains: what is on it, in whatever form, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from windrow_protocol import ranked_domains
from windrow_protocol.ranked_domains import RankedDomains

names = st.from_regex(r"[a-z0-9]{1,12}\.[a-z]{2,6}", fullmatch=True)


@given(st.sets(names, max_size=40), st.sets(names, max_size=10))
def test_it_holds_what_was_listed_and_nothing_else(listed: set[str], others: set[str]) -> None:
    ranked = RankedDomains.parse([f"{rank},{name}\r\n" for rank, name in enumerate(sorted(listed), 1)])
    assert len(ranked) == len(listed)
    assert all(name in ranked for name in listed)
    assert not any(name in ranked for name in others - listed)
    assert ranked.sha256 == RankedDomains.parse(sorted(listed, reverse=True)).sha256


def test_both_forms_remarks_case_and_addresses_are_read() -> None:
    lines = [
        "# a list",
        "",
        "1,Example.ORG",
        "example.net.  # a remark",
        "127.0.0.1",
        "2a00:1::4",
        "example.org",
    ]
    ranked = RankedDomains.parse(lines)
    assert len(ranked) == 4
    assert {"example.org", "example.net", "127.0.0.1", "2a00:1::4"} <= {
        name for name in NAMES if name in ranked
    }
    assert "www.example.org" not in ranked
    assert 7 not in ranked
    assert "example.org" not in RankedDomains.parse([])


NAMES = ("example.org", "example.net", "127.0.0.1", "2a00:1::4", "example.com")


@pytest.mark.parametrize(
    "line", ["<html>", "1;example.org x", "http://example.org/", "a" * 300, "münchen.de"]
)
def test_what_is_no_domain_is_named_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match="line 2 is no domain"):
        RankedDomains.parse(["example.org", line])


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranked_domains, "RANKED_DOMAINS_MAX", 3)
    with pytest.raises(ValueError, match="line 4: more than 3"):
        RankedDomains.parse(f"a{n}.example" for n in range(9))
