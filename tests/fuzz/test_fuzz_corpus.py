"""Replays the fuzzer's corpus and seeds over every parser that meets strangers, with the fuzzer's own properties."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.parsers import PARSERS, Parser, describe, outcome_of
from tests.fuzz.seeds import seeds
from windrow_protocol.errors import WindrowError

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
RSS_BYTES_MAX = 512 * 2**20
REPLAY = """
import pathlib, psutil
from tests.fuzz.parsers import PARSERS, outcome_of
from tests.fuzz.seeds import seeds
for name, parser in PARSERS.items():
    kept = [path.read_bytes() for path in pathlib.Path("tests/fuzz/corpus", name).glob("*")]
    for data in [*seeds(name), *kept]:
        outcome_of(parser, data)
lines = pathlib.Path("/proc/self/status").read_text().splitlines() if psutil.LINUX else []
peaks = [1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
print(*peaks or [psutil.Process().memory_info().rss])
"""


def corpus(name: str) -> list[Path]:
    """The kept inputs of one parser."""
    return sorted((CORPUS / name).glob("*"))


@pytest.mark.parametrize("name", PARSERS)
def test_no_seed_and_no_kept_input_breaks_a_parser(name: str) -> None:
    outcomes = [outcome_of(PARSERS[name], data) for data in seeds(name)]
    outcomes += [outcome_of(PARSERS[name], path.read_bytes()) for path in corpus(name)]
    # A corpus that is only taken, or only refused, reaches one side of its parser.
    assert "ok" in outcomes
    assert name in ("html", "robots", "optout", "page_text", "personal_text") or set(outcomes) != {"ok"}


def test_the_corpus_is_small_and_every_parser_has_a_beginning() -> None:
    sizes = {path: path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()}
    assert sum(sizes.values()) < 300_000
    assert {path.parent.name for path in sizes} <= set(PARSERS)
    assert all(seeds(name) for name in PARSERS)


def test_replaying_everything_stays_within_memory() -> None:
    """In a process of its own, by its own peak: what `getrusage` says includes the process that was forked."""
    done = subprocess.run(
        [sys.executable, "-c", REPLAY], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert int(done.stdout) < RSS_BYTES_MAX


def test_a_parser_that_fails_is_a_finding() -> None:
    def broken(data: bytes) -> None:
        raise KeyError(data)

    def garrulous(data: bytes) -> None:
        raise WindrowError("not_json", "x" * 10_000)

    with pytest.raises(KeyError) as caught:
        outcome_of(Parser("broken", broken, (), 1), b"x")
    assert describe(caught.value)["place"].startswith("test_a_parser_that_fails_is_a_finding.<locals>.broken")
    with pytest.raises(AssertionError, match="a detail of 10000 characters"):
        outcome_of(Parser("garrulous", garrulous, (), 1), b"x")


@pytest.mark.parametrize("name", ["url", "page_text", "html", "batch"])
def test_a_property_that_does_not_hold_is_a_finding(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each promise of a parser is really looked at: a broken one is not passed over."""
    from tests.fuzz import parsers_of_messages, parsers_of_pages

    broken = {
        "url": (parsers_of_pages, "canonical_url_with_rules", lambda url: (url + "x", ())),
        "page_text": (parsers_of_pages, "normalise_text", lambda text: text + "x"),
        "html": (parsers_of_pages, "normalise_text", lambda text: text + "x"),
        "batch": (parsers_of_messages, "decode_batch", lambda body: iter(())),
    }[name]
    monkeypatch.setattr(*broken)
    with pytest.raises(AssertionError):
        _run_all(name)


def _run_all(name: str) -> None:
    for data in seeds(name):
        outcome_of(PARSERS[name], data)
