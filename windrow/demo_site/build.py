"""Renders the demo's web site to static files.

Rules: what is written below `out` follows only from the software on this machine, so building twice gives the same
bytes. Modules are on the first five hosts, packages on the last three; some pages are mirrored on another host, half
of them to the byte, half in the other host's frame, because that is how duplicates come about in the real web.

Does not: serve the site (`serve`), or decide which addresses are crawled.

Usage::

    manifest = build_site(Path("site"), modules_max=60, documents_max=40, progress=lambda done, total: None)
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from windrow.demo_site.chrome import HOSTS, Link, Page, framed, index_body, style_sheet
from windrow.demo_site.documents import installed_documents
from windrow.demo_site.library import describe_modules, linked, module_names, words_count
from windrow.demo_site.machine_traces import Traces, machine_traces
from windrow.demo_site.manifest import MANIFEST_NAME, Kind, SiteEntry, SiteManifest, save_manifest
from windrow.demo_site.specials import GUIDE_HOST, robots_txt, specials

Progress = Callable[[int, int], None]

LIBRARY_HOSTS: Final = 5
MODULES_PER_MIRROR: Final = 16
DOCUMENTS_PER_MIRROR: Final = 10
MIRROR_DISTANCE: Final = 3
WORDS_MIN: Final = 40  # a module that says less is an empty package or a re-export


@dataclass(frozen=True, slots=True)
class _Placed:
    """A page, where it is, and whether a second host has it too (`same_bytes`: with the first host's frame)."""

    host_index: int
    path: str
    kind: Kind
    page: Page
    mirrored: bool
    same_bytes: bool


def build_site(
    out: Path, *, modules_max: int | None, documents_max: int | None, progress: Progress
) -> SiteManifest:
    """Render the site below `out` (made if need be; an older site in it is replaced) and return its manifest.

    `progress(done, total)` is called in the calling thread for each page. Raises OSError when `out` is unwritable.
    """
    shutil.rmtree(out / "hosts", ignore_errors=True)
    (out / MANIFEST_NAME).unlink(missing_ok=True)
    traces = machine_traces()
    names = module_names(modules_max)
    documents = installed_documents(documents_max, traces)
    total = len(names) + len(documents)
    placed: list[_Placed] = []
    packages = sorted({document.package for document in documents})
    host_of = {
        package: LIBRARY_HOSTS + i % (len(HOSTS) - LIBRARY_HOSTS) for i, package in enumerate(packages)
    }
    for done, document in enumerate(documents, start=1):
        page = Page(
            document.title, document.html(), heading=document.title, trail=("Packages", document.package)
        )
        host_index = host_of[document.package]
        nth, odd = divmod(done, DOCUMENTS_PER_MIRROR)
        placed.append(_Placed(host_index, document.path, document.kind, page, odd == 0, nth % 2 == 0))
        progress(done, total)
    modules = _described(names, traces, lambda done: progress(len(documents) + done, total))
    placed = [*_placed_modules(modules), *placed]
    manifest = _write(out, placed, skipped=len(names) - len(modules))
    save_manifest(manifest, out)
    return manifest


def _described(names: list[str], traces: Traces, progress: Callable[[int], None]) -> dict[str, str]:
    """Return pydoc's HTML by module name, in the order of `names`."""
    described: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="windrow-pydoc-") as folder:
        for done, (name, content) in enumerate(describe_modules(names, Path(folder), traces), start=1):
            if content is not None and words_count(content) >= WORDS_MIN:
                described[name] = content
            progress(done)
    return {name: described[name] for name in names if name in described}


def _placed_modules(modules: dict[str, str]) -> list[_Placed]:
    known = frozenset(modules)
    placed = []
    for i, (name, content) in enumerate(modules.items()):
        nth, odd = divmod(i + 1, MODULES_PER_MIRROR)
        page = Page(f"Python: module {name}", linked(content, known), trail=("Library", *name.split(".")))
        path = f"/library/{name}.html"
        placed.append(_Placed(i % LIBRARY_HOSTS, path, "module", page, odd == 0, nth % 2 == 0))
    return placed


def _write(out: Path, placed: list[_Placed], *, skipped: int) -> SiteManifest:
    entries: list[SiteEntry] = []
    assets: list[SiteEntry] = []
    for special in specials():
        (assets if special.entry.kind == "asset" else entries).append(special.entry)
        if special.content:
            _save(out, special.entry.file, special.content)
    for host_index in range(len(HOSTS)):
        entries.extend(_write_host(out, host_index, [p for p in placed if p.host_index == host_index]))
        assets.extend(_write_assets(out, host_index, [e for e in entries if e.host_index == host_index]))
    return SiteManifest(entries=entries, assets=assets, skipped=skipped)


def _write_host(out: Path, host_index: int, placed: list[_Placed]) -> list[SiteEntry]:
    """Write one host's pages, each linked to its neighbours, and the mirrors of some of them on another host."""
    links: list[Link | None] = [None, *((p.path, p.page.title) for p in placed), None]
    entries = []
    for i, p in enumerate(placed):
        file = _file_of(host_index, p.path)
        content = framed(HOSTS[host_index], p.page, before=links[i], after=links[i + 2])
        _save(out, file, content.encode("utf-8", "replace"))
        entries.append(
            SiteEntry(host_index=host_index, path=p.path, kind=p.kind, expect="fetched", file=file)
        )
        if p.mirrored:
            mirror = (host_index + MIRROR_DISTANCE) % len(HOSTS)
            if not p.same_bytes:
                file = _file_of(mirror, p.path)
                _save(out, file, framed(HOSTS[mirror], p.page).encode("utf-8", "replace"))
            entries.append(
                SiteEntry(host_index=mirror, path=p.path, kind=p.kind, expect="fetched", file=file)
            )
    return entries


def _write_assets(out: Path, host_index: int, entries: list[SiteEntry]) -> list[SiteEntry]:
    """Write one host's index, style sheet, robots.txt and 404 page."""
    host, folder = HOSTS[host_index], f"hosts/{host_index}"
    links = [(e.path, _words_for(e.path)) for e in entries if e.expect == "fetched" and e.status == 200]
    index = Page("All pages", index_body(sorted(links)), heading=host.motto)
    lost = Page("Not found", "<p>There is no page at this address.</p>", heading="Not found")
    section = "/library/" if host_index < LIBRARY_HOSTS else "/packages/"
    html_files = {"index.html": framed(host, index), "404.html": framed(host, lost)}
    for name, content in html_files.items():
        _save(out, f"{folder}/{name}", content.encode())
    _save(out, f"{folder}/style.css", style_sheet(host).encode())
    _save(out, f"{folder}/robots.txt", robots_txt(host_index).encode())
    paths = ["/", section] + (["/guide/"] if host_index == GUIDE_HOST else [])
    assets = [_asset(host_index, path, f"{folder}/index.html", "text/html; charset=utf-8") for path in paths]
    assets.append(_asset(host_index, "/style.css", f"{folder}/style.css", "text/css; charset=utf-8"))
    assets.append(_asset(host_index, "/robots.txt", f"{folder}/robots.txt", "text/plain; charset=utf-8"))
    return assets


def _asset(host_index: int, path: str, file: str, content_type: str) -> SiteEntry:
    return SiteEntry(
        host_index=host_index, path=path, kind="asset", expect="fetched", file=file, content_type=content_type
    )


def _words_for(path: str) -> str:
    return re.sub(r"\.html$", "", path.strip("/").split("/", 1)[-1]) or path


def _file_of(host_index: int, path: str) -> str:
    inside = path.strip("/")
    return f"hosts/{host_index}/{inside}/index.html" if path.endswith("/") else f"hosts/{host_index}/{inside}"


def _save(out: Path, file: str, content: bytes) -> None:
    target = out / file
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
