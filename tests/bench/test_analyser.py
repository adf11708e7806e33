"""What a static analyser is told of the contracts is what is deployed, and each written answer is about something."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from bench.analyser import ANSWERS, SOURCES, answer_to
from chain.compile import CompilerMissingError, node_modules

ARTIFACTS = SOURCES.parent / "artifacts"


def test_an_analyser_is_given_the_code_that_is_deployed(tmp_path: Path) -> None:
    try:
        modules = node_modules()
    except CompilerMissingError as error:
        pytest.skip(str(error))
    sources = {path.name: {"content": path.read_text()} for path in SOURCES.glob("*.sol")}
    selection = {"RewardReserve.sol": {"*": ["evm.bytecode.object"], "": ["ast"]}}
    asked = {"language": "Solidity", "sources": sources, "settings": {"outputSelection": selection}}
    command = ["node", SOURCES / "compile.js", "--standard-json", modules]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, check=True, cwd=tmp_path
    )
    output = json.loads(done.stdout)
    bytecode = output["contracts"]["RewardReserve.sol"]["RewardReserve"]["evm"]["bytecode"]["object"]
    assert "0x" + bytecode == json.loads((ARTIFACTS / "RewardReserve.json").read_text())["bytecode"]
    assert output["sources"]["RewardReserve.sol"]["ast"]["nodeType"] == "SourceUnit"


@pytest.mark.parametrize("place", sorted({place for _, place in ANSWERS if place}))
def test_what_an_answer_is_about_is_there(place: str) -> None:
    contract, _, function = place.partition(".")
    source = (SOURCES / f"{contract}.sol").read_text()
    assert re.search(rf"function {function}\(" if function else rf"contract {contract} ", source)


def test_a_finding_that_nobody_answered_has_no_answer() -> None:
    finding = {"check": "reentrancy-eth", "names": ["DatasetMarket.refund"]}
    assert answer_to(finding) is None
    assert answer_to({"check": "timestamp", "names": ["DatasetMarket.buy"]}) is None
    assert answer_to({"check": "timestamp", "names": ["DatasetMarket.refund"]})
