"""Questions and their answers: passed, failed, or not checked with the reason.

Rules: a question passes with a sentence, fails with a `WindrowError`, and is *not checked* with `NotChecked`, which is
neither a pass nor a failure. Many failures of one kind are one answer that counts them and shows the first few.

Does not: know what is asked.

Usage::

    report = Report()
    report.ask("files", lambda: "12 files as listed")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from windrow_protocol.errors import WindrowError

State = Literal["passed", "failed", "not_checked"]
Question = tuple[str, Callable[[], str]]
SHOWN_MAX: Final = 5


@dataclass(frozen=True)
class Check:
    """One question and its answer; `detail` is a sentence."""

    name: str
    state: State
    detail: str


class NotChecked(Exception):  # noqa: N818 - it is no error
    """A question that could not be asked; the message says why."""


@dataclass
class Report:
    """Asks questions one by one and keeps the answers in `checks`."""

    checks: list[Check] = field(default_factory=list)

    def ask_all(self, questions: Iterable[Question]) -> None:
        """Ask several questions in their order."""
        for name, question in questions:
            self.ask(name, question)

    def ask(self, name: str, question: Callable[[], str]) -> None:
        """Ask one question."""
        try:
            self.checks.append(Check(name, "passed", question()))
        except NotChecked as reason:
            self.checks.append(Check(name, "not_checked", str(reason)))
        except WindrowError as error:
            self.checks.append(Check(name, "failed", _in_words(error)))


def _in_words(error: WindrowError) -> str:
    """Return a refusal in one sentence; faults found here describe themselves."""
    if error.code in ("export_corrupt", "bad_proof") and error.detail:
        return error.detail
    return error.reason.sentence + (f" ({error.detail})" if error.detail else "")


@dataclass
class Findings:
    """What is wrong in a long list: a count, and the first few in words."""

    count: int = 0
    shown: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """Note one fault."""
        self.count += 1
        if self.count <= SHOWN_MAX:
            self.shown.append(sentence)

    def require_none(self, code: str = "export_corrupt") -> None:
        """Raise WindrowError with the count and the first faults, if there are any."""
        if self.count:
            more = f"; and {self.count - SHOWN_MAX} more" if self.count > SHOWN_MAX else ""
            raise WindrowError(code, "; ".join(self.shown) + more)
