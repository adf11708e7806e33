"""Python's collector in a house of ten thousand connections: what outlived one full collection is left out of the next.

A full collection walks every object there is, and the house answers nobody meanwhile: 0.4 s with ten thousand nodes
connected, again whenever there is a quarter more. What it leaves stays, nearly all of it: connections, tables,
compiled statements. So that is set aside, and the next one walks only what came since.

Rules: what is set aside is still freed when nothing refers to it. Only circles among it wait, until `collect_all`,
which looks at everything and sets aside what is left; the house does it once an hour.

Does not: choose when Python collects. Usage: `set_aside_what_stays()` once at the start, `collect_all()` now and then.
"""

from __future__ import annotations

import gc
from typing import Final

_OLDEST: Final = 2  # generation: a collection of it is a full one
# New objects before the youngest are looked at. A group of batches makes some ten thousand that live until it is
# answered; at Python's own 700 they were walked over and over (docs/adr/0075).
_YOUNGEST_MAX: Final = 20_000


def set_aside_what_stays() -> None:
    """Collect all, set aside what is left, and from now on what each full collection leaves; again is harmless."""
    if _after not in gc.callbacks:
        gc.callbacks.append(_after)
        gc.set_threshold(_YOUNGEST_MAX, *gc.get_threshold()[1:])
    gc.collect()


def collect_all() -> int:
    """Collect everything, what was set aside too; return how many objects were unreachable."""
    gc.unfreeze()
    return gc.collect()


def _after(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == _OLDEST:
        gc.freeze()
