"""Coverage-guided fuzzing of one parser, by atheris (libFuzzer); prints one JSON line.

Rules: inputs grow from `tests/fuzz/corpus/<parser>` and the seeds; what reaches new branches is kept in `--work`.
Findings do not stop the run: each distinct one is counted and its first input kept in `--work/findings`. The run is
a child process, so that its memory is its own and a crash of the interpreter is a finding too; after one the rest of
the inputs follows in a new child. `--minimise` writes the smallest set of inputs with the same coverage to the corpus.

Does not: belong to the tests; those replay the corpus without atheris (`pip install 'windrow[fuzz]'` here).

Usage::

    python -m bench.fuzz --parser url --inputs 10000000 --work FOLDER
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Final

TraceFunction = Callable[[FrameType, str, object], Any]

ROOT: Final = Path(__file__).resolve().parent.parent
CORPUS: Final = ROOT / "tests" / "fuzz" / "corpus"
RSS_MB_MAX: Final = 512
INPUT_TIME_S_MAX: Final = 60
CORPUS_FILES_MAX: Final = 60  # for each parser
CORPUS_BYTES_MAX: Final = 16_000
WORDS_MAX: Final = 500
_WORD: Final = re.compile(rb"[A-Za-z0-9_:/-]{3,24}")
_STAT: Final = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
_PROGRESS: Final = re.compile(r"^#(\d+)\s.*?(?:cov: (\d+) )?ft: (\d+)", re.MULTILINE)


@dataclass
class Run:
    """What the children of one run have done so far."""

    inputs: int = 0
    features: int = 0
    rss_mb_max: int = 0
    died: list[str] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz one parser and print the figures; the exit status is 1 when anything was found."""
    options = _options(arguments)
    if options.child:
        return _child(options)
    if find_spec("atheris") is None:
        print("atheris is not installed: pip install 'windrow[fuzz]'", file=sys.stderr)
        return 2
    started_s = time.monotonic()
    work = options.work / options.parser
    for folder in (work / "corpus", work / "findings", CORPUS / options.parser):
        folder.mkdir(parents=True, exist_ok=True)
    run = Run()
    while run.inputs < options.inputs and len(run.died) < 20:
        _one_child(options, work, run)
    findings = sorted(json.loads(path.read_text())["what"] for path in (work / "findings").glob("*.json"))
    if options.minimise:
        _minimise(work, options.parser)
    print(json.dumps(_line(options.parser, run, findings, time.monotonic() - started_s)), flush=True)
    return 1 if findings or run.died else 0


def _line(parser: str, run: Run, findings: list[str], seconds: float) -> dict[str, Any]:
    return {
        "parser": parser,
        "inputs": run.inputs,
        "crashes": len(findings) + len(run.died),
        "findings": findings + run.died,
        "rss_bytes_max": run.rss_mb_max * 2**20,
        "coverage_features": run.features,
        "inputs_per_s": round(run.inputs / seconds),
        "seconds": round(seconds),
    }


def _one_child(options: argparse.Namespace, work: Path, run: Run) -> None:
    command = [sys.executable, str(Path(__file__).resolve()), "--child", "--parser", options.parser]
    command += ["--work", str(options.work), "--inputs", str(options.inputs - run.inputs)]
    with (work / "log.txt").open("w+b") as log:
        child = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
        )
        log.seek(0)
        said = log.read().decode("utf-8", "replace")
    stats = dict(_STAT.findall(said))
    progress = _PROGRESS.findall(said)
    done = int(stats.get("number_of_executed_units", progress[-1][0] if progress else 0))
    run.inputs += done
    run.features = max([run.features, *(int(each[2]) for each in progress)])
    run.rss_mb_max = max(run.rss_mb_max, int(stats.get("peak_rss_mb", 0)))
    if child.returncode:
        tail = [
            line for line in said.splitlines() if line.startswith(("==", "SUMMARY", "Fatal", "Traceback"))
        ]
        run.died.append(f"exit {child.returncode}: {' | '.join(tail[:3])[:200]}")
    if not done:
        run.died += ["nothing was run: see log.txt"] * 20


# --- the child ------------------------------------------------------------------------------------------------


def _child(options: argparse.Namespace) -> int:
    sys.path[:1] = [str(ROOT)]
    import atheris  # type: ignore[import-untyped]

    instrumented = _instrumented(options.parser)
    with atheris.instrument_imports(include=instrumented, enable_loader_override=False):
        from tests.fuzz.parsers import PARSERS, describe, outcome_of
        from tests.fuzz.seeds import seeds

        parser = PARSERS[options.parser]
        for data in seeds(parser.name):
            with contextlib.suppress(Exception):  # judged below; here it brings in what is imported late
                outcome_of(parser, data)
    work = options.work / parser.name
    start = work / "seeds"
    start.mkdir(parents=True, exist_ok=True)
    for data in seeds(parser.name):
        (start / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    words = {word for data in seeds(parser.name) for word in _WORD.findall(data)}
    (work / "words.dict").write_text("".join(f'"{word.decode()}"\n' for word in sorted(words)[:WORDS_MAX]))

    def one_input(data: bytes) -> None:
        try:
            outcome_of(parser, data)
        except Exception as error:
            _keep_finding(work / "findings", data, describe(error))

    libfuzzer = [
        f"-runs={options.inputs}",
        f"-max_len={parser.input_bytes_max}",
        f"-rss_limit_mb={RSS_MB_MAX}",
        f"-timeout={INPUT_TIME_S_MAX}",
        f"-artifact_prefix={work / 'findings'}/",
        f"-dict={work / 'words.dict'}",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup(
        [sys.argv[0], *libfuzzer, str(work / "corpus"), str(CORPUS / parser.name), str(start)], one_input
    )
    atheris.Fuzz()
    return 0


def _instrumented(parser: str) -> list[str]:
    """Read the packages to instrument from the table's text: importing the table would import them."""
    table = (ROOT / "tests" / "fuzz" / "parsers.py").read_text("utf-8")
    signed = re.search(r'^_SIGNED = "([^"]+)"', table, re.MULTILINE)
    named = re.search(rf'_parser\("{parser}", [\w.]+, (?:_SIGNED|"([^"]+)")', table)
    if named is None or signed is None:
        raise SystemExit(f"there is no parser {parser!r}")
    return (named[1] or signed[1]).split()


def _keep_finding(folder: Path, data: bytes, what: dict[str, Any]) -> None:
    name = hashlib.sha256(f"{what['error']} {what['place']}".encode()).hexdigest()[:12]
    report = folder / f"{name}.json"
    if not report.exists():
        (folder / f"{name}.input").write_bytes(data)
        report.write_text(json.dumps({"what": f"{what['error']} at {what['place']}: {what['said']}"}) + "\n")


# --- the corpus -----------------------------------------------------------------------------------------------


def _minimise(work: Path, name: str) -> None:
    """Put the smallest inputs that together take every step of our code, as often, into the corpus."""
    sys.path[:1] = [str(ROOT)]
    from tests.fuzz.parsers import PARSERS, outcome_of
    from tests.fuzz.seeds import seeds

    folder = CORPUS / name
    inputs = {path.read_bytes() for path in [*(work / "corpus").iterdir(), *folder.iterdir()]} - set(
        seeds(name)
    )
    shutil.rmtree(folder)
    folder.mkdir()
    target = partial(outcome_of, PARSERS[name])
    reached: set[tuple[str, int, int, int]] = set()
    for data in seeds(name):
        reached |= _steps(target, data)
    kept_bytes = 0
    for data in sorted(inputs, key=lambda data: (len(data), data)):
        if len(list(folder.iterdir())) == CORPUS_FILES_MAX:
            break
        new = _steps(target, data) - reached
        if new and kept_bytes + len(data) <= CORPUS_BYTES_MAX:
            reached |= new
            kept_bytes += len(data)
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def _steps(target: Callable[[bytes], object], data: bytes) -> set[tuple[str, int, int, int]]:
    """Return (file, from line, to line, how often as a power of two) for all of our code that an input takes."""
    steps: Counter[tuple[str, int, int]] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        file = frame.f_code.co_filename
        if not file.startswith(str(ROOT)) or "site-packages" in file:
            return None
        last = frame.f_lineno

        def local(frame: FrameType, event: str, argument: object) -> TraceFunction:
            nonlocal last
            steps[(file, last, frame.f_lineno)] += 1
            last = frame.f_lineno
            return local

        return local

    sys.settrace(trace)
    try:
        with contextlib.suppress(Exception):  # findings are reported by the run itself
            target(data)
    finally:
        sys.settrace(None)
    return {(*step, count.bit_length()) for step, count in steps.items()}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--parser", required=True, help="a name of tests/fuzz/parsers.py")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is found on the way")
    parser.add_argument("--minimise", action="store_true", help="put a small corpus into tests/fuzz/corpus")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
