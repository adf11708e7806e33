"""Lists of hosts that an operator keeps: what is on them, in which form, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from aggregator.curation import annotate
from aggregator.curation.host_lists import HostLists
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import HOST_LISTS_MAX

LISTS = {
    "adult": "# kept by hand\nadult.example\nOther.Example # since May\n\n",
    "spam": "0.0.0.0 casino.example\n127.0.0.1\tads.shop.example.\n",
}


@pytest.fixture
def lists(tmp_path: Path) -> HostLists:
    for name, text in LISTS.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "readme.md").write_text("adult.example")
    return HostLists(tmp_path)


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://adult.example/page", ["adult"]),
        ("https://www.adult.example:8443/", ["adult"]),
        ("https://other.example", ["adult"]),
        ("http://casino.example/", ["spam"]),
        ("http://ads.shop.example/", ["spam"]),
        ("http://shop.example/", []),
        ("http://notadult.example/", []),
        ("http://example/", []),
        ("http://[broken/", []),
        ("", []),
    ],
)
def test_a_host_is_held_with_all_below_it(lists: HostLists, url: str, names: list[str]) -> None:
    assert lists.holding(url) == names


def test_a_row_says_which_lists_hold_its_host(lists: HostLists) -> None:
    note = annotate(
        "A page.",
        url="http://casino.example/",
        robots_state="allowed",
        optout_signals=[],
        host_lists=lists,
    )
    assert note.host_lists == note.columns["host_lists"] == ["spam"]


def test_no_folder_means_no_lists(tmp_path: Path) -> None:
    assert HostLists(tmp_path / "none").holding("http://adult.example/") == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WindrowError, match=r"bad\.txt"):
        HostLists(tmp_path)


def test_lists_are_bounded(tmp_path: Path) -> None:
    for number in range(HOST_LISTS_MAX + 1):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(WindrowError, match="allowed"):
        HostLists(tmp_path)


def test_a_name_of_very_many_labels_is_looked_up_in_bounded_work(lists: HostLists) -> None:
    assert lists.holding("http://" + "a." * 100_000 + "adult.example/") == ["adult"]
