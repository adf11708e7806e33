"""A static analyser over the contracts: each of its findings in our sources is answered in `ANSWERS`, or this fails.

Slither (Trail of Bits, AGPL-3.0) is nobody's dependency here: install it into an environment of its own. The contracts
are compiled by `chain/contracts/compile.js`, with the settings of what is deployed. Findings in OpenZeppelin's and
Solady's files are counted and not answered: these are their authors'.

Usage: `python -m venv V && V/bin/pip install slither-analyzer && python -m bench.analyser --python V/bin/python`
prints a JSON line for each finding with its answer, and one with the sums; 1 when one has no answer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from chain.compile import node_modules

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ROOT / "chain" / "contracts"
_TIME: Final = (
    "Bounds of days held against seconds that a block's maker may choose: a timelock, a pause or a wait for a "
    "refund is a few seconds longer or shorter, and nothing is drawn by lot from it."
)
# What is answered: the check, and the functions or contracts that it may name.
ANSWERS: Final[dict[tuple[str, str], str]] = {
    ("timestamp", "RewardDistributor.proposeRoot"): _TIME,
    ("timestamp", "RewardDistributor.acceptRoot"): _TIME,
    ("timestamp", "RewardDistributor._reopened"): _TIME,
    ("timestamp", "RewardDistributor.pause"): _TIME,
    ("timestamp", "RewardDistributor.resume"): _TIME,
    ("timestamp", "DatasetMarket.settle"): _TIME,
    ("timestamp", "DatasetMarket.refund"): _TIME,
    (
        "timestamp",
        "DatasetMarket._takeOrder",
    ): "It compares addresses; an order, which holds a time, is what it reads.",
    ("timestamp", "DatasetMarket.buyWithTransfer"): "It compares amounts of tokens; no time is in either.",
    ("reentrancy-balance", "RewardDistributor.acceptRoot"): (
        "The balance before is meant: it is what a token that keeps a part of a transfer, or calls back, is found by. "
        "The root is written and the proposal gone before the call, and whoever is called can only claim, which lowers "
        "the balance after it and so reverts all (`tests/chain/test_reward_reserve.py`)."
    ),
    ("missing-inheritance", "WindToken"): (
        "The interface says what the market needs of any token, also of a stablecoin that others deployed."
    ),
    ("pragma", ""): "The libraries state lower bounds; one compiler, 0.8.37, compiles everything.",
}


def analysed(python: Path) -> dict[str, Any]:
    """Return what Slither says of the contracts. Raises CalledProcessError, CompilerMissingError."""
    modules = node_modules()
    texts = {path.name: {"content": path.read_text()} for path in sorted(SOURCES.glob("*.sol"))}
    wanted = ["abi", "metadata", "devdoc", "userdoc", "evm.bytecode", "evm.deployedBytecode"]
    selection = {"*": {"*": wanted, "": ["ast"]}}
    asked = {"language": "Solidity", "sources": texts, "settings": {"outputSelection": selection}}
    with tempfile.TemporaryDirectory(prefix="windrow-analyser-") as name:
        folder = Path(name)
        for file in texts:
            (folder / file).write_text(texts[file]["content"])
        for library in ("@openzeppelin", "solady"):
            (folder / library).symlink_to(modules / library)
        (folder / "input.json").write_text(json.dumps(asked))
        command = [python.absolute(), ROOT / "bench" / "solidity" / "run_slither.py", "input.json"]
        done = subprocess.run(
            [*command, _solc(folder, modules)], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _solc(folder: Path, modules: Path) -> Path:
    """A program that answers as solc does, and is npm's."""
    compiler = json.loads((ROOT / "chain" / "artifacts" / "WindToken.json").read_text())["compiler"]
    program = folder / "solc"
    program.write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && echo "Version: {compiler}" && exit\n'
        f'exec node "{SOURCES / "compile.js"}" --standard-json "{modules}"\n'
    )
    program.chmod(0o755)
    return program


def answer_to(finding: Mapping[str, Any]) -> str | None:
    """The written answer to a finding, or None."""
    for (check, place), answer in ANSWERS.items():
        if check == finding["check"] and (not place or place in finding["names"]):
            return answer
    return None


def main() -> int:
    """Print every finding in our sources with its answer; 1 when one has none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="the Python that has Slither")
    found = analysed(parser.parse_args().python)
    ours = {path.name for path in SOURCES.glob("*.sol")}
    findings = [each for each in found["findings"] if ours & {Path(file).name for file in each["files"]}]
    unanswered = 0
    for finding in findings:
        answer = answer_to(finding)
        unanswered += answer is None
        said = {name: finding[name] for name in ("check", "impact", "confidence", "says")}
        print(json.dumps({"bench": "analyser", **said, "answer": answer}))
    sums = {"slither": found["version"], "detectors": found["detectors"], "findings": len(findings)}
    of_libraries = len(found["findings"]) - len(findings)
    print(json.dumps({"bench": "analyser", **sums, "unanswered": unanswered, "of_libraries": of_libraries}))
    return 1 if unanswered else 0


if __name__ == "__main__":
    sys.exit(main())
