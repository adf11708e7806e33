"""Seeds for the parsers of what parties say to each other: see `seeds.py`.

Rules: well-formed ones first, then those of known attacks; all are made here, with keys of no value.

Does not: hold what the fuzzer found (`corpus/`). Usage: `leases()`.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import msgspec
import zstandard
from eth_account import Account

from marketplace.orders import Order, OrderDomain, sign_order
from tests.fuzz.parsers_of_messages import KEY_ID, NETWORK, NOW_MS, PAYOUT, signed
from windrow_protocol.delegation import sign_delegation
from windrow_protocol.merkle import MerkleTree, checksum_address
from windrow_protocol.messages import Delegation

SIGNED = b"\x80"
HEADED = b"\x40"
RAW = b"\x00"
LEASE_ID = "a" + "0" * 31
HEX64 = "ab" * 32

LEASE: dict[str, Any] = {
    "lease_id": LEASE_ID,
    "node_id": KEY_ID,
    "url": "http://site.example/a",
    "render": "http",
    "body_bytes_max": 5_000_000,
    "decoded_bytes_max": 20_000_000,
    "time_s_max": 20,
    "redirects_max": 5,
    "nonce": "n",
    "issued_at_ms": NOW_MS,
    "expires_at_ms": NOW_MS + 600_000,
}
CONTRIBUTION: dict[str, Any] = {
    "kind": "contribution",
    "contribution_id": "c" + "1" * 31,
    "lease_id": LEASE_ID,
    "url": "http://site.example/a",
    "final_url": "http://site.example/a",
    "http_status": 200,
    "content_type": "text/html",
    "fetched_at_ms": NOW_MS,
    "robots_state": "allowed",
    "optout_signals": ["meta:robots noindex=*"],
    "raw_sha256": HEX64,
    "text": "Cut grass dries in rows.",
    "text_sha256": HEX64,
    "title": "Grass",
}
REPORT: dict[str, Any] = {
    "kind": "report",
    "lease_id": LEASE_ID,
    "url": "http://site.example/a",
    "outcome": "not_found",
    "fetched_at_ms": NOW_MS,
}


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


def _statement(purpose: str, content: Any = None, **more: Any) -> bytes:
    says = {"network": NETWORK, "purpose": purpose, "subject": KEY_ID, "issued_at_ms": NOW_MS, **more}
    return _json({**says, "content": content} if content is not None else says)


def _deep(purpose: str) -> bytes:
    """A rightly signed statement whose content nests deeper than a parser's stack."""
    return _statement(purpose, {"a": 1}).replace(b'{"a":1}', b'{"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}")


def tokens(purpose: str, content: dict[str, Any]) -> list[bytes]:
    """Tokens of one purpose: right, wrong in one thing each, and of odd JSON."""
    head = b'{"alg":"Ed25519","kid":"' + KEY_ID.encode() + b'"'
    good = _statement(purpose, content)
    return [
        SIGNED + good,
        SIGNED + _statement(purpose, content, expires_at_ms=NOW_MS - 1),
        SIGNED + _statement("other", content),
        SIGNED + _statement(purpose, {**content, "unknown": 1}),
        SIGNED + _deep(purpose),
        HEADED + head + b"}\0" + good,
        HEADED + head + b',"crit":["b64"],"b64":false}\0' + good,
        HEADED + head + b',"x":' + b"[" * 1_200 + b"]" * 1_200 + b"}\0" + good,
        HEADED + b'["alg","kid"]\0' + good,
        HEADED + b'{"alg":["Ed25519"],"kid":"' + KEY_ID.encode() + b'"}\0' + good,
        HEADED + b'{"alg":"none","kid":"' + KEY_ID.encode() + b'"}\0' + good,
        HEADED + b'"alg"\0' + good,
        HEADED + b'"algb64"\0' + good,
        HEADED + head + b',"crit":true}\0' + good,
        HEADED + head + b',"crit":["kid",5]}\0' + good,
        HEADED + head + b',"b64":[]}\0' + good,
        RAW + signed(good).encode(),
        RAW + b"a.b.c",
        RAW + b"\xff.\xfe.",
    ]


def request(body: bytes, **more: Any) -> bytes:
    """One signed request."""
    says = {
        "nonce": "n",
        "expires_at_ms": NOW_MS + 60_000,
        "content_sha256": hashlib.sha256(body).hexdigest(),
    }
    return SIGNED + _statement("submit", **{**says, **more}) + b"\0\0" + body


def batches() -> list[bytes]:
    """Batches of submissions."""
    lines = b"\n".join([_json(CONTRIBUTION), _json(REPORT), b"", b"{", b'{"kind":"other"}'])
    deep = b'{"kind":"report","x":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    newline_id = _json({**REPORT, "lease_id": LEASE_ID + "\n"})
    return [
        b"\x80" + lines,
        b"\x80" + deep,
        b"\x80" + newline_id,
        b"\x80" + _json(REPORT).replace(b"not_found", b"\xed\xa0\x80"),
        b"\x80" + b'{"' + b"k" * 2_000 + b'":1}',
        b"\x00" + zstandard.compress(lines),
        b"\x00" + zstandard.compress(lines)[:20],
    ]


def frames() -> list[bytes]:
    """Frames of zstd."""
    return [
        zstandard.compress(b"grass " * 200),
        zstandard.compress(b"grass") + zstandard.compress(b"hay"),
        zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(b"hay" * 99),
        zstandard.compress(b"\0" * 5_000_000),
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(b"after"),
        b"\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff",
        b"",
    ]


WORD = "0x" + HEX64
PERSONAL: dict[str, Any] = {
    "contribution_id": "p" + "2" * 31,
    "node_id": KEY_ID,
    "source": "browser",
    "consent_receipt_id": HEX64,
    "consent_jws": "a.b.c",
    "records": [
        {
            "item_id": HEX64,
            "url": "http://site.example/",
            "title": "t",
            "text": "x",
            "text_sha256": HEX64,
            "captured_at_ms": 1,
        }
    ],
}
ORDER: dict[str, Any] = {
    "network": NETWORK,
    "export_id": WORD,
    "tx_hash": WORD,
    "buyer": PAYOUT,
    "nonce": WORD,
    "expires_at_s": 9,
}
MANIFEST: dict[str, Any] = {
    "format": "windrow-export-1",
    "network": NETWORK,
    "coordinator_id": KEY_ID,
    "dataset": "web_text",
    "version": "0.1.0",
    "export_id": WORD,
    "title": "t",
    "summary": "s",
    "licence": "l",
    "created_at_ms": 1,
    "content_sha256": HEX64,
    "columns": [],
    "rows": 0,
    "tokens": 0,
    "text_bytes": 0,
    "languages": {},
    "top_hosts": {},
    "licences_detected": {},
    "price": "5",
    "asset": "x",
    "files": [{"path": "data/train-0.parquet", "bytes": 1, "sha256": HEX64, "rows": 1}],
}
DELEGATION: dict[str, Any] = {
    "network": NETWORK,
    "node_id": KEY_ID,
    "payout_address": PAYOUT,
    "scopes": ["work", "revoke"],
    "expires_at_ms": NOW_MS,
    "nonce": "n",
    "signature": "",
}


def messages() -> list[bytes]:
    """JSON messages, one of each type, and hostile ones."""
    wallet = Account.from_key(hashlib.sha256(b"windrow fuzz wallet").digest())
    ordered = sign_order(wallet, OrderDomain(1, PAYOUT), msgspec.convert(ORDER, Order))
    each = _one_of_each(ordered, sign_delegation(wallet, msgspec.convert(DELEGATION, Delegation)))
    good = [bytes([at]) + _json(message) for at, message in enumerate(each)]
    hostile = [
        bytes([at]) + body
        for at in range(len(each))
        for body in (b"[" * 3_000, b'{"' + b"n" * 2_000 + b'":0}', b"\xff")
    ]
    hostile += [
        b"\0",
        b'\0{"\\ud800":1}',
        bytes([14]) + b'{"after":"\\n"}',
        bytes([6]) + _json({**DELEGATION, "node_id": HEX64 + "\n"}),
    ]
    hostile.append(bytes([5]) + _json({**ORDER, "tx_hash": WORD + "\n", "signature": ordered.signature}))
    return good + hostile


def _one_of_each(ordered: Order, agreed: Delegation) -> list[Any]:
    """One message of each type, at the place that its type has in `parsers_of_messages`."""
    seen = {"last_seq": 5, "head": HEX64, "log_sha256": HEX64}
    entry = {"seq": 5, "lease_id": LEASE_ID, "content_sha256": HEX64, "share_ppm": 30_000, "epoch_id": 1}
    return [
        {"payout_address": PAYOUT},
        {"count": 5},
        CONTRIBUTION,
        PERSONAL,
        {"account": PAYOUT},
        ordered,
        agreed,
        {"epoch_id": 1, "commitment": HEX64},
        {"after_seq": 0},
        {"epoch_id": 1, "upto_seq": 9, "lease_ids": [LEASE_ID], "doubled": []},
        {"epoch_id": 1, "secret": HEX64, **seen},
        {"epochs": [], "entries": [entry], "upto_seq": 5, "head": HEX64, "server_time_ms": NOW_MS},
        {},
        {"contribution_id": "c" + "1" * 31},
        {"after": "1-2-3-4"},
        {"withdrawal_jws": "e30.e30.e30"},
        {"after": "p" + "2" * 31},
        MANIFEST,
        MerkleTree.from_amounts({PAYOUT: 5}).dump(),
    ]


def native() -> list[bytes]:
    """What a browser writes to the native host."""
    said = [
        {"type": "hello", "id": "1"},
        {"type": "status", "count_max": 5},
        {"type": "withdraw", "contribution_id": "p" + "2" * 31},
        {"type": "node", "do": "pause_hour"},
        {"type": "dashboard", "page": "give"},
        {
            "type": "preview",
            "page": {"url": "http://a.example/", "title": "t", "text": "x", "captured_at_ms": 1},
        },
    ]
    framed = [struct.pack("=I", len(_json(each))) + _json(each) for each in said]
    return [
        *framed,
        b"".join(framed),
        b"\x05\0\0\0{",
        b"\xff\xff\xff\xff",
        b"\x01",
        struct.pack("=I", 2_000_000),
    ]


def child_lines() -> list[bytes]:
    """Lines between node and crawl child."""
    result = {
        "kind": "result",
        "lease_id": "l",
        "url": "u",
        "outcome": "fetched",
        "final_url": "u",
        "fetched_at_ms": 1,
    }
    said = [
        result,
        {"kind": "alive"},
        {"kind": "ask_redirect", "ask_id": 1, "lease_id": "l", "purpose": "p", "url": "u"},
    ]
    return [b"\0" + _json(each) for each in said] + [
        b"\x80" + b'{"kind":"granted","ask_id":1,"allowed":true}',
        b"\0[",
    ]


def proofs() -> list[bytes]:
    """Answers about an epoch."""
    tree = MerkleTree.from_amounts({PAYOUT: 5, checksum_address("0x" + "22" * 20): 7})
    statement = {
        "network": NETWORK,
        "purpose": "epoch",
        "subject": "1",
        "issued_at_ms": NOW_MS,
        "content": {"asset": "WIND", "root": "0x" + HEX64},
    }
    answer = {
        "epoch_id": 1,
        "amount_wei": "5",
        "proof": ["0x" + HEX64],
        "account": PAYOUT,
        "statement": statement,
    }
    odd = [
        {**answer, "proof": ["0xzz"]},
        {**answer, "proof": {"a": 1}},
        {**answer, "amount_wei": 1e300},
        {**answer, "amount_wei": "-1"},
        {**answer, "epoch_id": "٣"},
        {**answer, "account": 5},
    ]
    says = {**statement, "content": {"asset": "WIND", "root": tree.root}}
    good = {**answer, "proof": tree.proof(PAYOUT), "statement": says}
    return [_json(each) for each in (good, answer, *odd)] + [b"[]", b"{}"]


def rpc() -> list[bytes]:
    """JSON-RPC for the devnet."""
    block = {"fromBlock": "0x0", "toBlock": "latest", "address": PAYOUT, "topics": [None, ["0x" + HEX64]]}
    call = {"to": PAYOUT, "data": "0x", "gas": "0x5208", "value": "0x0", "from": PAYOUT}
    asks: list[tuple[str, list[Any]]] = [
        ("eth_chainId", []),
        ("eth_blockNumber", []),
        ("eth_getBalance", [PAYOUT, "latest"]),
        ("eth_getCode", [PAYOUT, {"blockNumber": "0x0"}]),
        ("eth_getStorageAt", [PAYOUT, "0x0", "latest"]),
        ("eth_call", [call, "latest"]),
        ("eth_estimateGas", [call]),
        ("eth_getLogs", [block]),
        ("eth_getLogs", [{"blockHash": "0x" + HEX64}]),
        ("eth_feeHistory", ["0x2", "latest", [10, 50]]),
        ("eth_getBlockByNumber", ["0x0", True]),
        ("eth_getBlockByHash", ["0x" + HEX64, False]),
        ("eth_getTransactionReceipt", ["0x" + HEX64]),
        ("eth_sendRawTransaction", ["0x02f86c"]),
        ("web3_sha3", ["0x00"]),
        ("eth_getTransactionCount", [PAYOUT, "pending"]),
    ]
    sent = [_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}) for method, params in asks]
    return [*sent, b"[" + b",".join(sent[:3]) + b"]", b"[" * 1_500, b'{"method":{},"params":{}}', b"5"]


def leases() -> list[bytes]:
    """Signed leases."""
    return tokens("lease", LEASE)


def receipts() -> list[bytes]:
    """Signed receipts, and a verdict."""
    receipt = {
        "lease_id": LEASE_ID,
        "contribution_id": "c",
        "url": "u",
        "outcome": "fetched",
        "content_sha256": HEX64,
        "seq": 1,
        "head": HEX64,
        "received_at_ms": NOW_MS,
    }
    verdict = {
        "contribution_id": "c",
        "verdict": "accepted",
        "reason": "matches_truth",
        "similarity": 0.9,
        "truth_sha256": [HEX64],
        "decided_at_ms": 1,
    }
    return [*tokens("receipt", receipt), SIGNED + _statement("verdict", verdict)]


def requests() -> list[bytes]:
    """Signatures of requests."""
    return [
        request(b'{"count":1}'),
        request(b"", nonce=""),
        request(b"x", content_sha256="0"),
        request(b"x", expires_at_ms=NOW_MS + 10**9),
        request(b"x", issued_at_ms=-(10**30)),
        *tokens("submit", {"a": 1}),
    ]
