"""READMEs and licence texts of the packages installed on this machine.

Rules: everything comes from the packages' own metadata (`importlib.metadata`); order is by package name, a package's
README first, so a smaller site is the beginning of a larger one. Windrow's own package is left out.

Does not: judge licences, or follow a document's links.

Usage::

    for document in installed_documents(40, machine_traces()):
        print(document.title, document.path)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from windrow.demo_site.machine_traces import Traces
from windrow.demo_site.markup import document_html

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS_MIN: Final = 60  # shorter ones say "see the web site"
CHARS_MAX: Final = 400_000
_LICENCE_FILE: Final = re.compile(r"licen[cs]e|copying|notice|authors", re.IGNORECASE)
_PROGRAM: Final = re.compile(r"\.(py|pyc|pyi|so|json|html|toml|spdx)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """One README or licence. `package` is the normalised name, `path` its address on the site."""

    package: str
    kind: Literal["readme", "licence"]
    title: str
    path: str
    text: str
    content_type: str

    def html(self) -> str:
        """The document's text as HTML."""
        return document_html(self.text, self.content_type)


def installed_documents(count_max: int | None, traces: Traces) -> list[Document]:
    """Return up to `count_max` documents of the installed packages, in order of their names."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        name = str(distribution.metadata["Name"] or "")
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution)
    documents = (
        document
        for package in sorted(found)
        if package not in ("", "windrow")
        for document in _documents_of(package, found[package], traces)
    )
    return list(islice(documents, count_max))


def _documents_of(package: str, distribution: metadata.Distribution, traces: Traces) -> Iterator[Document]:
    name = str(distribution.metadata["Name"])
    facts = distribution.metadata.json
    readme = str(facts.get("description") or "")
    if _long_enough(readme):
        yield Document(
            package,
            "readme",
            f"{name} {distribution.version}",
            f"/packages/{package}/",
            traces.removed_from(readme),
            str(facts.get("description_content_type") or ""),
        )
    seen: set[str] = set()
    for file in sorted(distribution.files or [], key=str):
        shown = _licence_name(file)
        if not shown or shown in seen:
            continue
        text = _read(file)
        if _long_enough(text):
            seen.add(shown)
            kind = "text/markdown" if shown.lower().endswith(".md") else "text/plain"
            yield Document(
                package,
                "licence",
                f"{name}: {shown}",
                f"/packages/{package}/{_slug(shown)}.html",
                traces.removed_from(text),
                kind,
            )


def _licence_name(file: metadata.PackagePath) -> str:
    """The licence's name below the package's metadata folder, or nothing when it is another file."""
    parts = file.parts
    inside = [index for index, part in enumerate(parts) if part.endswith((".dist-info", ".egg-info"))]
    if not inside or _PROGRAM.search(file.name):
        return ""
    below = [part for part in parts[inside[0] + 1 :] if part != "licenses"]
    return "/".join(below) if _LICENCE_FILE.search("/".join(parts[inside[0] + 1 :])) else ""


def _read(file: metadata.PackagePath) -> str:
    try:
        return file.read_binary().decode("utf-8", "replace")
    except OSError:  # listed by the package and not installed
        return ""


def _long_enough(text: str) -> bool:
    return len(text) <= CHARS_MAX and len(text.split()) >= WORDS_MIN


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "licence"
