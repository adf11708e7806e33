"""Fuzz targets for what parties say to each other: signed tokens, batches, JSON messages, proofs, JSON-RPC.

Rules: as in `parsers.py`. Where an attacker may sign with a key of their own, the target signs the mutated payload, so
that the parser behind the signature is reached; the first byte chooses between that and a token taken as it is.

Does not: know how inputs are found. Usage: `lease_token(b"\\x00not.a.token")`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contributor_node.coordinator.earnings_proof import check_proof
from contributor_node.crawling.wire import decode_to_child, decode_to_parent
from extension_bridge.native_frames import frames
from extension_bridge.native_messages import message_id, read_message
from marketplace.orders import Order, OrderDomain, signer_of_order
from rewards.routes import ClaimRequest
from windrow_protocol.delegation import signer_of_delegation
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import decode_manifest, encode_manifest
from windrow_protocol.merkle import MerkleTree
from windrow_protocol.messages import (
    Appeal,
    AuditCommitment,
    AuditDraws,
    AuditLog,
    AuditLogRequest,
    AuditReveal,
    Contribution,
    Delegation,
    Departure,
    DisclosureRequest,
    Lease,
    LeaseRequest,
    Receipt,
    Registration,
    Report,
    Submission,
    Verdict,
    canonical_record,
    decode_batch,
    decode_json,
    unpack_bounded,
)
from windrow_protocol.personal.messages import PersonalContribution, PersonalExport, PersonalWithdrawal
from windrow_protocol.signing import public_id, signer_of, verify, verify_request

T = TypeVar("T")

KEY: Final = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"windrow fuzz key").digest())
KEY_ID: Final = public_id(KEY)
NETWORK: Final = "windrow-fuzz"
NOW_MS: Final = 1_800_000_000_000
PAYOUT: Final = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
ZSTD_BYTES_MAX: Final = 1_000_000
BLOCKS_MAX: Final = 20
_HEX64 = re.compile(r"[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[a-z][0-9a-f]{31}")
JSON_KINDS: Final[Sequence[Any]] = (
    Registration,
    LeaseRequest,
    Submission,
    PersonalContribution,
    ClaimRequest,
    Order,
    Delegation,
    AuditCommitment,
    AuditLogRequest,
    AuditDraws,
    AuditReveal,
    AuditLog,
    Departure,
    Appeal,
    DisclosureRequest,
    PersonalWithdrawal,
    PersonalExport,
)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(payload: bytes, header: bytes | None = None) -> str:
    """Return a compact JWS over any bytes with a right signature; `header` may be anything too."""
    head = (
        header
        if header is not None
        else b'{"alg":"Ed25519","kid":"%s","typ":"windrow+jws"}' % KEY_ID.encode()
    )
    signing_input = f"{_base64(head)}.{_base64(payload)}"
    return f"{signing_input}.{_base64(KEY.sign(signing_input.encode()))}"


def token_of(data: bytes) -> str:
    """The first byte says what the rest is: a payload to be signed, header NUL payload to be signed, or a token."""
    kind, rest = data[:1], data[1:]
    if kind < b"\x40":
        return rest.decode("utf-8", "surrogateescape")
    if kind < b"\x80":
        header, _, payload = rest.partition(b"\0")
        return signed(payload, header)
    return signed(rest)


def _round_trip(message: T, kind: Any) -> T:
    again = msgspec.json.decode(msgspec.json.encode(message), type=kind)
    assert again == message
    return message


def _opened(token: str, purpose: str, kind: type[T]) -> T:
    statement = verify(token, signer=KEY_ID, network=NETWORK, purpose=purpose, now_ms=NOW_MS, subject=KEY_ID)
    assert statement.network == NETWORK
    assert signer_of(token) == KEY_ID
    try:
        return _round_trip(msgspec.convert(statement.content, kind), kind)
    except msgspec.ValidationError as error:
        raise WindrowError("wrong_schema", str(error)[:200]) from error


def lease_token(data: bytes) -> None:
    """A lease as the node opens it."""
    lease = _opened(token_of(data), "lease", Lease)
    assert _IDENTIFIER.fullmatch(lease.lease_id)
    assert _HEX64.fullmatch(lease.node_id)


def receipt_token(data: bytes) -> None:
    """A receipt, and a verdict."""
    token = token_of(data)
    try:
        _opened(token, "receipt", Receipt)
    except WindrowError as error:
        if error.code != "wrong_purpose":
            raise
        _opened(token, "verdict", Verdict)


def request_signature(data: bytes) -> None:
    """The header of a signed request, and its body behind a NUL."""
    token, _, body = data.partition(b"\0\0")
    node_id, statement = verify_request(
        token_of(token), network=NETWORK, purpose="submit", body=body, now_ms=NOW_MS
    )
    assert node_id == KEY_ID
    assert statement.content_sha256 == hashlib.sha256(body).hexdigest()


def batch(data: bytes) -> None:
    """A batch as it comes, or (first byte from 64) lines that are packed here."""
    body = data[1:] if data[:1] < b"\x40" else zstandard.ZstdCompressor(level=1).compress(data[1:])
    lines = [line for line in unpack_bounded(body).split(b"\n") if line.strip()]
    records = list(decode_batch(body))
    assert len(records) == len(lines), "a line vanished"
    for record in records:
        if not isinstance(record, WindrowError):
            _check_submission(record)
            continue
        assert len(record.detail) <= 600


def _check_submission(record: Submission) -> None:
    assert _IDENTIFIER.fullmatch(record.lease_id)
    assert record.url
    if isinstance(record, Contribution):
        assert _IDENTIFIER.fullmatch(record.contribution_id)
        assert _HEX64.fullmatch(record.raw_sha256)
        assert _HEX64.fullmatch(record.text_sha256)
    assert msgspec.json.decode(canonical_record(record), type=Contribution | Report) == record


def zstd_frame(data: bytes) -> None:
    """One zstd frame from a stranger, never more than the bound of it in memory."""
    assert len(unpack_bounded(data, ZSTD_BYTES_MAX)) <= ZSTD_BYTES_MAX


def json_message(data: bytes) -> None:
    """One JSON message; the first byte chooses its type."""
    chosen = data[0] % (len(JSON_KINDS) + 2) if data else 0
    if chosen == len(JSON_KINDS):
        manifest = decode_manifest(data[1:])
        assert decode_manifest(encode_manifest(manifest)) == manifest
    elif chosen == len(JSON_KINDS) + 1:
        _merkle_tree(data[1:])
    else:
        _check_message(_round_trip(decode_json(data[1:], JSON_KINDS[chosen]), JSON_KINDS[chosen]))


def _check_message(message: object) -> None:
    match message:
        case Contribution() | Report():
            _check_submission(message)
        case PersonalContribution():
            assert _HEX64.fullmatch(message.consent_receipt_id)
        case AuditReveal():
            assert len(bytes.fromhex(message.secret)) == 32
        case AuditDraws():
            assert all(map(_IDENTIFIER.fullmatch, [*message.lease_ids, *message.doubled]))
        case DisclosureRequest():
            assert len([int(part) for part in message.after.split("-") if message.after]) in (0, 4)
        case Delegation():
            assert re.fullmatch(r"0x[0-9a-fA-F]{40}", signer_of_delegation(message))
        case Order():
            assert re.fullmatch(r"0x[0-9a-fA-F]{40}", signer_of_order(message, OrderDomain(1, PAYOUT)))


def _merkle_tree(data: bytes) -> None:
    tree = MerkleTree.load(decode_json(data, dict))
    assert re.fullmatch(r"0x[0-9a-f]{64}", tree.root)


def native_frame(data: bytes) -> None:
    """What the browser writes to the native host: frames, and a message in each."""
    for frame in frames(io.BytesIO(data)):
        if isinstance(frame, WindrowError):
            continue
        assert len(message_id(frame)) <= 64
        read_message(frame)


def child_line(data: bytes) -> None:
    """A line between node and crawl child; the child parses strangers' pages, so its lines are a stranger's too."""
    (decode_to_parent if data[:1] < b"\x80" else decode_to_child)(data[1:])


def epoch_proof(data: bytes) -> None:
    """A coordinator's answer about an epoch; where it has no token, one is signed over its `statement`."""
    answer = decode_json(data, dict)
    if "epoch_jws" not in answer:
        answer["epoch_jws"] = signed(msgspec.json.encode(answer.get("statement")))
    owed = check_proof(answer, PAYOUT, coordinator_id=KEY_ID, network=NETWORK, now_ms=NOW_MS)
    assert owed.account == PAYOUT


class _Devnet:
    """A chain in a folder of its own, begun anew before it grows long."""

    def __init__(self) -> None:
        from chain.durable_chain import DurableChain

        self._folder = tempfile.TemporaryDirectory(prefix="windrow-fuzz-")
        self._chain = DurableChain.open(
            Path(self._folder.name), chain_id=31_337, balances_wei={PAYOUT: 10**21}, now_s=NOW_MS // 1000
        )

    def answer(self, asked: Any) -> None:
        """Run one request as the devnet's worker does. Raises RpcError."""
        from chain.devnet_methods import Context, answer

        if isinstance(asked, dict):
            answer(Context(self._chain, NOW_MS // 1000 + 60), asked.get("method"), asked.get("params", []))

    @property
    def is_long(self) -> bool:
        """Whether it is time for a new one."""
        return self._chain.chain.head_number > BLOCKS_MAX

    def close(self) -> None:
        """Give the folder up."""
        self._chain.close()
        self._folder.cleanup()


_devnets: list[_Devnet] = []


def _devnet() -> _Devnet:
    if _devnets and _devnets[0].is_long:
        _devnets.pop().close()
    if not _devnets:
        _devnets.append(_Devnet())
    return _devnets[0]


def devnet_rpc(data: bytes) -> None:
    """JSON-RPC as it is tunnelled through HTTP to the devnet: one request or a batch."""
    from chain.devnet import _decode
    from chain.devnet_methods import RpcError

    try:
        asked = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WindrowError("not_json", str(error)[:200]) from error
    refused: list[RpcError] = []
    for one in (asked if isinstance(asked, list) else [asked])[:10]:
        try:
            _devnet().answer(one)
        except RpcError as error:
            refused.append(error)
    for each in refused:
        assert isinstance(each.code, int)
        assert len(each.message) <= 600, each.message[:80]
        msgspec.json.encode({"code": each.code, "message": each.message, "data": each.data})
