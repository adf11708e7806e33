"""Other projects' cumulative distributors, compiled as they say, for measuring claims beside ours.

Rules: FOLDER holds the project's sources as in its repository, and what they import is installed there once, by npm.
Both pay what a leaf says less what was paid before, as ours does; 1inch's hashes a leaf once, Morpho's twice and names
the token in it. Neither keeps a sum of what was paid, and neither can be paused.

Does not: measure; `bench/gas.py` does.

Usage: `peer = ONEINCH; code = peer.creation(folder, token, owner); peer.claim(claims, token)`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import encode

from bench.solidity.layered_tree import LayeredTree
from windrow_protocol.merkle import keccak256

COMPILE: Final = Path(__file__).parent / "compile_peer.js"


@dataclass(frozen=True)
class CumulativePeer:
    """One project's distributor: how it is compiled, created, told a root and claimed from."""

    folder: str  # below the folder of all peers
    source: str
    packages: tuple[str, ...]
    settings: Mapping[str, Any]
    created_with: Callable[[str, str], bytes]  # (token, owner) to the constructor's arguments
    root_call: Callable[[bytes], bytes]
    leaf: Callable[[str, str, int], bytes]  # (token, account, cumulative amount)
    claim_call: Callable[[str, str, int, bytes, list[bytes]], bytes]  # (token, account, amount, root, proof)

    def here(self, peers: Path) -> bool:
        """Whether the project's source is in the folder of peers."""
        return (peers / self.folder / self.source).is_file()

    def creation(self, peers: Path, token: str, owner: str) -> bytes:
        """Return the code that creates it. Raises CalledProcessError where npm or the compiler fails."""
        place = peers / self.folder
        if not (place / "node_modules" / "solc").exists():
            install = ["npm", "install", "--silent", "--ignore-scripts", "--legacy-peer-deps", "--omit=dev"]
            subprocess.run([*install, *self.packages], cwd=place, check=True)
        command = ["node", COMPILE, place, self.source, json.dumps(self.settings)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return bytes.fromhex(printed.strip()) + self.created_with(token, owner)

    def tree(self, token: str, claims: Mapping[str, int]) -> LayeredTree:
        """Return the tree of cumulative amounts, its leaves in the order of `claims`."""
        return LayeredTree([self.leaf(token, account, amount) for account, amount in claims.items()])


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def _morpho_leaf(token: str, account: str, amount: int) -> bytes:
    return keccak256(keccak256(encode(["address", "address", "uint256"], [account, token, amount])))


def _oneinch_leaf(_token: str, account: str, amount: int) -> bytes:
    return keccak256(bytes.fromhex(account[2:]) + amount.to_bytes(32, "big"))


ONEINCH: Final = CumulativePeer(
    folder="1inch",
    source="contracts/CumulativeMerkleDrop.sol",
    packages=("solc@0.8.23", "@1inch/solidity-utils@6.9.16", "@openzeppelin/contracts@5.4.0"),
    settings={"optimizer": {"enabled": True, "runs": 1_000_000}, "evmVersion": "shanghai"},
    created_with=lambda token, _owner: encode(["address"], [token]),
    root_call=lambda root: _selector("setMerkleRoot(bytes32)") + root,
    leaf=_oneinch_leaf,
    claim_call=lambda _token, account, amount, root, proof: (
        _selector("claim(address,uint256,bytes32,bytes32[])")
        + encode(["address", "uint256", "bytes32", "bytes32[]"], [account, amount, root, proof])
    ),
)
MORPHO: Final = CumulativePeer(
    folder="morpho",
    source="src/UniversalRewardsDistributor.sol",
    packages=("solc@0.8.19", "@openzeppelin/contracts@4.9.3"),
    settings={
        "optimizer": {"enabled": True, "runs": 200},
        "evmVersion": "paris",
        "viaIR": True,
        "metadata": {"bytecodeHash": "none"},
    },
    created_with=lambda _token, owner: encode(
        ["address", "uint256", "bytes32", "bytes32"], [owner, 0, bytes(32), bytes(32)]
    ),
    root_call=lambda root: _selector("setRoot(bytes32,bytes32)") + root + bytes(32),
    leaf=_morpho_leaf,
    claim_call=lambda token, account, amount, _root, proof: (
        _selector("claim(address,address,uint256,bytes32[])")
        + encode(["address", "address", "uint256", "bytes32[]"], [account, token, amount, proof])
    ),
)
CUMULATIVE_PEERS: Final = {"1inch": ONEINCH, "morpho": MORPHO}
