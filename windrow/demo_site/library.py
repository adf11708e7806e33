"""The standard library of this machine, described by Python's own pydoc in child processes.

Rules: module names come from the file system, so nothing is imported to find them; modules that open windows, print
or test themselves are left out; the children share the work evenly and each page is made in a process of its own
(`pydoc_child`), so its bytes do not depend on its neighbours. Links to modules that have no page become plain text.

Does not: put the site's frame around a page.

Usage::

    for name, html in describe_modules(module_names(60), folder):
        ...
"""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import Final

from windrow.demo_site.machine_traces import Traces

# They open windows or browsers, print poems, are tests and tools of Python's own developers, or (the parser of
# mail headers, 70 classes without docstrings) take as long to describe as fifty others.
LEFT_OUT: Final = frozenset(
    [
        "__main__",
        "__hello__",
        "__phello__",
        "antigravity",
        "idlelib",
        "idle_test",
        "lib2to3",
        "test",
        "tests",
        "this",
        "tkinter",
        "turtle",
        "turtledemo",
        "xxlimited",
        "xxlimited_35",
        "xxsubtype",
        "_bundled",
        "_header_value_parser",
    ]
)
_PREFIXES_LEFT_OUT: Final = ("_sysconfigdata", "_test", "_xx")
WORKERS_MAX: Final = 8
_FILE_LINK: Final = re.compile(r'<a href="file:[^"]*">([^<]*)</a>')
_MODULE_LINK: Final = re.compile(r'<a href="([\w.]+)\.html((?:#[^"]*)?)">(.*?)</a>', re.DOTALL)
_INDEX_LINK: Final = re.compile(r'<a href="\.">index</a>(?:<br>)?')
_TAG: Final = re.compile(r"<[^>]*>")
# What a Python built in an unusual place needs to start; everything else of the environment stays outside.
_KEPT_ENVIRONMENT: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


def module_names(count_max: int | None) -> list[str]:
    """Return names of standard library modules: top level first, then parts of packages, then private ones."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    names = {name for name in sys.stdlib_module_names if _wanted(name)}
    for top in sorted(names):
        package = stdlib / top
        if (package / "__init__.py").is_file():
            names.update(_parts(package, top))
    ordered = sorted(names, key=lambda name: (_private(name), name.count("."), name))
    return ordered if count_max is None else ordered[:count_max]


def describe_modules(names: list[str], folder: Path, traces: Traces) -> Iterator[tuple[str, str | None]]:
    """Yield (name, pydoc's HTML or None when the module cannot be described) in the order they are finished.

    `folder` holds the pages on their way and is left to the caller to remove. Raises RuntimeError, with what the
    child said, when a child cannot even start.
    """
    workers_count = max(1, min(os.cpu_count() or 1, WORKERS_MAX, len(names)))
    finished: queue.Queue[tuple[str, bool] | None] = queue.Queue()
    with ThreadPoolExecutor(workers_count) as pool:
        workers = [
            pool.submit(_run_child, names[worker::workers_count], folder, traces, finished)
            for worker in range(workers_count)
        ]
        working = workers_count
        while working:
            answer = finished.get()
            if answer is None:
                working -= 1
            else:
                name, described = answer
                yield name, (folder / f"{name}.html").read_text("utf-8") if described else None
        for worker in workers:
            worker.result()


def linked(html: str, known: frozenset[str]) -> str:
    """Return a page of pydoc with links that hold on the site: `/library/<name>.html` where there is such a page."""

    def relink(match: re.Match[str]) -> str:
        name, anchor, words = match.groups()
        return f'<a href="/library/{name}.html{anchor}">{words}</a>' if name in known else words

    html = _INDEX_LINK.sub('<a href="/">index</a><br>', _FILE_LINK.sub(r"\1", html))
    return _MODULE_LINK.sub(relink, html)


def words_count(page: str) -> int:
    """How many words a page of pydoc says to its reader."""
    return len(unescape(_TAG.sub(" ", page)).split())


def _wanted(name: str) -> bool:
    return not (set(name.split(".")) & LEFT_OUT or name.startswith(_PREFIXES_LEFT_OUT))


def _private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def _parts(package: Path, top: str) -> Iterator[str]:
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        name = ".".join((top, *parts))
        if all(part.isidentifier() for part in parts) and _wanted(name):
            yield name


def _run_child(
    names: list[str], folder: Path, traces: Traces, finished: queue.Queue[tuple[str, bool] | None]
) -> None:
    """Feed one child; a child that dies itself is started again behind the module that it died on."""
    left = list(names)
    try:
        while left:
            for name, described in _child_answers(left, folder, traces):
                finished.put((name, described))
                left.remove(name)
            if left:
                finished.put((left.pop(0), False))
    finally:
        finished.put(None)


def _child_answers(names: list[str], folder: Path, traces: Traces) -> Iterator[tuple[str, bool]]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/home/reader", "USER": "reader", "LANG": "C.UTF-8"}
    environment |= {"TZ": "UTC", "TERM": "dumb", "PYTHONHASHSEED": "0"}
    environment |= {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    program = [sys.executable, "-s", "-S", "-P", "-B", str(Path(__file__).with_name("pydoc_child.py"))]
    task = {
        "folder": str(folder.resolve()),
        "names": names,
        "pattern": traces.pattern,
        "instead": traces.instead,
    }
    with subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd="/",
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(json.dumps(task))
        child.stdin.close()
        if child.stdout.readline() != "ready\n":
            if child.wait() < 0:
                return  # killed before it began: no worse than killed at its first module
            raise RuntimeError(f"pydoc's child process did not start: {child.stderr.read()[-500:]}")
        for line in child.stdout:
            name, answer = line.split()
            yield name, answer == "ok"
