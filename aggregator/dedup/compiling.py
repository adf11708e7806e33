"""Compiling a loop: at its first call, for the types that it is given, and kept for later processes where that can be.

Rules: numba keeps what it compiled beside the source, in the user's cache, or in `NUMBA_CACHE_DIR`. Where none of them
can be written (a read-only installation, no home) it refuses; then the loop is compiled anew in each process, which
takes some seconds and changes no answer.

Does not: choose when to compile (see `warming`).

Usage::

    @compiled
    def first_not_below(entries, key): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_T = TypeVar("_T")


def compiled(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function compiled at its first call for the types that it is given."""
    try:
        made = numba.njit(cache=True, nogil=True, boundscheck=False)(function)
    except RuntimeError:  # "no locator available": nowhere to keep it
        made = numba.njit(nogil=True, boundscheck=False)(function)
    return cast(Callable[_P, _T], made)
