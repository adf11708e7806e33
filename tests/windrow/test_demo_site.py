"""The demo's web site: built from this machine without its traces, and served as eight hosts as promised."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import re
import socket
import sys
from collections import Counter
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from demo_site_size import SITE_DOCUMENTS, SITE_MODULES

from contributor_node.extraction.main_text import extract
from windrow.demo_site import SiteManifest, build_site, frontier_urls, load_manifest
from windrow.demo_site.library import describe_modules, linked, module_names
from windrow.demo_site.machine_traces import Traces, machine_traces
from windrow.demo_site.manifest import SiteEntry, save_manifest
from windrow.demo_site.markup import document_html
from windrow.demo_site.serve import SiteTable
from windrow_protocol.content import normalise_text, shingle_hashes, text_sha256, words
from windrow_protocol.errors import WindrowError


def _text(root: Path, entry: SiteEntry) -> str:
    return normalise_text(extract((root / entry.file).read_bytes(), entry.content_type).text)


def _texts(root: Path, manifest: SiteManifest) -> dict[tuple[int, str], str]:
    return {
        (entry.host_index, entry.path): _text(root, entry)
        for entry in manifest.entries
        if entry.expect == "fetched" and entry.file
    }


def _files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


# --- what is built ------------------------------------------------------------------------------------------------


def test_the_manifest_is_on_disk_and_every_file_is_there(site: tuple[Path, SiteManifest]) -> None:
    root, manifest = site
    assert load_manifest(root) == manifest
    for entry in (*manifest.entries, *manifest.assets):
        assert not entry.file or (root / entry.file).is_file(), entry.path
    addresses = Counter((entry.host_index, entry.path) for entry in (*manifest.entries, *manifest.assets))
    assert max(addresses.values()) == 1
    assert {entry.host_index for entry in manifest.entries} == set(range(8))
    assert manifest.counts()["module"] + manifest.skipped >= SITE_MODULES


def test_a_second_build_gives_the_same_bytes(site: tuple[Path, SiteManifest], tmp_path: Path) -> None:
    (tmp_path / "hosts" / "0").mkdir(parents=True)
    (tmp_path / "hosts" / "0" / "left-over.html").write_text("from an older, larger site")
    build_site(
        tmp_path, modules_max=SITE_MODULES, documents_max=SITE_DOCUMENTS, progress=lambda done, total: None
    )
    assert _files(tmp_path) == _files(site[0])


def test_pages_are_not_told_where_they_were_made(site: tuple[Path, SiteManifest]) -> None:
    places = {sys.prefix, sys.base_prefix, str(Path.home()), str(site[0])} - {"/", "/usr", "/usr/local"}
    traces = re.compile("|".join(rf"(?<![\w.-]){re.escape(place)}(?![\w-])" for place in places))
    for path in site[0].rglob("*"):
        if path.is_file():
            assert not traces.search(path.read_text("utf-8", "replace")), path


def test_modules_that_know_the_machine_best_keep_it_to_themselves(tmp_path: Path) -> None:
    names = ["os", "sys", "site", "sysconfig", "tempfile", "getpass", "platform", "socket"]
    pages = dict(describe_modules(names, tmp_path, machine_traces()))
    home, host = str(Path.home()), socket.gethostname()
    for name, page in pages.items():
        assert page is not None, name
        assert sys.prefix not in page, name
        assert sys.base_prefix in ("/usr", "/usr/local") or sys.base_prefix not in page, name
        assert not re.search(rf"{re.escape(home)}\b", page), name
        assert len(host) < 4 or not re.search(rf"\b{re.escape(host)}\b", page), name
        assert not re.search(r"\bat(&nbsp;| )0x[0-9a-f]{6,}", page), name
        assert "WINDROW" not in page, name


def test_a_trace_is_replaced_only_where_it_stands_alone() -> None:
    traces = Traces({"/home/anna": "/home/reader", "/home/anna/.venv": "/usr/local"})
    assert traces.removed_from("/home/anna/.venv/bin, /home/anna/x.") == "/usr/local/bin, /home/reader/x."
    assert (
        traces.removed_from("/home/annabel https://x.org/home/anna")
        == "/home/annabel https://x.org/home/anna"
    )


def test_modules_that_do_things_are_left_out_and_missing_ones_are_skipped(tmp_path: Path) -> None:
    pages = dict(describe_modules(["no_such_module", "json"], tmp_path, machine_traces()))
    assert pages["no_such_module"] is None
    assert pages["json"] is not None
    assert not {"antigravity", "this", "turtle", "json.__main__"} & set(module_names(None))


@pytest.mark.parametrize(
    "effect",
    [
        "import socket; socket.create_connection(('127.0.20.1', 9))",
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "open('new', 'w')",
        "import os; os.mkdir('new')",
        "import time; time.sleep(60)",
    ],
)
async def test_what_a_module_tries_on_import_ends_with_its_fork(effect: str, tmp_path: Path) -> None:
    program = Path(inspect.getfile(describe_modules)).with_name("pydoc_child.py")
    (tmp_path / "rogue.py").write_text(effect + "\n")
    preface = (
        f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); import signal; alarm = signal.alarm; "
    )
    shorter = "signal.alarm = lambda seconds: alarm(1); "
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-s", "-S", "-P", "-B", "-c"),
        f"{preface}{shorter}runpy.run_path({str(program)!r}, run_name='__main__')",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    task = {"folder": str(tmp_path), "names": ["rogue", "json"], "pattern": "(?!)", "instead": {}}
    said, _ = await child.communicate(json.dumps(task).encode())
    assert said.decode().split("\n")[:3] == ["ready", "rogue failed", "json ok"]
    assert not (tmp_path / "new").exists()


def test_a_killed_child_loses_at_most_the_module_it_was_at(tmp_path: Path) -> None:
    names = module_names(16)
    answers: dict[str, str | None] = {}
    for name, page in describe_modules(names, tmp_path, machine_traces()):
        if not answers:
            victim = next(
                child
                for child in psutil.Process().children()
                if "pydoc_child.py" in " ".join(child.cmdline())
            )
            victim.kill()
        answers[name] = page
    assert sorted(answers) == sorted(names)
    assert sum(page is None for page in answers.values()) <= 1


def test_links_of_pydoc_lead_to_pages_of_the_site_or_nowhere() -> None:
    links = ['<a href="re.html#A">A</a>', '<a href="z.html">z</a>']
    html = f'<a href=".">index</a><br><a href="file:/x/re.py">Lib/re.py</a> {links[0]} {links[1]}'
    shown = linked(html, frozenset({"re"}))
    assert shown == '<a href="/">index</a><br>Lib/re.py <a href="/library/re.html#A">A</a> z'


MARKDOWN = "# A\n\nq <b>x</b> ![alt](http://a/b.png) [l](javascript:1) [m](/local)"
RST = "A & B\n=====\n\n``x<y`` and `t <https://e.org>`_"
RST_HTML = '<h2>A &amp; B</h2>\n<p><code>x&lt;y</code> and <a href="https://e.org">t</a></p>'


@pytest.mark.parametrize(
    ("text", "kind", "html"),
    [
        (MARKDOWN, "text/markdown", "<h1>A</h1>\n<p>q  x  alt [l](javascript:1) <a>m</a></p>\n"),
        ("<script>alert(1)</script>\n", "text/markdown", "<p>alert(1)</p>\n"),
        (RST, "text/x-rst", RST_HTML),
        (
            ".. image:: http://a/b.png\n   :alt: b\n\n* one\n* two",
            "text/x-rst",
            "<ul><li>one</li><li>two</li></ul>",
        ),
        ("one\n<two>\n\nthree", "", "<p>one &lt;two&gt;</p>\n<p>three</p>"),
    ],
)
def test_documents_become_harmless_html(text: str, kind: str, html: str) -> None:
    assert document_html(text, kind) == html


def test_duplicates_come_about_by_themselves(site: tuple[Path, SiteManifest]) -> None:
    texts = _texts(*site)
    assert min(len(words(text)) for text in texts.values()) >= 40
    by_text: dict[str, set[int]] = {}
    for (host_index, _path), text in texts.items():
        by_text.setdefault(text_sha256(" ".join(words(text))), set()).add(host_index)
    assert sum(len(hosts) - 1 for hosts in by_text.values()) >= 5
    licences = [
        shingle_hashes(texts[entry.host_index, entry.path])
        for entry in site[1].entries
        if entry.kind == "licence"
    ]
    near = [
        any(0.8 <= len(one & other) / len(one | other) < 1 for other in licences[:nth])
        for nth, one in enumerate(licences)
    ]
    assert sum(near) >= 5


def test_the_frame_is_on_the_page_and_not_in_the_text(site: tuple[Path, SiteManifest]) -> None:
    root, manifest = site
    entry = next(entry for entry in manifest.entries if entry.path == "/library/abc.html")
    page = (root / entry.file).read_text()
    assert re.search(r"<title>Python: module abc - [\w ]+</title>", page)
    assert 'role="navigation"' in page
    assert 'class="site-footer"' in page
    text = _text(root, entry)
    assert "Abstract Base Classes" in text
    assert "robots.txt" not in text
    assert "Generated for a demonstration" not in text


def test_the_frontier_takes_the_hosts_in_turn(site: tuple[Path, SiteManifest]) -> None:
    hosts = [f"http://127.0.20.{number}:80{number}" for number in range(1, 9)]
    urls = frontier_urls(site[1], hosts)
    assert len(urls) == len(set(urls)) == len(site[1].entries)
    assert len({url.split("/")[2] for url, _ in urls[:8]}) == 8
    assert [url for url, render in urls if render == "browser"] == [f"{hosts[2]}/app/week"]
    with pytest.raises(ValueError, match="8 hosts"):
        frontier_urls(site[1], hosts[:3])


def test_a_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    entry = SiteEntry(host_index=0, path="/x", kind="special", expect="fetched", file="../secret")
    save_manifest(SiteManifest(entries=[entry], assets=[]), tmp_path)
    with pytest.raises(WindrowError, match="outside its folder"):
        SiteTable(tmp_path)
