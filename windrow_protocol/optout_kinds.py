"""The vocabulary of opt-out signals, and which of them deny training.

Rules: `KINDS` is the whole vocabulary and says of each kind when it denies. TDM reservations supersede each other in
the order that TDMRep lays down; every other denial stands by itself, so that the most restrictive statement holds.

Does not: find signals (`optout.py`).

Usage::

    denies_training([Signal("noai", "*", "meta:robots")])  # True
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from windrow_protocol.limits import OPTOUT_VALUE_CHARS_MAX


class Signal(NamedTuple):
    """One thing said about use. `value` depends on the kind; `source` is where: `header:`, `meta:`, `robots:`…"""

    kind: str
    value: str
    source: str

    def as_text(self) -> str:
        """Return the signal as one line of at most 256 characters, as `Contribution.optout_signals` carries it."""
        return f"{self.source} {self.kind}={self.value}"


# AIPREF's label for training, then the broader labels of its earlier drafts: the most specific one that is present
# counts. The narrower ones count by themselves, because an export may well train a generative model.
TRAINING_AND_BROADER: Final = ("train-ai", "ai", "tdm", "bots")
NARROWER_THAN_TRAINING: Final = ("train-genai", "genai")


def _denies(signal: Signal) -> bool:
    return True


def _records(signal: Signal) -> bool:
    return False


def _denies_if_one(signal: Signal) -> bool:
    return signal.value == "1"


def _usage_denies(signal: Signal) -> bool:
    preferences = _preferences(signal.value)
    if any(preferences.get(label) == "n" for label in NARROWER_THAN_TRAINING):
        return True
    return next((preferences[label] for label in TRAINING_AND_BROADER if label in preferences), "") == "n"


def _content_signal_denies(signal: Signal) -> bool:
    return _preferences(signal.value).get("ai-train") == "no"


def _preferences(value: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in value.split(", ") if "=" in pair)


class Kind(NamedTuple):
    """One kind of signal: when it denies training by itself, and what it says."""

    denies: Callable[[Signal], bool]
    sentence: str


KINDS: Final[dict[str, Kind]] = {
    "noai": Kind(_denies, "The page asks not to be used for AI"),
    "noimageai": Kind(
        _denies, "The page asks that its images are not used for AI; the whole page is left out"
    ),
    "noml": Kind(_denies, "The page asks not to be used for machine learning"),
    "tdm-reservation": Kind(_denies_if_one, "Rights to text and data mining are reserved (1) or not (0)"),
    "content-usage": Kind(_usage_denies, "The site states preferences for automated use (AIPREF)"),
    "content-signal": Kind(_content_signal_denies, "The site states content signals"),
    "tdm-policy": Kind(_records, "There is a policy for text and data mining"),
    "rsl-license": Kind(_records, "There is a machine-readable licence (RSL)"),
    "noindex": Kind(_records, "The page asks not to be indexed"),
    "noarchive": Kind(_records, "The page asks not to be cached"),
    "nocache": Kind(_records, "The page asks to be shown only as a snippet"),
    "nosnippet": Kind(_records, "The page asks not to be quoted"),
    "invalid": Kind(_records, "Something was said that cannot be read"),
}
# TDMRep, "Processing priority": each of these supersedes the one before it.
_TDM_SOURCES: Final = ("file", "header", "meta")


def clean_value(text: str) -> str:
    """Return text fit for a signal's value: one printable line of at most `OPTOUT_VALUE_CHARS_MAX` characters."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:OPTOUT_VALUE_CHARS_MAX]


def invalid_signal(text: str, source: str) -> Signal:
    """Return the record of something said that cannot be read."""
    return Signal("invalid", clean_value(text), source)


def signal_from_text(text: str) -> Signal:
    """Return the signal that `Signal.as_text` wrote; a line of another shape is an `invalid` signal."""
    source, _, rest = text.partition(" ")
    kind, equals, value = rest.partition("=")
    return Signal(kind, value, source) if equals and kind in KINDS else invalid_signal(text, "text")


def denying_signals(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Return the signals because of which a page must not be in a training set, in their order."""
    found = tuple(signals)
    ranks = [tdm_rank(signal) for signal in found]
    strongest = max(ranks, default=-1)
    return tuple(
        signal
        for signal, rank in zip(found, ranks, strict=True)
        if signal.kind in KINDS and KINDS[signal.kind].denies(signal) and rank in (-1, strongest)
    )


def denies_training(signals: Iterable[Signal]) -> bool:
    """Return whether any of the signals of one page denies its use for training."""
    return bool(denying_signals(signals))


def tdm_rank(signal: Signal) -> int:
    """Return how strong a TDM reservation's source is: higher supersedes lower. -1 for every other signal."""
    source = signal.source.partition(":")[0]
    return _TDM_SOURCES.index(source) if signal.kind == "tdm-reservation" and source in _TDM_SOURCES else -1
