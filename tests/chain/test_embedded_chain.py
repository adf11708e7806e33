"""The embedded chain: time, refusals, history and replay."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chain_nodes import BUYER, CHAIN_ID, COIN, OWNER, POOR
from eth_typing import Address

from chain.abi import creation_code, describe_revert, functions
from chain.create2 import FACTORY_ADDRESS, create2_address
from chain.durable_chain import DurableChain
from chain.evm import EmbeddedChain
from chain.evm_values import Call, Genesis, Mined, RefusalError
from chain.journal import decode_all
from windrow_protocol.errors import WindrowError
from windrow_protocol.merkle import checksum_address

START_S = 1_800_000_000
SINK = "0x" + "11" * 20
BALANCES: dict[str, int] = {OWNER.address: 1_000 * COIN}


def transaction(nonce: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": 2,
        "chainId": CHAIN_ID,
        "nonce": nonce,
        "to": SINK,
        "value": 1,
        "gas": 21_000,
        "maxFeePerGas": 3 * 10**9,
        "maxPriorityFeePerGas": 1,
        "data": b"",
        **changes,
    }


def signed(nonce: int, **changes: Any) -> bytes:
    return bytes(OWNER.sign_transaction(transaction(nonce, **changes)).raw_transaction)


@pytest.fixture
def chain() -> EmbeddedChain:
    return EmbeddedChain(Genesis(CHAIN_ID, START_S, BALANCES))


def send(chain: EmbeddedChain, raw: bytes, at_s: int = START_S) -> Mined:
    return chain.commit(chain.prepare(raw, at_s))


def test_many_transactions_share_a_second_and_time_never_runs_ahead(chain: EmbeddedChain) -> None:
    times = [send(chain, signed(nonce), START_S + 5).block.header.timestamp for nonce in range(3)]
    assert times == [START_S + 5] * 3
    assert send(chain, signed(3), START_S + 6).block.header.timestamp == START_S + 6


def test_time_never_goes_back_when_the_clock_does(chain: EmbeddedChain) -> None:
    send(chain, signed(0), START_S + 100)
    assert send(chain, signed(1), START_S + 1).block.header.timestamp == START_S + 100


def test_every_block_has_a_parent_and_a_number(chain: EmbeddedChain) -> None:
    blocks = [send(chain, signed(nonce)).block for nonce in range(3)]
    assert [block.number for block in blocks] == [1, 2, 3]
    assert blocks[2].header.parent_hash == blocks[1].hash
    assert chain.number_of(blocks[1].hash) == 2
    assert chain.number_of(b"\x01" * 32) is None


REFUSED = [
    ({"chainId": 1}, 0, "invalid chain id for signer: have 1, want 31337"),
    ({}, 1, "nonce too high: next nonce 0, tx nonce 1"),
    ({"value": 2_000 * COIN}, 0, "insufficient funds"),
    ({"gas": 20_999}, 0, "intrinsic gas too low"),
    ({"gas": 30_000_001}, 0, "exceeds block gas limit"),
    ({"maxFeePerGas": 1}, 0, "max fee per gas less than block base fee"),
]


@pytest.mark.parametrize(("changes", "nonce", "said"), REFUSED)
def test_what_cannot_be_mined_is_refused_with_the_reason(
    chain: EmbeddedChain, changes: dict[str, Any], nonce: int, said: str
) -> None:
    with pytest.raises(RefusalError, match=said):
        chain.prepare(signed(nonce, **changes), START_S)
    assert chain.head_number == 0


def test_same_transaction_twice_is_once(chain: EmbeddedChain) -> None:
    send(chain, signed(0))
    with pytest.raises(RefusalError, match="already known"):
        chain.prepare(signed(0), START_S)
    with pytest.raises(RefusalError, match="nonce too low"):
        chain.prepare(signed(0, value=2), START_S)


def test_legacy_transaction_must_name_the_chain(chain: EmbeddedChain) -> None:
    legacy = {
        key: value
        for key, value in transaction(0).items()
        if key not in ("type", "maxFeePerGas", "maxPriorityFeePerGas")
    } | {"gasPrice": 3 * 10**9}
    unprotected = {key: value for key, value in legacy.items() if key != "chainId"}
    with pytest.raises(RefusalError, match="have none, want 31337"):
        chain.prepare(bytes(OWNER.sign_transaction(unprotected).raw_transaction), START_S)
    mined = send(chain, bytes(OWNER.sign_transaction(legacy).raw_transaction))
    assert mined.succeeded
    assert mined.sender.hex() == OWNER.address[2:].lower()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00",
        b"\x02",
        b"\x03" + bytes(100),
        b"\x04" + bytes(100),
        b"\xc0",
        b"\xf8",
        b"\xff" * 200,
        bytes(131_073),
        signed(0)[:-1],
        signed(0) + b"\x00",
        signed(0)[:-64] + bytes(64),
    ],
)
def test_garbage_is_refused_and_changes_nothing(chain: EmbeddedChain, raw: bytes) -> None:
    root = chain.head.state_root
    with pytest.raises(RefusalError):
        chain.prepare(raw, START_S)
    assert chain.head.state_root == root


def test_reverting_transaction_is_mined_as_failed(chain: EmbeddedChain) -> None:
    token = deploy_token(chain)
    mint = functions("WindToken")["mint"].encode([SINK, 1])
    assert not send(chain, signed(1, to=token, data=mint, value=0, gas=100_000)).succeeded
    assert chain.state().get_nonce(Address(bytes.fromhex(OWNER.address[2:]))) == 2


def deploy_token(chain: EmbeddedChain) -> str:
    """A token whose minter is not OWNER, through the factory."""
    code = creation_code("WindToken", BUYER.address, BUYER.address)
    mined = send(chain, signed(0, to=FACTORY_ADDRESS, value=0, data=bytes(32) + code, gas=3_000_000))
    assert mined.succeeded
    return create2_address(bytes(32), code)


def test_call_gives_output_or_the_contracts_own_error(chain: EmbeddedChain) -> None:
    token = bytes.fromhex(deploy_token(chain)[2:])
    table = functions("WindToken")
    symbol = chain.call(Call(to=token, data=table["symbol"].encode([])), START_S)
    assert table["symbol"].decode(symbol) == "WIND"
    with pytest.raises(RefusalError) as caught:
        chain.call(Call(to=token, data=table["mint"].encode([SINK, 1])), START_S)
    assert caught.value.data is not None
    assert describe_revert(caught.value.data) == f"NotMinter(0x{'00' * 20})"


def test_calls_leave_no_trace(chain: EmbeddedChain) -> None:
    token = bytes.fromhex(deploy_token(chain)[2:])
    root = chain.head.state_root
    minter = bytes.fromhex(BUYER.address[2:])
    mint = functions("WindToken")["mint"].encode([SINK, 5])
    chain.call(Call(sender=minter, to=token, data=mint), START_S)
    chain.estimate_gas(Call(sender=minter, to=token, data=mint), START_S)
    supply = chain.call(Call(to=token, data=functions("WindToken")["totalSupply"].encode([])), START_S)
    assert int.from_bytes(supply, "big") == 0
    assert chain.head.state_root == root


def test_estimated_gas_suffices_and_little_less_does_not(chain: EmbeddedChain) -> None:
    token = bytes.fromhex(deploy_token(chain)[2:])
    minter = bytes.fromhex(BUYER.address[2:])
    mint = Call(sender=minter, to=token, data=functions("WindToken")["mint"].encode([SINK, 5]))
    gas = chain.estimate_gas(mint, START_S)
    chain.call(Call(minter, token, mint.data, 0, gas), START_S)
    with pytest.raises(RefusalError):
        chain.call(Call(minter, token, mint.data, 0, gas - gas // 16), START_S)


def test_plain_transfer_is_estimated_at_21000(chain: EmbeddedChain) -> None:
    call = Call(bytes.fromhex(OWNER.address[2:]), bytes.fromhex(SINK[2:]), b"", 1)
    assert chain.estimate_gas(call, START_S) == 21_000


def test_history_can_be_asked(chain: EmbeddedChain) -> None:
    sink = Address(bytes.fromhex(SINK[2:]))
    for nonce in range(3):
        send(chain, signed(nonce, value=10))
    assert [chain.state(number).get_balance(sink) for number in range(4)] == [0, 10, 20, 30]


@pytest.fixture
def deep_python() -> Iterator[None]:
    """The limit that py-evm sets in the devnet's own process: contracts may call 1,024 deep."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("deep_python")
def test_contract_that_calls_itself_for_ever_ends(chain: EmbeddedChain) -> None:
    recurse = bytes.fromhex("6000600060006000600030" + "5a" + "f1" + "00")  # call(gas, this, 0, 0, 0, 0, 0)
    creation = bytes.fromhex(f"60{len(recurse):02x}8060095f395ff3") + recurse
    made = send(chain, signed(0, to=b"", value=0, data=creation, gas=200_000))
    assert made.created is not None
    assert chain.state().get_code(Address(made.created)) == recurse
    deep = signed(1, to=checksum_address("0x" + made.created.hex()), value=0, gas=20_000_000)
    assert send(chain, deep).succeeded


def test_endless_loop_runs_out_of_gas(chain: EmbeddedChain) -> None:
    loop = bytes.fromhex("5b5f56")  # JUMPDEST PUSH0 JUMP
    creation = bytes.fromhex("60038060095f395ff3") + loop
    made = send(chain, signed(0, to=b"", value=0, data=creation, gas=200_000))
    with pytest.raises(RefusalError, match="OutOfGas"):
        chain.call(Call(to=made.created, gas=200_000), START_S)


def opened(home: Path, **changes: Any) -> DurableChain:
    given: dict[str, Any] = {"chain_id": CHAIN_ID, "balances_wei": BALANCES, "now_s": START_S} | changes
    return DurableChain.open(home, **given)


def test_replay_gives_the_very_same_blocks(tmp_path: Path) -> None:
    with opened(tmp_path) as durable:
        deploy = signed(
            0,
            to=FACTORY_ADDRESS,
            value=0,
            data=bytes(32) + creation_code("WindToken", OWNER.address, OWNER.address),
            gas=3_000_000,
        )
        durable.send(deploy, START_S + 1)
        for nonce in range(1, 5):
            durable.send(signed(nonce), START_S + nonce)
        before = [durable.chain.header(number) for number in range(6)]
    with opened(tmp_path, now_s=START_S + 9_999) as durable:
        after = [durable.chain.header(number) for number in range(6)]
        assert [header.hash for header in after] == [header.hash for header in before]
        assert [header.state_root for header in after] == [header.state_root for header in before]
        durable.send(signed(5), START_S + 9)


def test_journal_that_names_another_sender_is_noticed(tmp_path: Path) -> None:
    balances = {**BALANCES, BUYER.address: 1_000 * COIN}
    with opened(tmp_path, balances_wei=balances) as durable:
        durable.send(signed(0), START_S)
    path = tmp_path / "journal.bin"
    (record,), _ = decode_all(path.read_bytes())
    path.write_bytes(replace(record, sender=bytes.fromhex(BUYER.address[2:])).encode())
    with pytest.raises(WindrowError, match="gives another block"):
        opened(tmp_path, balances_wei=balances)


def test_refused_transaction_is_not_journalled(tmp_path: Path) -> None:
    with opened(tmp_path) as durable:
        with pytest.raises(RefusalError):
            durable.send(signed(7), START_S)
        durable.send(signed(0), START_S)
    with opened(tmp_path) as durable:
        assert durable.chain.head_number == 1


def test_failed_journal_keeps_the_transaction_out_of_the_chain(tmp_path: Path) -> None:
    with opened(tmp_path) as durable:
        durable.send(signed(0), START_S)
        durable._journal.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            durable.send(signed(1), START_S)
        assert durable.chain.head_number == 1
        durable._closing.pop_all()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": 1}, "wrong_chain"),
        ({"balances_wei": {OWNER.address: 5}}, "bad_config"),
        ({"balances_wei": {POOR.address: 5}}, "bad_config"),
    ],
)
def test_later_start_must_agree_with_the_genesis(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    opened(tmp_path).close()
    with pytest.raises(WindrowError) as caught:
        opened(tmp_path, **changes)
    assert caught.value.code == code
    opened(tmp_path, balances_wei={}).close()


def test_changed_genesis_is_noticed_by_the_journal(tmp_path: Path) -> None:
    with opened(tmp_path) as durable:
        durable.send(signed(0), START_S)
    path = tmp_path / "genesis.json"
    content = json.loads(path.read_text())
    content["balances_wei"][OWNER.address] = str(2_000 * COIN)
    path.write_text(json.dumps(content))
    with pytest.raises(WindrowError, match="gives another block"):
        opened(tmp_path, balances_wei={})


def test_unreadable_genesis_is_said(tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_text("{")
    with pytest.raises(WindrowError) as caught:
        opened(tmp_path)
    assert caught.value.code == "chain_journal_corrupt"


def test_folder_is_held_by_one(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(WindrowError) as caught:
        opened(tmp_path)
    assert caught.value.code == "home_locked"
    opened(tmp_path).close()
