"""A root is proved from a saved header alone, on two EVMs that share no code; whatever is changed is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rlp  # type: ignore[import-untyped]
from chain_nodes import CHAIN_ID, OWNER, Anvil, Devnet
from chain_steps import refused, settle, terms, tree_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chain.client import ChainClient
from chain.saved_roots import SavedRoot, proven_root, read_saved_root, save_root
from chain.state_proofs import header_bytes, proven_account, proven_word, read_header
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import SAVED_ROOT_BYTES_MAX, TRIE_PROOF_NODES_MAX
from windrow_protocol.merkle import keccak256

FIRST, SECOND = tree_of(5, 7), tree_of(6, 9, 1)


class Settled:
    """Two epochs accepted on a node, and the first one's root saved while it held."""

    def __init__(self, url: str, network: str = "saved roots") -> None:
        self.client = ChainClient.connect(url, CHAIN_ID)
        self.client.deploy(OWNER, terms(network))
        self.place = self.client.distributor.address
        settle(self.client, FIRST)
        self.saved = save_root(self.client.w3, self.place, FIRST.root)
        settle(self.client, SECOND)


@pytest.fixture(scope="module", params=["devnet", "anvil"])
def settled(request: pytest.FixtureRequest, devnet: Devnet) -> Iterator[Settled]:
    if request.param == "devnet":
        yield Settled(devnet.url)
        return
    with Anvil() as anvil:
        yield Settled(anvil.url)


@pytest.fixture(scope="module")
def proof(devnet: Devnet) -> SavedRoot:
    """A saved root to be changed."""
    return Settled(devnet.url, "roots to be changed").saved


def test_a_saved_header_proves_the_root_that_held(settled: Settled, tmp_path: Path) -> None:
    file = tmp_path / "root_proof.json"
    file.write_bytes(settled.saved.as_bytes())
    found = proven_root(read_saved_root(file), CHAIN_ID, settled.place)
    block = settled.client.w3.eth.get_block(found.header.number)
    assert found.root == FIRST.root
    assert found.header.hash == "0x" + bytes(block["hash"]).hex()
    assert (found.header.time_s, found.header.state_root) == (block["timestamp"], bytes(block["stateRoot"]))


def test_a_root_that_was_replaced_is_proved_where_it_was_accepted(settled: Settled) -> None:
    found = proven_root(save_root(settled.client.w3, settled.place, FIRST.root), CHAIN_ID, settled.place)
    (accepted, _) = settled.client.distributor.accepted_roots(0, settled.client.head())
    assert (found.root, found.header.number) == (FIRST.root, accepted.block)


def test_what_no_node_can_prove_is_not_saved(settled: Settled) -> None:
    w3, client = settled.client.w3, settled.client
    assert refused(lambda: save_root(w3, settled.place, "0x" + "12" * 32)).code == "not_found"
    assert (
        "root is " + SECOND.root
        in refused(lambda: save_root(w3, settled.place, FIRST.root, client.head())).detail
    )
    assert "there is no account" in refused(lambda: save_root(w3, settled.place, FIRST.root, 0)).detail
    far = refused(lambda: save_root(w3, settled.place, FIRST.root, client.head() + 1_000))
    assert far.code == "chain_rejected"
    assert (
        "is no RewardDistributor"
        in refused(lambda: save_root(w3, client.token.address, FIRST.root, client.head())).detail
    )


def flipped(digits: str, place: int) -> str:
    data = bytearray.fromhex(digits[2:])
    data[place % len(data)] ^= 1
    return "0x" + data.hex()


def changed(proof: SavedRoot, name: str, change: Callable[[Any], Any]) -> SavedRoot:
    return msgspec.structs.replace(proof, **{name: change(getattr(proof, name))})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["header", "code", "account_proof", "storage_proof"]),
    node=st.integers(0, 99),
    place=st.integers(0, 30_000),
)
def test_a_flipped_bit_proves_nothing(proof: SavedRoot, name: str, node: int, place: int) -> None:
    """In the header the state root may stay as it is: then it is another block, whose hash nobody knows."""

    def flip(value: Any) -> Any:
        if isinstance(value, str):
            return flipped(value, place)
        row = node % len(value)
        return (*value[:row], flipped(value[row], place), *value[row + 1 :])

    broken, true = changed(proof, name, flip), proven_root(proof, CHAIN_ID, proof.distributor)
    found = None
    with suppress(WindrowError):
        found = proven_root(broken, CHAIN_ID, proof.distributor)
    if found is not None:
        assert name == "header"
        assert (found.root, found.header.state_root) == (FIRST.root, true.header.state_root)
        assert found.header.hash != true.header.hash


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("header", lambda _: "0x", "header is malformed"),
        ("header", lambda _: "0xc0", "not the fields"),
        ("header", lambda _: "0x" + rlp.encode([b""] * 20).hex(), "not the fields"),
        ("header", lambda _: "0x" + rlp.encode([[b""]] * 20).hex(), "not the fields"),
        ("header", lambda _: "0x" + (b"\xf9\xff\xff" + bytes(65_535)).hex(), "header is 65538 bytes long"),
        ("header", lambda _: "0x" + "c1" * 8_000, "header is malformed"),
        ("code", lambda _: "0x", "code of"),
        ("account_proof", lambda _: (), "does not lead"),
        ("account_proof", lambda nodes: nodes[:-1], "does not lead"),
        ("account_proof", lambda nodes: nodes[1:], "does not lead"),
        ("account_proof", lambda _: ("0x80",), "malformed"),
        ("account_proof", lambda nodes: (*nodes, "0xc0"), "does not lead"),
        ("account_proof", lambda nodes: (*nodes, "0x" + "c1" * 1_000), "malformed"),
        ("account_proof", lambda nodes: nodes * 40, "nodes"),
        ("storage_proof", lambda _: (), "does not lead"),
        ("storage_proof", lambda nodes: nodes[1:], "does not lead"),
        ("storage_proof", lambda nodes: (*nodes, "0x" + "ff" * 1_025), "1025 bytes long"),
        ("chain_id", lambda _: 1, "on chain 1"),
        ("distributor", lambda _: OWNER.address, "not 0x"),
    ],
)
def test_every_level_refuses_what_is_not_its_own(
    proof: SavedRoot, name: str, change: Callable[[Any], Any], said: str
) -> None:
    caught = refused(lambda: proven_root(changed(proof, name, change), CHAIN_ID, proof.distributor))
    assert caught.code == "bad_proof"
    assert said in caught.detail


def test_another_accounts_proof_is_refused(settled: Settled) -> None:
    """The token's account in the place of the distributor's, proved by the very same header."""
    number = proven_root(settled.saved, CHAIN_ID, settled.place).header.number
    token, w3 = settled.client.token.address, settled.client.w3
    other: Any = w3.provider.make_request("eth_getProof", [token, [f"0x{3:064x}"], hex(number)])  # type: ignore[arg-type]
    for name, nodes in (
        ("account_proof", other["result"]["accountProof"]),
        ("storage_proof", other["result"]["storageProof"][0]["proof"]),
    ):
        forged = changed(settled.saved, name, lambda _, nodes=nodes: tuple(nodes))
        caught = refused(lambda forged=forged: proven_root(forged, CHAIN_ID, settled.place))  # type: ignore[misc]
        assert "does not lead" in caught.detail


def test_a_contract_of_somebody_else_is_no_distributor(proof: SavedRoot) -> None:
    """All of it is consistent, root and all, but what lies at the address has other code."""
    from trie.hexary import HexaryTrie

    def tree(rows: dict[bytes, bytes]) -> Any:
        made = HexaryTrie({})
        for key, value in rows.items():
            made[keccak256(key)] = value
        return made

    code = b"\x60\x00"
    words = tree({(3).to_bytes(32, "big"): rlp.encode(bytes.fromhex(FIRST.root[2:]))})
    account = rlp.encode([b"\x01", b"", words.root_hash, keccak256(code)])
    raw = bytes.fromhex(proof.distributor[2:])
    accounts = tree({raw: account})
    fields = rlp.decode(bytes.fromhex(proof.header[2:]))
    fields[3] = accounts.root_hash

    def nodes(trie: Any, key: bytes) -> tuple[str, ...]:
        return tuple("0x" + rlp.encode(node).hex() for node in trie.get_proof(keccak256(key)))

    forged = msgspec.structs.replace(
        proof,
        header="0x" + rlp.encode(fields).hex(),
        code="0x" + code.hex(),
        account_proof=nodes(accounts, raw),
        storage_proof=nodes(words, (3).to_bytes(32, "big")),
    )
    assert (
        "is no RewardDistributor" in refused(lambda: proven_root(forged, CHAIN_ID, proof.distributor)).detail
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {**content, "format": "windrow-root-2"},
        lambda content: {**content, "more": 1},
        lambda content: {**content, "header": content["header"] + "0"},
        lambda content: {**content, "header": content["header"][2:]},
        lambda content: {**content, "distributor": "0x12"},
        lambda content: {**content, "account_proof": ["0x"] * (TRIE_PROOF_NODES_MAX + 1)},
        lambda content: {name: content[name] for name in content if name != "code"},
        lambda content: [content],
        lambda content: {**content, "code": "0x" + "00" * SAVED_ROOT_BYTES_MAX},
    ],
)
def test_a_file_of_another_shape_is_refused(
    proof: SavedRoot, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    file = tmp_path / "root_proof.json"
    file.write_text(json.dumps(change(json.loads(proof.as_bytes()))))
    assert refused(lambda: read_saved_root(file)).code == "bad_proof"
    file.write_text("[" * 200_000)
    assert refused(lambda: read_saved_root(file)).code == "bad_proof"
    assert refused(lambda: read_saved_root(tmp_path / "none")).code == "not_found"


def test_a_word_never_written_is_zero_and_a_header_of_unknown_fields_is_said_so(settled: Settled) -> None:
    number = hex(read_header(bytes.fromhex(settled.saved.header[2:])).number)
    request: Any = settled.client.w3.provider.make_request
    told = request("eth_getProof", [settled.place, [f"0x{0x99:064x}"], number])["result"]
    nodes = [bytes.fromhex(node[2:]) for node in told["accountProof"]]
    header = read_header(bytes.fromhex(settled.saved.header[2:]))
    account = proven_account(header.state_root, settled.place, nodes)
    words = [bytes.fromhex(node[2:]) for node in told["storageProof"][0]["proof"]]
    assert proven_word(account.storage_root, 0x99, words) == bytes(32)
    block = request("eth_getBlockByNumber", [number, False])["result"]
    assert header_bytes(block) == bytes.fromhex(settled.saved.header[2:])
    assert "does not hash" in refused(lambda: header_bytes({**block, "gasUsed": "0x1"})).detail
    assert "malformed" in refused(lambda: header_bytes({**block, "gasUsed": "x"})).detail
