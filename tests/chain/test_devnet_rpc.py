"""The devnet over HTTP: JSON-RPC's shapes and refusals, web3 unmodified, and every way it starts and ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from chain_nodes import BUYER, CHAIN_ID, COIN, OWNER, ROOT, Devnet, key, post, rpc
from web3 import Web3
from web3.exceptions import ContractCustomError
from web3.middleware import SignAndSendRawMiddlewareBuilder

from chain.abi import artifact
from chain.journal import decode_all
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import RPC_BATCH_MAX, RPC_REQUEST_BYTES_MAX

SINK = "0x" + "11" * 20


def transfer(nonce: int, sender: Any = OWNER, value: int = 1) -> str:
    signed = sender.sign_transaction(
        {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "to": SINK,
            "value": value,
            "gas": 21_000,
            "maxFeePerGas": 3 * 10**9,
            "maxPriorityFeePerGas": 1,
        }
    )
    return "0x" + bytes(signed.raw_transaction).hex()


def ask(url: str, method: str, *params: Any) -> Any:
    return post(url, json.dumps({"jsonrpc": "2.0", "id": 9, "method": method, "params": params}).encode())


MALFORMED = {
    "empty": (b"", -32700),
    "cut": (b"{", -32700),
    "not UTF-8": (b"\xff\xfe", -32700),
    "deep": (b"[" * 100_000, -32700),
    "as deep as is parsed": (b"[" * 9_999, -32700),
    "empty batch": (b"[]", -32600),
    "number": (b"3", -32600),
    "empty object": (b"{}", -32600),
    "no id": (b'{"jsonrpc": "2.0", "method": "eth_chainId"}', -32600),
    "old version": (b'{"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}', -32600),
    "node's keys": (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_sendTransaction", "params": [{}]}', -32601),
    "method is a number": (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', -32601),
    "params is an object": (b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": {}}', -32602),
    "long batch": (b"[" + b",".join([b"{}"] * (RPC_BATCH_MAX + 1)) + b"]", -32600),
    "large": (b" " * (RPC_REQUEST_BYTES_MAX + 1), -32600),
}


@pytest.mark.parametrize(("body", "code"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_gets_a_json_rpc_error(devnet: Devnet, body: bytes, code: int) -> None:
    answer = post(devnet.url, body)
    assert (answer["jsonrpc"], answer["error"]["code"]) == ("2.0", code)
    assert answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_getBalance", []),
        ("eth_getBalance", ["0x12", "latest"]),
        ("eth_getBalance", [SINK, "newest"]),
        ("eth_getBalance", [SINK, "0xffffff"]),
        ("eth_getBalance", [SINK, {"blockHash": "0x" + "12" * 32}]),
        ("eth_call", ["0x"]),
        ("eth_call", [{"to": SINK, "data": "12"}]),
        ("eth_call", [{"to": SINK, "value": 5}]),
        ("eth_call", [{"to": SINK, "gas": "0x" + "f" * 65}]),
        ("eth_estimateGas", [{"to": SINK}, "earliest"]),
        ("eth_getTransactionReceipt", ["0x12"]),
        ("eth_getTransactionByHash", [None]),
        ("eth_getBlockByNumber", ["soon", False]),
        ("eth_feeHistory", ["0x0", "latest", []]),
        ("eth_feeHistory", ["0x401", "latest", []]),
        ("eth_getLogs", []),
        ("eth_getLogs", [{"topics": "0x"}]),
        ("eth_getLogs", [{"topics": [None] * 5}]),
        ("eth_getLogs", [{"address": "0x12"}]),
        ("eth_getLogs", [{"fromBlock": "first"}]),
        ("eth_sendRawTransaction", ["zz"]),
        ("eth_sendRawTransaction", ["0x" + "00" * 131_073]),
        ("web3_sha3", ["0x1"]),
    ],
    ids=range(23),
)
def test_wrong_parameter_is_named(devnet: Devnet, method: str, params: list[Any]) -> None:
    answer = ask(devnet.url, method, *params)
    assert answer["error"]["code"] == -32602, answer
    assert answer["id"] == 9


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:80"])
def test_other_hosts_are_not_served(devnet: Devnet, host: str) -> None:
    request = b'{"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}'
    assert (
        post(devnet.url, request, Host=host)["error"]["message"] == "only requests to loopback are answered"
    )
    assert post(devnet.url, request, Host=f"localhost:{devnet.port}")["result"] == hex(CHAIN_ID)


def test_batch_is_answered_in_order(devnet: Devnet) -> None:
    asked = [
        {"jsonrpc": "2.0", "id": n, "method": m}
        for n, m in enumerate(["eth_chainId", "nothing", "net_version"])
    ]
    answer = post(devnet.url, json.dumps(asked).encode())
    assert [one["id"] for one in answer] == [0, 1, 2]
    assert (answer[0]["result"], answer[1]["error"]["code"], answer[2]["result"]) == (
        hex(CHAIN_ID),
        -32601,
        str(CHAIN_ID),
    )


def test_refused_transaction_says_why(devnet: Devnet) -> None:
    answer = ask(devnet.url, "eth_sendRawTransaction", transfer(10**6))
    assert answer["error"]["code"] == -32000
    assert answer["error"]["message"].startswith("nonce too high")
    poor = ask(devnet.url, "eth_sendRawTransaction", transfer(0, key(5)))
    assert poor["error"]["message"].startswith("insufficient funds")


def test_web3_works_unmodified(devnet: Devnet) -> None:
    w3 = Web3(Web3.HTTPProvider(devnet.url))
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(BUYER), layer=0)
    w3.eth.default_account = BUYER.address
    assert w3.is_connected()
    assert w3.eth.chain_id == int(w3.net.version) == CHAIN_ID
    found = artifact("WindToken")
    factory = w3.eth.contract(abi=found.abi, bytecode=found.bytecode)
    made = w3.eth.wait_for_transaction_receipt(factory.constructor(BUYER.address, BUYER.address).transact())
    token: Any = w3.eth.contract(address=made["contractAddress"], abi=found.abi)
    receipt = w3.eth.wait_for_transaction_receipt(token.functions.mint(SINK, 7).transact())
    assert (receipt["status"], receipt["from"], receipt["to"]) == (1, BUYER.address, token.address)
    assert token.functions.balanceOf(SINK).call() == 7
    (event,) = token.events.Transfer().get_logs(from_block=receipt["blockNumber"])
    assert (event["args"]["to"], event["args"]["value"]) == (Web3.to_checksum_address(SINK), 7)
    with pytest.raises(ContractCustomError):
        token.functions.transfer(SINK, 10**30).transact()
    sent = w3.eth.get_transaction(receipt["transactionHash"])
    assert (sent["chainId"], sent["type"], sent["blockNumber"]) == (CHAIN_ID, 2, receipt["blockNumber"])
    block: Any = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert block["transactions"][0]["hash"] == receipt["transactionHash"]
    assert w3.eth.get_block(block["hash"])["number"] == block["number"]
    assert w3.eth.get_storage_at(token.address, 2)[-1] == 7  # total supply
    history = w3.eth.fee_history(2, "latest", [50])
    assert len(history["baseFeePerGas"]) == 3
    assert w3.eth.gas_price >= w3.eth.max_priority_fee


def test_events_are_found_by_every_filter(devnet: Devnet) -> None:
    w3 = Web3(Web3.HTTPProvider(devnet.url))
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(BUYER), layer=0)
    w3.eth.default_account = BUYER.address
    found = artifact("WindToken")
    factory = w3.eth.contract(abi=found.abi, bytecode=found.bytecode)
    made = w3.eth.wait_for_transaction_receipt(factory.constructor(BUYER.address, BUYER.address).transact())
    token: Any = w3.eth.contract(address=made["contractAddress"], abi=found.abi)
    accounts = [key(n).address for n in (1, 2)]
    receipts = [
        w3.eth.wait_for_transaction_receipt(token.functions.mint(account, 1).transact())
        for account in accounts
    ]
    transfer_topic = Web3.keccak(text="Transfer(address,address,uint256)").to_0x_hex()
    padded = ["0x" + "00" * 12 + account[2:].lower() for account in accounts]

    def count(**wanted: Any) -> int:
        return len(rpc(devnet.url, "eth_getLogs", {"address": token.address, "fromBlock": "0x0", **wanted}))

    assert count() == 4  # ownership, minter, two mints
    assert count(topics=[transfer_topic]) == 2
    assert count(topics=[transfer_topic, None, padded[0]]) == 1
    assert count(topics=[transfer_topic, None, padded]) == 2
    assert count(topics=[None, None, padded[1]]) == 1
    assert count(topics=[transfer_topic, padded[0]]) == 0
    assert count(address=[token.address, SINK], topics=[transfer_topic]) == 2
    assert count(address=SINK) == 0
    assert count(fromBlock=hex(receipts[1]["blockNumber"])) == 1
    assert count(toBlock=hex(receipts[0]["blockNumber"]), topics=[transfer_topic]) == 1
    by_hash = {"blockHash": receipts[0]["blockHash"].to_0x_hex(), "topics": [transfer_topic]}
    assert len(rpc(devnet.url, "eth_getLogs", by_hash)) == 1


def test_block_time_is_real_time(devnet: Devnet) -> None:
    before_s = int(time.time())
    pending = int(rpc(devnet.url, "eth_getBlockByNumber", "pending", False)["timestamp"], 16)
    assert before_s <= pending <= int(time.time())


def test_killed_devnet_comes_back_with_the_same_chain_and_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    with Devnet(tmp_path) as devnet:
        for nonce in range(4):
            rpc(devnet.url, "eth_sendRawTransaction", transfer(nonce, value=COIN))
        before = [rpc(devnet.url, "eth_getBlockByNumber", hex(n), True) for n in range(5)]
        assert devnet.end(signal.SIGKILL) == -signal.SIGKILL
        with (tmp_path / "journal.bin").open("ab") as file:
            file.write(b"WTX1\x00\x00\x00\x99 a record that was being written when the power went")
        devnet.start()
        after = [rpc(devnet.url, "eth_getBlockByNumber", hex(n), True) for n in range(5)]
        assert after == before
        assert int(rpc(devnet.url, "eth_getBalance", SINK, "latest"), 16) == 4 * COIN
        receipt = rpc(devnet.url, "eth_getTransactionReceipt", before[2]["transactions"][0]["hash"])
        assert receipt["status"] == "0x1"
        rpc(devnet.url, "eth_sendRawTransaction", transfer(4))
        assert devnet.end(signal.SIGTERM) == 0


def test_everything_acknowledged_before_a_kill_is_there_after(tmp_path: Path) -> None:
    """Killed in the middle of a stream of transactions, at whatever instruction; then it ends with its parent."""
    with Devnet(tmp_path) as devnet:
        acknowledged: list[str] = []
        enough = threading.Event()

        def stream() -> None:
            for nonce in range(500):
                try:
                    acknowledged.append(rpc(devnet.url, "eth_sendRawTransaction", transfer(nonce)))
                except OSError:
                    return
                if len(acknowledged) == 5:
                    enough.set()

        sending = threading.Thread(target=stream)
        sending.start()
        assert enough.wait(60)
        devnet.end(signal.SIGKILL)
        sending.join(60)
        devnet.start()
        height = int(rpc(devnet.url, "eth_blockNumber"), 16)
        assert height in (len(acknowledged), len(acknowledged) + 1)
        for tx in acknowledged:
            assert rpc(devnet.url, "eth_getTransactionReceipt", tx)["status"] == "0x1"
        assert len(decode_all((tmp_path / "journal.bin").read_bytes())[0]) == height
        assert devnet.process is not None
        assert devnet.process.stdin is not None
        devnet.process.stdin.close()
        assert devnet.process.wait(30) == 0


def run_devnet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chain.devnet", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def test_taken_port_is_said_with_its_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = run_devnet("--home", str(tmp_path), "--port", port, "--chain-id", "1")
    assert done.returncode == 2
    assert done.stderr.strip() == str(WindrowError("port_taken", f"127.0.0.1:{port}"))
    assert done.stdout == ""


@pytest.mark.parametrize("fund", ["0x12:5", f"{SINK}", f"{SINK}:-1", f"{SINK}:lots", f"{SINK}:1.5"])
def test_wrong_fund_is_said(tmp_path: Path, fund: str) -> None:
    from chain.devnet import main

    assert main(["--home", str(tmp_path), "--port", "0", "--chain-id", "1", "--fund", fund]) != 0
