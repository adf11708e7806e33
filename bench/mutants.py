"""Mutants of the contracts: each small fault in their source is compiled and given to the tests, which must notice it.

Usage: `python -m bench.mutants [--contracts DatasetMarket] [--every 5] [--resume FILE]` prints one JSON line for each
mutant and one for each contract, and ends with 1 when fewer than nine of ten were noticed. It needs node, and npm once.
Each mutant has a process of its own, forked from one that has everything imported; tests run until the first that
fails, beginning with those that noticed the mutants before. With `--resume` what an earlier run printed into FILE of
the same sources is counted and not tried again. Mutants are compiled without the optimizer, unless Solidity can only do
it with it; the source as it is has to pass first.

    killed          a test failed, or the contracts could not even be created
    too_slow        the tests took many times the processor time that they need, or stood still; counted as killed
    survived        every test passed: a fault that no test would notice, or none that can be told from outside
    not_compiled    Solidity refused it; these are in no share
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]

import pytest  # noqa: E402
from hypothesis import Phase, settings  # noqa: E402

from bench.solidity.mutations import Mutant, mutants_of  # noqa: E402
from chain import abi  # noqa: E402
from chain.compile import CompileError, Compiler  # noqa: E402

SOURCES: Final = ROOT / "chain" / "contracts"
ARTIFACTS: Final = ROOT / "chain" / "artifacts"
PARENT: Final = "TwoStepOwned"
CONTRACTS: Final = ("WindToken", "RewardDistributor", "RewardReserve", "DatasetMarket", PARENT)
# The tests of a contract, the quicker ones first.
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "WindToken": ("test_wind_token", "test_contract_events", "test_contract_sequences"),
    "RewardDistributor": (
        "test_reward_distributor",
        "test_distributor_pauses",
        "test_reward_reserve",
        "test_distributor_forgeries",
        "test_contract_events",
        "test_contract_sequences",
        "test_distributor_properties",
    ),
    "RewardReserve": ("test_reward_reserve", "test_contract_sequences"),
    "DatasetMarket": (
        "test_dataset_market",
        "test_market_orders",
        "test_contract_events",
        "test_contract_sequences",
    ),
    PARENT: ("test_reward_distributor", "test_wind_token"),
}
# What a source goes into where that is more than the contract of its name.
MADE_OF: Final[dict[str, tuple[str, ...]]] = {
    PARENT: ("WindToken", "RewardDistributor"),
    "RewardReserve": ("RewardReserve", "RewardDistributor"),
}
NAMES: Final = ("contract", "operator", "line", "before", "after", "sources")  # tell mutants apart
SHARE_MIN: Final = 0.9
TESTS_CPU_S_MAX: Final = 400  # a busy machine must not make a mutant count as noticed
TESTS_S_MAX: Final = 7_200  # for what waits without working


def main(arguments: list[str] | None = None) -> int:
    """Try every mutant; 1 when too many survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--contracts", nargs="+", choices=CONTRACTS, default=list(CONTRACTS))
    parser.add_argument("--every", type=int, default=1, help="only every nth mutant")
    parser.add_argument("--resume", type=Path, help="what an earlier run printed")
    options = parser.parse_args(arguments)
    # A failure is enough here: looking for its smallest example would take most of the time.
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None)
    settings.load_profile("mutants")
    # imports everything
    pytest.main([*_tests(CONTRACTS), "--collect-only", "-qqq", "-p", "no:cacheprovider"])
    gc.freeze()  # or each fork would go through all of it, five times alone when pytest ends
    enough, compiler, said = True, Compiler(), _said(options.resume)
    known = {tuple(line[name] for name in NAMES): line["outcome"] for line in said}
    lately = list(dict.fromkeys(line["by"] for line in reversed(said) if line.get("by")))
    for contract in options.contracts:
        source = (SOURCES / f"{contract}.sol").read_text()
        trial = Trial(compiler, contract, lately)
        if trial.outcome(source) != "survived":
            raise SystemExit(f"{contract} as it is fails its tests: {trial.noticed[:1]}")
        found = list(mutants_of(source))[:: options.every]
        outcomes = Counter(known.get(_named(contract, mutant)) or trial.reported(mutant) for mutant in found)
        noticed = outcomes["killed"] + outcomes["too_slow"]
        tried = noticed + outcomes["survived"]
        share = noticed / tried if tried else 1.0
        enough = enough and share >= SHARE_MIN
        said = {"mutants": len(found), **dict(sorted(outcomes.items())), "killed_share": round(share, 4)}
        _print({"contract": contract, **said})
    compiler.close()
    return 0 if enough else 1


def _tests(contracts: Iterable[str]) -> list[str]:
    names = dict.fromkeys(name for contract in contracts for name in TESTS[contract])
    return [str(ROOT / "tests" / "chain" / f"{name}.py") for name in names]


def _named(contract: str, mutant: Mutant) -> tuple[Any, ...]:
    """Name a mutant over several runs, of the same sources only."""
    return (
        contract,
        mutant.operator,
        mutant.line,
        " ".join(mutant.before.split()),
        mutant.after,
        _sources_digest(),
    )


@cache
def _sources_digest() -> str:
    texts = [path.read_bytes() for path in sorted(SOURCES.glob("*.sol"))]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]


def _said(printed: Path | None) -> list[dict[str, Any]]:
    """Return what an earlier run printed of its mutants."""
    lines = printed.read_text().splitlines() if printed else []
    said = [json.loads(line) for line in lines if line.startswith("{")]  # pytest's own lines stand among them
    return [line for line in said if "outcome" in line]


class Trial:
    """The tests of one contract, against one mutant of it after the other."""

    def __init__(self, compiler: Compiler, contract: str, lately: list[str]) -> None:
        self._compiler, self._contract = compiler, contract
        self.noticed = lately  # the names of the tests that noticed a mutant, the last one first

    def reported(self, mutant: Mutant) -> str:
        """Try a mutant and print what came of it."""
        begun_s = time.monotonic()
        outcome = self.outcome(mutant.source)
        facts = dict(zip(NAMES, _named(self._contract, mutant), strict=True))
        by = self.noticed[0] if outcome == "killed" and self.noticed else ""
        _print({**facts, "outcome": outcome, "by": by, "wall_s": round(time.monotonic() - begun_s, 1)})
        return outcome

    def outcome(self, source: str) -> str:
        """Compile a source of the contract and run its tests against it."""
        sources = {path.name: path.read_text() for path in SOURCES.glob("*.sol")}
        sources[f"{self._contract}.sol"] = source
        with tempfile.TemporaryDirectory(prefix="windrow-mutant-") as folder:
            package = Path(folder) / "chain"
            shutil.copytree(ARTIFACTS, package / "artifacts")
            try:
                for made in MADE_OF.get(self._contract, (self._contract,)):
                    artifact = self._compiled(made, sources)
                    (package / "artifacts" / f"{made}.json").write_text(json.dumps(artifact))
            except CompileError:
                return "not_compiled"
            return self._tested(package)

    def _compiled(self, contract: str, sources: dict[str, str]) -> dict[str, Any]:
        try:
            return self._compiler.artifact(contract, sources, plain=True)
        except CompileError:  # a fault, or more variables than the stack holds without the optimizer
            return self._compiler.artifact(contract, sources)

    def _tested(self, package: Path) -> str:
        """Run the tests in a fork in which the contracts are those of `package`, with bounds of time."""
        told = package / "noticed"
        child = os.fork()
        if child == 0:
            code = 1
            try:
                resource.setrlimit(resource.RLIMIT_CPU, (TESTS_CPU_S_MAX, TESTS_CPU_S_MAX + 5))
                signal.alarm(TESTS_S_MAX)
                code = _run(_tests([self._contract]), package, Noticing(self.noticed, told))
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL):
            return "too_slow"
        if told.exists():
            test = told.read_text()
            self.noticed = [test, *(other for other in self.noticed if other != test)]
        return "killed" if code else "survived"


class Noticing:
    """A pytest plugin: the tests that noticed something lately come first, and the one that fails is written down."""

    def __init__(self, lately: list[str], told: Path) -> None:
        self._places = {test: place for place, test in enumerate(lately)}
        self._told = told

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Order the tests; those that never noticed anything keep their order."""
        items.sort(key=lambda item: self._places.get(item.name, len(self._places)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write down what failed."""
        if report.failed:
            self._told.write_text(report.nodeid.rpartition("::")[2])


def _run(tests: list[str], package: Path, plugin: Noticing) -> int:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    vars(abi)["files"] = lambda _package: package
    for cached in (abi.artifact, abi.functions):
        cached.cache_clear()
    return int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider"], plugins=[plugin]))


def _print(facts: dict[str, Any]) -> None:
    print(json.dumps({"bench": "mutants", **facts}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
