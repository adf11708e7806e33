"""Child process: describe standard library modules with pydoc, one fork for each module.

Rules: runs alone, as `python -s -S -P -B pydoc_child.py`, in an environment its parent made from nothing; imports
only the standard library. It reads one JSON object {"folder", "names", "pattern", "instead"} from standard input,
writes `folder/<name>.html` for each module that can be described, and answers `ready`, then one line
`<name> ok|failed` for each.
Importing any module may do anything, so each is imported in a fork of the same fresh process: it cannot open
sockets, start programs or write files, its time is limited, and if it dies only its own page is lost. A fork also
makes a page independent of which modules were described before it.

Does not: choose modules, or add anything of the site around what pydoc says.

Usage: see `library.describe_modules`, which starts it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pydoc
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

Clean = Callable[[str], str]

CPU_S_MAX: Final = 10
WALL_S_MAX: Final = 60  # generous, so that a busy machine makes the same site as an idle one
BLOCKED_EVENTS: Final = (
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto", "webbrowser.open"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.remove", "os.rename", "os.mkdir"),
)
WRITE_FLAGS: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_OBJECT_ADDRESS: Final = re.compile(r"((&nbsp;| )at(&nbsp;| )0x[0-9a-fA-F]+)|(?<=handle )[0-9a-f]{6,}")
# Imported before the forks only because most modules need them: it halves the work and changes no page's meaning.
SHARED_BY_MOST: Final = (
    *("asyncio", "email.message", "http.client"),
    *("logging", "typing", "unittest", "xml.dom.minidom"),
)


def _refuse_effects(event: str, arguments: tuple[Any, ...]) -> None:
    if event in BLOCKED_EVENTS:
        raise PermissionError(event)
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITE_FLAGS:
        raise PermissionError(f"writing {arguments[0]}")


def _hide_traces(clean: Clean) -> None:
    """Replace this machine's paths before pydoc shortens long values, since half a path is still a path."""
    shorten = pydoc.cram

    def cram(text: str, maxlen: int) -> str:
        return shorten(clean(text), maxlen)

    pydoc.cram = cram


def _described(name: str, clean: Clean) -> str:
    module = importlib.import_module(name)
    return _OBJECT_ADDRESS.sub("", clean(pydoc.html.document(module, name)))


def _fork_for(name: str, folder: str, clean: Clean) -> None:
    """Runs in the fork and never returns; status 0 means that the page is written."""
    try:
        signal.setitimer(signal.ITIMER_PROF, CPU_S_MAX)
        signal.alarm(WALL_S_MAX)
        page = os.open(os.path.join(folder, f"{name}.html"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        sys.addaudithook(_refuse_effects)
        content = memoryview(_described(name, clean).encode("utf-8", "replace"))
        while content:
            content = content[os.write(page, content) :]
        os._exit(0)
    except BaseException:  # a module may raise anything, SystemExit included
        os._exit(1)


def main() -> None:
    """Describe every module named on standard input."""
    task = json.load(sys.stdin)
    traces, instead = re.compile(task["pattern"]), task["instead"]

    def clean(text: str) -> str:
        return str(traces.sub(lambda match: str(instead[match[0]]), text))

    sys.argv = ["pydoc"]
    warnings.simplefilter("ignore")
    for name in SHARED_BY_MOST:
        importlib.import_module(name)
    _hide_traces(clean)
    gc.disable()  # a collection in a fork would copy every page of memory that it shares with this process
    print("ready", flush=True)
    for name in task["names"]:
        fork = os.fork()
        if fork == 0:
            _fork_for(name, task["folder"], clean)
        described = os.waitpid(fork, 0)[1] == 0
        print(name, "ok" if described else "failed", flush=True)


if __name__ == "__main__":
    main()
