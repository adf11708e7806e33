"""The contracts' committed artifacts: ABI, creation bytecode, and names for what they revert with.

Rules: artifacts are read from the package's own `artifacts/` and never compiled at run time.

Does not: talk to a chain. How artifacts are made is `chain/contracts/compile.js`, and `tests/chain` compares.

Usage::

    creation = artifact("WindToken").bytecode
    describe_revert(bytes.fromhex("09bde339")) == "InvalidProof()"
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from windrow_protocol.merkle import keccak256

ContractName = Literal["WindToken", "RewardDistributor", "RewardReserve", "DatasetMarket"]
NAMES: Final[tuple[ContractName, ...]] = ("WindToken", "RewardDistributor", "RewardReserve", "DatasetMarket")

# What Solidity itself reverts with, beside the errors contracts declare.
_BUILT_IN: Final[tuple[dict[str, Any], ...]] = (
    {"type": "error", "name": "Error", "inputs": [{"name": "reason", "type": "string"}]},
    {"type": "error", "name": "Panic", "inputs": [{"name": "code", "type": "uint256"}]},
)


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract. `storage` tells in which word of it a variable lies."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: bytes
    deployed_sha256: str  # of the code on a chain, the bytes of `immutables` (start, length) being zeros
    immutables: tuple[tuple[int, int], ...]
    storage: dict[str, int]

    def is_code(self, code: bytes) -> bool:
        """Say whether code on a chain is this contract's, whatever its immutables are."""
        blank = bytearray(code)
        for start, length in self.immutables:
            blank[start : start + length] = bytes(length)
        return len(blank) == len(code) and hashlib.sha256(blank).hexdigest() == self.deployed_sha256


@cache
def artifact(name: ContractName) -> Artifact:
    """Read one artifact."""
    content = json.loads((files("chain") / "artifacts" / f"{name}.json").read_text())
    return Artifact(
        name,
        content["abi"],
        bytes.fromhex(content["bytecode"][2:]),
        content["deployed_sha256"],
        tuple((start, length) for start, length in content["immutables"]),
        content["storage"],
    )


def creation_code(name: ContractName, *arguments: Any) -> bytes:
    """The code that creates a contract: its bytecode and its constructor's arguments.

    Raises eth_abi's EncodingError when an argument does not fit.
    """
    from eth_abi.abi import encode

    found = artifact(name)
    inputs = next(entry["inputs"] for entry in found.abi if entry["type"] == "constructor")
    return found.bytecode + encode([one["type"] for one in inputs], arguments)


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called: its selector and the types of what goes in and comes out."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def encode(self, arguments: Sequence[Any]) -> bytes:
        """The call data. Raises eth_abi's EncodingError when an argument does not fit."""
        from eth_abi.abi import encode

        return self.selector + encode(self.inputs, arguments)

    def decode(self, output: bytes) -> Any:
        """What a call returned: the value itself where there is one, else a tuple."""
        from eth_abi.abi import decode

        values = decode(self.outputs, output)
        return values[0] if len(values) == 1 else values


@cache
def functions(name: ContractName) -> dict[str, Function]:
    """A contract's functions by signature, and by bare name where no other has it."""
    table: dict[str, Function] = {}
    overloaded: set[str] = set()
    for entry in artifact(name).abi:
        if entry["type"] != "function":
            continue
        inputs = tuple(_type(one) for one in entry["inputs"])
        signature = f"{entry['name']}({','.join(inputs)})"
        outputs = tuple(_type(one) for one in entry["outputs"])
        found = Function(keccak256(signature.encode())[:4], inputs, outputs)
        if entry["name"] in table:
            overloaded.add(entry["name"])
        table[signature] = table[entry["name"]] = found
    return {key: found for key, found in table.items() if key not in overloaded}


def _type(declared: dict[str, Any]) -> str:
    kind: str = declared["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_type(one) for one in declared["components"]) + ")" + kind.removeprefix("tuple")


@cache
def _errors() -> dict[bytes, tuple[str, list[str]]]:
    table: dict[bytes, tuple[str, list[str]]] = {}
    for entry in [*_BUILT_IN, *(one for name in NAMES for one in artifact(name).abi)]:
        if entry["type"] == "error":
            types = [one["type"] for one in entry["inputs"]]
            selector = keccak256(f"{entry['name']}({','.join(types)})".encode())[:4]
            table[selector] = (entry["name"], types)
    return table


def revert_name(data: bytes) -> str | None:
    """The name of the error a contract reverted with, None when it is not one of ours."""
    found = _errors().get(data[:4])
    return None if found is None else found[0]


def describe_revert(data: bytes) -> str:
    """The error a contract reverted with, with its arguments, such as `TooEarly(1700000000)`."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    if not data:
        return "reverted without a reason"
    found = _errors().get(data[:4])
    if found is None:
        return f"an unknown error 0x{data[:4].hex()}"
    name, types = found
    try:
        values = decode(types, data[4:])
    except DecodingError:
        return name
    return f"{name}({', '.join(_spell(value) for value in values)})"


def _spell(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
