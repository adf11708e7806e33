"""An archive made to harm does not: read within bounds, nothing outside touched, and what is left out is said."""

from __future__ import annotations

import gzip
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from export_files import read_all, zip_bytes, zipped

from extension_bridge.importers import archives, streams
from extension_bridge.importers.archives import open_archive
from extension_bridge.importers.registry import importers_of
from windrow_protocol.errors import WindrowError

GOOD = json.dumps(
    [
        {
            "header": "Search",
            "title": "Searched for bread",
            "time": "2020-01-02T03:04:05Z",
            "products": ["Search"],
        }
    ]
).encode()


def names_in(path: Path) -> tuple[list[str], list[str]]:
    skipped: list[str] = []
    with open_archive(path, skipped.append) as archive:
        return [member.name for member in archive.members()], skipped


@pytest.mark.parametrize(
    "name",
    ["../../outside.json", "/etc/outside.json", "a/../../b.json", "..\\b.json", "C:\\b.json", "\\\\host\\b"],
)
def test_a_name_that_points_outside_is_left_out(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "x.zip", {name: GOOD, "in/good.json": GOOD})
    items, report = read_all(path, "google_takeout")
    assert len(items) == 1
    assert report.skipped == {"unsafe_name": 1}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.zip"]


def test_links_and_devices_are_left_out(tmp_path: Path) -> None:
    modes = {"link.json": stat.S_IFLNK | 0o777, "pipe.json": stat.S_IFIFO | 0o644}
    path = zipped(
        tmp_path / "x.zip", {"link.json": b"/etc/passwd", "pipe.json": b"", "ok.json": GOOD}, modes=modes
    )
    assert names_in(path) == (["ok.json"], ["link", "link"])


def test_links_and_pipes_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_bytes(GOOD)
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "outside.json")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(folder / "pipe.json")  # whoever opens it waits for ever
    (folder / "own.json").write_bytes(GOOD)
    assert names_in(folder) == (["own.json"], ["link", "link", "link"])


def test_a_file_that_became_a_pipe_meanwhile_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(GOOD)
    with open_archive(path, lambda reason: None) as archive:
        (member,) = archive.members()
        path.unlink()
        os.mkfifo(path)
        with pytest.raises(WindrowError, match="export_damaged"), member.open() as stream:
            stream.read()


def test_an_archive_in_an_archive_is_left_out(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"more.zip": zip_bytes({"a.json": GOOD}), "a.json": GOOD})
    assert names_in(path) == (["a.json"], ["nested_archive"])


def test_the_parts_of_an_archive_in_one_folder_are_read_together(tmp_path: Path) -> None:
    zipped(tmp_path / "takeout-001.zip", {"a.json": GOOD, "deep.zip": zip_bytes({"b.json": GOOD})})
    zipped(tmp_path / "takeout-002.zip", {"b.json": GOOD.replace(b"bread", b"butter")})
    items, report = read_all(tmp_path, "google_takeout")
    assert {item.text for item in items} == {"bread", "butter"}
    assert report.skipped == {"nested_archive": 1}


def test_a_bomb_by_ratio_is_cut_where_the_bound_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IMPORT_RATIO_FLOOR_BYTES", 100_000)
    entry = GOOD[1:-1] + b","
    path = zipped(tmp_path / "x.zip", {"bomb.json": b"[" + entry * 10_000 + GOOD[1:]})
    assert path.stat().st_size * streams.IMPORT_RATIO_MAX < 10_000 * len(entry)
    items, report = read_all(path, "google_takeout")
    assert 0 < len(items) * len(entry) <= max(100_000, path.stat().st_size * streams.IMPORT_RATIO_MAX)
    assert report.skipped == {"file_too_large": 1}


def test_a_size_that_the_archive_lies_about_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "IMPORT_MEMBER_BYTES_MAX", 100_000)
    path = zipped(
        tmp_path / "x.zip", {"a.json": b"[" + (GOOD[1:-1] + b",") * 2_000 + GOOD[1:], "b.json": GOOD}
    )
    items, report = read_all(path, "google_takeout")
    assert report.skipped == {"file_too_large": 1}
    assert items[-1].member == "b.json"  # the other file is read all the same


def test_files_that_share_their_bytes_spend_one_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overlapping entries multiply what comes out without a high ratio in any of them."""
    monkeypatch.setattr(streams, "IMPORT_RATIO_FLOOR_BYTES", 100_000)
    monkeypatch.setattr(streams, "IMPORT_RATIO_MAX", 2)
    rows = b",".join(GOOD[1:-1].replace(b"bread", b"bread%d" % i) for i in range(300))
    path = zipped(tmp_path / "x.zip", {f"{i}.json": b"[" + rows + b"]" for i in range(20)})
    _, report = read_all(path, "google_takeout")
    assert report.skipped["file_too_large"] >= 10


def test_a_bomb_in_gzip_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IMPORT_RATIO_FLOOR_BYTES", 100_000)
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * 30_000_000 + GOOD[1:]))
    with open_archive(path, lambda reason: None) as archive:
        (member,) = archive.members()
        with pytest.raises(WindrowError, match="export_refused"), member.open() as stream:
            stream.read()


def test_a_list_of_contents_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": GOOD})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<L", data, at + 12, 500_000_000)
    path.write_bytes(data)
    with pytest.raises(WindrowError, match="export_refused"):
        importers_of(path)


def test_more_files_than_are_looked_at_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "IMPORT_MEMBERS_MAX", 3)
    path = zipped(tmp_path / "x.zip", {f"{i}.json": GOOD for i in range(9)})
    names, skipped = names_in(path)
    assert (len(names), skipped) == (3, ["too_many_files"])


def test_what_needs_a_password_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": GOOD, "b.json": GOOD})
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert names_in(path) == (["b.json"], ["encrypted"])


@pytest.mark.parametrize("cut", [4, 30, 60, 100])
def test_an_archive_that_ends_early_is_refused(tmp_path: Path, cut: int) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": GOOD})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(WindrowError, match="export_damaged"):
        importers_of(path)


def test_a_damaged_file_costs_only_itself(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a.json": GOOD, "b.json": GOOD})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("a.json").header_offset + 30 + len("a.json")
    data = bytearray(path.read_bytes())
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    items, report = read_all(path, "google_takeout")
    assert [item.member for item in items] == ["b.json"]
    assert report.parsed == 1


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(WindrowError, match="unknown_export"):
        importers_of(tmp_path / "absent.zip")
    assert importers_of(tmp_path) == []
