"""What must not leave this machine in a page: its paths, its home folder, its name and its user's name.

Rules: a trace is replaced only where it stands by itself, longest first; places every machine has (`/usr`) are left
alone, because replacing them would only damage documents. A host or user name is replaced only where it cannot be an
ordinary word, since pages are made in a child process that is not told either.

Does not: find personal data in pages, or change anything but the text it is given.

Usage::

    traces = machine_traces()
    clean = traces.removed_from(text)
"""

from __future__ import annotations

import getpass
import re
import socket
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

COMMON_PLACES: Final = frozenset({"/", "/usr", "/usr/local", "/opt", "/home", "/tmp", "/var", ""})
_WORD_LIKE: Final = re.compile(r"[a-z]+", re.IGNORECASE)


@dataclass(frozen=True)
class Traces:
    """What to find and what to write instead."""

    instead: dict[str, str]

    @cached_property
    def pattern(self) -> str:
        """A regular expression for any trace that is not a part of a longer name."""
        found = sorted(self.instead, key=lambda trace: (-len(trace), trace))
        return rf"(?<![\w.\-])(?:{'|'.join(map(re.escape, found))})(?![\w\-])"

    def removed_from(self, text: str) -> str:
        """Return `text` with each trace replaced."""
        return re.sub(self.pattern, lambda match: self.instead[match[0]], text)


def machine_traces() -> Traces:
    """Return the traces of this machine and this user."""
    stdlib = sysconfig.get_path("stdlib")
    instead = {stdlib: "Lib", str(Path(stdlib).resolve()): "Lib"}
    for place in (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix):
        _add(instead, place, "/usr/local")
    _add(instead, str(Path(__file__).resolve().parents[2]), "/usr/local")
    _add(instead, tempfile.gettempdir(), "/tmp")
    _add(instead, str(Path.home()), "/home/reader")
    for name, another in ((socket.gethostname(), "localhost"), (_user(), "reader")):
        if len(name) >= 4 and not _WORD_LIKE.fullmatch(name):
            instead.setdefault(name, another)
    return Traces(instead)


def _add(instead: dict[str, str], place: str, another: str) -> None:
    for spelling in (place, str(Path(place).resolve())):
        if spelling not in COMMON_PLACES:
            instead.setdefault(spelling, another)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # no such user in the container's password file
        return ""
