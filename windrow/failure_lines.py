"""How a failure stands in a house's log: the lines of code that it came through, and what kind it was, without values.

Rules: messages of exceptions are left out, because they quote what was being worked on: people's texts, statements with
their values, passwords. What our own errors are called (their code) and what the system says (`strerror`) is told.

Does not: decide what is logged. Usage: `renderer.exception_formatter = told_by_lines`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

from windrow_protocol.errors import WindrowError

_BECAUSE = "\nwhich led to:\n\n"


def told_by_lines(
    out: TextIO, failure: tuple[type[BaseException], BaseException, TracebackType | None]
) -> None:
    """Write a failure and, before it, what led to it."""
    out.write("\n" + _BECAUSE.join(_told(each) for each in _story(failure[1])))


def _story(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    yield from reversed(seen)


def _told(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__)) + _kind_of(error)


def _kind_of(error: BaseException) -> str:
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, WindrowError):
        return f"{name} [{error.code}]"
    said = error.strerror if isinstance(error, OSError) else ""
    return f"{name}: {said}" if said else name
