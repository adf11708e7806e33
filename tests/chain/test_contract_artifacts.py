"""Committed artifacts are what the committed sources compile to, and addresses follow from them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from chain_lab import HOSTILE, OWNER, STRANGER, House, Lab, address

import chain
from chain.abi import NAMES, artifact, creation_code, describe_revert, functions, revert_name
from chain.compile import CompilerMissingError, differences, node_modules
from chain.create2 import FACTORY_CODE, create2_address
from windrow_protocol.merkle import MerkleTree, keccak256

ROOM = Path(chain.__file__).parent
EIP170_BYTES_MAX = 24_576


@pytest.fixture(scope="module")
def modules() -> Path:
    try:
        return node_modules()
    except CompilerMissingError as error:
        pytest.skip(f"contracts cannot be recompiled here: {error}")


@pytest.mark.parametrize(
    ("sources", "committed"),
    [(ROOM / "contracts", ROOM / "artifacts"), (HOSTILE, HOSTILE)],
    ids=["ours", "hostile"],
)
def test_recompiling_gives_the_committed_artifacts(modules: Path, sources: Path, committed: Path) -> None:
    assert differences(sources, committed) == []


def test_changed_source_gives_another_artifact(modules: Path, tmp_path: Path) -> None:
    for path in (ROOM / "contracts").glob("*.sol"):
        (tmp_path / path.name).write_text(path.read_text())
    changed = tmp_path / "RewardDistributor.sol"
    changed.write_text(changed.read_text().replace("PAUSE_MAX = 7 days", "PAUSE_MAX = 8 days"))
    assert differences(tmp_path, ROOM / "artifacts") == ["RewardDistributor.json"]


@pytest.mark.parametrize("name", NAMES)
def test_contracts_fit_a_chain(name: str) -> None:
    assert len(artifact(name).bytecode) < EIP170_BYTES_MAX


def test_create2_address_of_the_standard() -> None:
    """The keyless factory's own code, and an address computed as EIP-1014 says."""
    assert keccak256(FACTORY_CODE).hex() == "2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989"
    code = creation_code("WindToken", OWNER, OWNER)
    assert create2_address(bytes(32), code) != create2_address(b"\x01" * 32, code)
    with pytest.raises(ValueError, match="32 bytes"):
        create2_address(b"short", code)


def test_overloaded_functions_need_their_types() -> None:
    table = functions("WindToken")
    assert "transferWithAuthorization" not in table
    assert len([key for key in table if key.startswith("transferWithAuthorization(")]) == 2
    # Selectors that wallets and x402 use; they follow from EIP-3009's signatures.
    vrs = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
    assert table[vrs].selector.hex() == "e3ee160e"
    assert table["permit"].selector.hex() == "d505accf"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "reverted without a reason"),
        (bytes.fromhex("09bde339"), "InvalidProof()"),
        (keccak256(b"TooEarly(uint64)")[:4] + (77).to_bytes(32, "big"), "TooEarly(77)"),
        (keccak256(b"TooEarly(uint64)")[:4] + b"\x01", "TooEarly"),
        (bytes.fromhex("4e487b71") + (17).to_bytes(32, "big"), "Panic(17)"),
        (b"\xde\xad\xbe\xef", "an unknown error 0xdeadbeef"),
    ],
)
def test_reverts_are_named(data: bytes, said: str) -> None:
    assert describe_revert(data) == said
    assert revert_name(data) == (said.split("(")[0] if said[0].isupper() else None)


JS_TREE = """
const { StandardMerkleTree } = require(process.argv[1] + "/@openzeppelin/merkle-tree");
const rows = JSON.parse(require("fs").readFileSync(0, "utf8"));
const tree = StandardMerkleTree.of(rows, ["address", "uint256"]);
const loaded = StandardMerkleTree.load(tree.dump());
loaded.validate();
console.log(JSON.stringify({ root: loaded.root, proofs: rows.map((row, i) => loaded.getProof(i)) }));
"""


def test_claims_with_the_javascript_librarys_proofs_are_paid(modules: Path) -> None:
    rows = [[address(0x9000 + n), str(10**18 * (n + 1))] for n in range(7)]
    done = subprocess.run(
        ["node", "-e", JS_TREE, str(modules)],
        input=json.dumps(rows),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    ours = MerkleTree.from_amounts({account: int(amount) for account, amount in rows})
    assert theirs["root"] == ours.root
    house = House.build()
    house.fund(ours.total)
    house.install(theirs["root"], ours.total)
    for (account, amount), proof in zip(rows, theirs["proofs"], strict=True):
        assert house.claim(account, int(amount), proof, sender=STRANGER) == int(amount)


def test_laboratory_knows_only_real_contracts() -> None:
    with pytest.raises(FileNotFoundError):
        Lab().create("NoSuchContract")
