"""Mutants of the contracts: each small fault in their source is compiled and given to the tests, which must notice it.

Usage: `python -m bench.mutants [--contracts DatasetMarket] [--every 5]` prints one JSON line for each mutant and one
for each contract, and ends with 1 when fewer than nine of ten were noticed. It needs node, and npm once. Each mutant
has a process of its own, forked from one that has everything imported; tests run until the first that fails.

    killed          a test failed, or the contracts could not even be created
    too_slow        the tests took many times the processor time that they need, or stood still; counted as killed
    survived        every test passed: a fault that no test would notice, or none that can be told from outside
    not_compiled    Solidity refused it; these are in no share
"""

from __future__ import annotations

import argparse
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
SHARE_MIN: Final = 0.9
TESTS_CPU_S_MAX: Final = 400  # a busy machine must not make a mutant count as noticed
TESTS_S_MAX: Final = 7_200  # for what waits without working


def main(arguments: list[str] | None = None) -> int:
    """Try every mutant; 1 when too many survive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--contracts", nargs="+", choices=CONTRACTS, default=list(CONTRACTS))
    parser.add_argument("--every", type=int, default=1, help="only every nth mutant")
    options = parser.parse_args(arguments)
    # A failure is enough here: looking for its smallest example would take most of the time.
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None)
    settings.load_profile("mutants")
    pytest.main(
        [*_tests(CONTRACTS), "--collect-only", "-qqq", "-p", "no:cacheprovider"]
    )  # imports everything
    enough, compiler = True, Compiler()
    for contract in options.contracts:
        found = list(mutants_of((SOURCES / f"{contract}.sol").read_text()))[:: options.every]
        outcomes = Counter(_reported(compiler, contract, mutant) for mutant in found)
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


def _reported(compiler: Compiler, contract: str, mutant: Mutant) -> str:
    begun_s = time.monotonic()
    outcome = outcome_of(compiler, contract, mutant)
    seconds = round(time.monotonic() - begun_s, 1)
    facts = {"operator": mutant.operator, "line": mutant.line}
    facts |= {"before": " ".join(mutant.before.split()), "after": mutant.after, "outcome": outcome}
    _print({"contract": contract, **facts, "wall_s": seconds})
    return outcome


def outcome_of(compiler: Compiler, contract: str, mutant: Mutant) -> str:
    """Compile one mutant and run the tests of its contract against it."""
    sources = {path.name: path.read_text() for path in SOURCES.glob("*.sol")}
    sources[f"{contract}.sol"] = mutant.source
    with tempfile.TemporaryDirectory(prefix="windrow-mutant-") as name:
        package = Path(name) / "chain"
        shutil.copytree(ARTIFACTS, package / "artifacts")
        try:
            for made in MADE_OF.get(contract, (contract,)):
                artifact = compiler.artifact(made, sources)
                (package / "artifacts" / f"{made}.json").write_text(json.dumps(artifact))
        except CompileError:
            return "not_compiled"
        return _outcome(_tests([contract]), package)


def _outcome(tests: list[str], package: Path) -> str:
    """Run tests in a fork in which the contracts are those of `package`, with bounds of time."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (TESTS_CPU_S_MAX, TESTS_CPU_S_MAX + 5))
            signal.alarm(TESTS_S_MAX)
            code = _run(tests, package)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL):
        return "too_slow"
    return "killed" if code else "survived"


def _run(tests: list[str], package: Path) -> int:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    vars(abi)["files"] = lambda _package: package
    for cached in (abi.artifact, abi.functions):
        cached.cache_clear()
    return int(pytest.main([*tests, "-x", "-q", "-p", "no:cacheprovider"]))


def _print(facts: dict[str, Any]) -> None:
    print(json.dumps({"bench": "mutants", **facts}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
