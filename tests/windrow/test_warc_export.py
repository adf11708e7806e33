"""What is exported as WARC is read back by another library, whole; what carries an opt-out is not in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_house import windrow
from warc_files import http, members, page, record, words
from warcio.archiveiterator import ArchiveIterator

from windrow.warc.reading import read_warc
from windrow_protocol.content import text_sha256


@pytest.fixture
def home(tmp_path: Path) -> Path:
    file, home = tmp_path / "in.warc.gz", tmp_path / "home"
    denied = page(9, head='<meta name="robots" content="noai">')
    records = [record(http(page(n)), f"https://a.example/{n}") for n in (1, 2, 3)]
    file.write_bytes(members(*records, record(http(denied), "https://a.example/9")))
    assert windrow("import", file, "--home", home).code == 0
    return home


@pytest.mark.parametrize("name", ["out.warc.gz", "out.warc"])
def test_another_library_reads_it_back(home: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    result = windrow("export", out, "--source", "import", "--home", home, "--json").json
    assert (result["documents"], result["opted_out"]) == (3, 1)
    read = []
    with out.open("rb") as file:
        for found in ArchiveIterator(file, check_digests="raise"):
            head = found.rec_headers
            body = found.content_stream().read()
            assert int(head.get_header("Content-Length")) == len(body)
            if found.rec_type == "conversion":
                assert head.get_header("WARC-Block-Digest").startswith("sha1:")
                assert head.get_header("X-Windrow-Text-Digest") == f"sha256:{text_sha256(body.decode())}"
                assert head.get_header("WARC-Date") == "2026-03-01T10:00:00.000Z"
                assert head.get_header("WARC-Refers-To").startswith("<urn:uuid:")
                read.append((head.get_header("WARC-Target-URI"), body.decode()))
    assert read == [(f"https://a.example/{n}", words(n)) for n in (1, 2, 3)]
    assert [step.document.text for step in read_warc(out) if step.document] == [words(n) for n in (1, 2, 3)]
    assert not list(tmp_path.glob("*.partial"))


def test_what_nobody_asked_robots_about_is_in_no_export_of_fetched_pages(home: Path, tmp_path: Path) -> None:
    result = windrow("export", tmp_path / "out.warc.gz", "--home", home, "--json").json
    assert result["documents"] == 0
    refused = windrow("export", tmp_path / "x.warc", "--home", home, "--at", 99)
    assert "[no_snapshot]" in refused.err
    assert not (tmp_path / "x.warc").exists()
