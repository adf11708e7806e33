"""Where the fuzzer starts: a few well-formed and a few known-hostile inputs for each parser, all written here.

Rules: small; each reaches another part of its parser. What the fuzzer finds from them is kept in `corpus/`.

Does not: hold anybody else's pages. Usage: `seeds("url")`.
"""

from __future__ import annotations

import gzip
import hashlib
import struct
import zlib
from typing import Any

import msgspec
import zstandard

from tests.fuzz.parsers_of_messages import KEY_ID, NETWORK, NOW_MS, PAYOUT, signed
from windrow_protocol.merkle import MerkleTree, checksum_address

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


def _tokens(purpose: str, content: dict[str, Any]) -> list[bytes]:
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
        RAW + signed(good).encode(),
        RAW + b"a.b.c",
        RAW + b"\xff.\xfe.",
    ]


def _request(body: bytes, **more: Any) -> bytes:
    says = {
        "nonce": "n",
        "expires_at_ms": NOW_MS + 60_000,
        "content_sha256": hashlib.sha256(body).hexdigest(),
    }
    return SIGNED + _statement("submit", **{**says, **more}) + b"\0\0" + body


def _batches() -> list[bytes]:
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


def _frames() -> list[bytes]:
    return [
        zstandard.compress(b"grass " * 200),
        zstandard.compress(b"grass") + zstandard.compress(b"hay"),
        zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compress(b"hay" * 99),
        zstandard.compress(b"\0" * 5_000_000),
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(b"after"),
        b"\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff",
        b"",
    ]


def _messages() -> list[bytes]:
    personal = {
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
    word = "0x" + HEX64
    order = {
        "network": NETWORK,
        "export_id": word,
        "tx_hash": word,
        "buyer": PAYOUT,
        "nonce": word,
        "expires_at_s": 9,
    }
    tree = {
        "format": "standard-v1",
        "leafEncoding": ["address", "uint256"],
        "tree": [word],
        "values": [{"value": [PAYOUT, "5"], "treeIndex": 0}],
    }
    manifest = {
        "format": "windrow-export-1",
        "network": NETWORK,
        "coordinator_id": KEY_ID,
        "dataset": "web_text",
        "version": "0.1.0",
        "export_id": word,
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
    each = [
        {"payout_address": PAYOUT},
        {"count": 5},
        CONTRIBUTION,
        personal,
        {"account": PAYOUT},
        order,
        manifest,
        tree,
    ]
    good = [bytes([at]) + _json(message) for at, message in enumerate(each)]
    hostile = [
        bytes([at]) + body
        for at in range(8)
        for body in (b"", b"[" * 3_000, b'{"\\ud800":1}', b'{"' + b"n" * 2_000 + b'":0}', b"\xff")
    ]
    return good + hostile + [bytes([5]) + _json({**order, "tx_hash": word + "\n"})]


def _native() -> list[bytes]:
    said = [
        {"type": "hello", "id": "1"},
        {"type": "status", "count_max": 5},
        {"type": "withdraw", "contribution_id": "p" + "2" * 31},
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


def _child_lines() -> list[bytes]:
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


def _proofs() -> list[bytes]:
    tree = MerkleTree.from_amounts({PAYOUT: 5, checksum_address("0x" + "22" * 20): 7})
    statement = {
        "network": NETWORK,
        "purpose": "epoch",
        "subject": "1",
        "issued_at_ms": NOW_MS,
        "content": {"root": "0x" + HEX64},
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
    says = {**statement, "content": {"root": tree.root}}
    good = {**answer, "proof": tree.proof(PAYOUT), "statement": says}
    return [_json(each) for each in (good, answer, *odd)] + [b"[]", b"{}"]


def _rpc() -> list[bytes]:
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


def _html() -> list[bytes]:
    page = (
        b"<!doctype html><html><head><title>Rows of grass</title><meta name=robots content='noai, noindex'>"
        b"<meta name=tdm-reservation content=1></head><body><nav><a href=/>Home</a></nav><main><article><h1>Hay</h1>"
        b"<p>Cut grass dries in rows until it is raked together.</p><pre>a\n b</pre></article></main></body></html>"
    )
    return [
        b"\0" + page,
        b"\x01" + page[:200],
        b"\x03" + page.decode().encode("utf-16"),
        b"\x04" + "<p>草を干す".encode("shift_jis"),
        b"\0" + b"<div>" * 1_200,
        b"\0<meta charset=utf-7><p>+ADw-",
        b"\0<script type=application/rsl+xml></script><!--<p>--><svg><title>x</title></svg>",
        b"\0<p>&#0;&#xD800;&#x110000;&notin;\xef\xbb\xbf\r\n\t\x0b",
        b"\x07Plain text\n\n# not a heading",
        b"\x09<!doctype html><p>undeclared",
        b"\0" + b"<table><td><select><math><mi><template>" * 20,
    ]


def _urls() -> list[bytes]:
    said = [
        "HTTP://Example.COM:80/a/../b?utm_source=x&b=2&a=1#top",
        "https://user:pass@example.com/",
        "http://[::ffff:127.0.0.1]:8080/%7ea;jsessionid=1?PHPSESSID=2&sid=" + "a" * 32,
        "http://0x7f.1/%2e%2E/%zz%%41?&&=&a",
        "http://münchen.example./ß?q=ü",
        "//host/path",
        "file:///etc/passwd",
        "http://a_b.example:99999/",
        "http://127.1/..;jsessionid=1/",
        "http://xn--a.example/\\\\x?\ud83d",
    ]
    return [b"\x80" + each.encode("utf-8", "surrogatepass") for each in said] + [
        b"\0http://\xff.example/\xff"
    ]


def _robots() -> list[bytes]:
    return [
        b"\0User-agent: *\nDisallow: /a*b$\nAllow: /a/index.html\nCrawl-delay: 2.5\nSitemap: http://s.example/x\n",
        b"\0\xef\xbb\xbfuser agent WindrowBot\nDissallow /%7ea\nContent-Usage: /x train-ai=n\nLicense: http://l.example",
        b"\0User-agent: a\nUser-agent: WindrowBot/2\nContent-Signal: ai-train=no, search=yes\nDisallow:\n",
        b"\0" + b"User-agent: *\nDisallow: " + b"/*a" * 300 + b"$\n",
        b"\0\r\rUser-Agent:*\0hidden\nAllow:/\xff",
        b"\x05",
        b"\x07x",
    ]


def _optout() -> list[bytes]:
    return [
        b"X-Robots-Tag: googlebot: noindex, noai\nContent-Usage: train-ai=n;x=1, ai=y\ntdm-reservation: 1\n",
        b'Link: <http://l.example/r>; rel="license"; type="application/rsl+xml"\ntdm-policy: http://p.example/\n',
        b"Content-Signal: ai-train=no\nContent-Usage: train-ai=?0, :::\nContent-Usage: bots=n",
        b'\0[{"location":"/a*","tdm-reservation":1,"tdm-policy":"http://p.example/"}]',
        b'\0{"location":5}',
        b"\0" + b"[" * 2_000,
        b'\0[1, null, {"location":"\\ud800/"}, {"location":"*","tdm-reservation":1e400}]',
        b"meta:robots noai=*",
    ]


def _codings() -> list[bytes]:
    text = b"grass " * 100
    twice = gzip.compress(gzip.compress(text, mtime=0), mtime=0)
    raw = zlib.compressobj(wbits=-15)
    return [
        b"\0" + gzip.compress(text, mtime=0),
        b"\0" + gzip.compress(text, mtime=0) * 2 + b"\0\0",
        b"\0" + gzip.compress(b"\0" * 3_000_000, mtime=0),
        b"\x01" + zlib.compress(text),
        b"\x01" + raw.compress(text) + raw.flush(),
        b"\x03" + gzip.compress(zlib.compress(text), mtime=0),
        b"\x07" + twice,
        b"\0" + twice[:30],
        b"\x06x",
    ]


def _texts() -> list[bytes]:
    said = [
        "One two three four five six.",
        "é e\u0301 ﬁ \u00a0\u2003 \u1100\u1161\u11a8",
        "草を刈る\r\n\r\n\r\nไทย",
        "a\x85b\x1cc\ufeff",
    ]
    return [each.encode() for each in said] + [
        b"\x01\xed\xa0\x80 lone",
        b"\x00" * 5,
        b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f",
    ]


def _personal() -> list[bytes]:
    return [
        b"Write to ana@example.org or +49 30 123456, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00.",
        b"ssh-rsa AAAA key sk_live_1234567890abcdefghij and 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed at 10.0.0.1",
        b"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq aa:bb:cc:dd:ee:ff 2001:db8::1 SSN 078-05-1120",
        "ana＠example．org ４１１１ １１１１ １１１１ １１１１ a\u200bna@example.org".encode(),
        b"1" * 300,
        b"1-" * 200 + b"@" * 100,
    ]


SEEDS = {
    "lease_token": lambda: _tokens("lease", LEASE),
    "receipt_token": lambda: [
        *_tokens(
            "receipt",
            {
                "lease_id": LEASE_ID,
                "contribution_id": "c",
                "url": "u",
                "outcome": "fetched",
                "content_sha256": HEX64,
                "seq": 1,
                "head": HEX64,
                "received_at_ms": NOW_MS,
            },
        ),
        SIGNED
        + _statement(
            "verdict",
            {
                "contribution_id": "c",
                "verdict": "accepted",
                "reason": "matches_truth",
                "similarity": 0.9,
                "truth_sha256": [HEX64],
                "decided_at_ms": 1,
            },
        ),
    ],
    "request_signature": lambda: [
        _request(b'{"count":1}'),
        _request(b"", nonce=""),
        _request(b"x", content_sha256="0"),
        _request(b"x", expires_at_ms=NOW_MS + 10**9),
        _request(b"x", issued_at_ms=-(10**30)),
        *_tokens("submit", {"a": 1}),
    ],
    "batch": _batches,
    "zstd_frame": _frames,
    "json_message": _messages,
    "native_frame": _native,
    "child_line": _child_lines,
    "epoch_proof": _proofs,
    "devnet_rpc": _rpc,
    "html": _html,
    "url": _urls,
    "robots": _robots,
    "optout": _optout,
    "content_coding": _codings,
    "page_text": _texts,
    "personal_url": lambda: [each[1:] for each in _urls()] + [b"http://a.example/ana%2540b.example?x#y"],
    "personal_text": _personal,
}


def seeds(name: str) -> list[bytes]:
    """Return the seeds of one parser."""
    return SEEDS[name]()
