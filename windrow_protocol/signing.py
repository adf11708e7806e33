"""Ed25519 signatures as compact JWS: who said what, on which network, for what purpose and until when.

Rules: a key has one spelling, the lower hex of its 32 raw public bytes (`node_id`, `kid`). Every signed statement binds
network, purpose, subject, content and expiry; a verifier names the purpose it expects. Requests sign the digest
of their body (header `Windrow-Signature`); leases, receipts, verdicts and manifests carry their content inside.

Does not: store keys, remember nonces, or read the clock.

Usage::

    token = sign(key, network="windrow-dev", purpose="lease", subject=node_id, content={...}, now_ms=now)
    statement = verify(token, signer=coordinator_id, network="windrow-dev", purpose="lease", now_ms=now)

Signing is RFC 7515, 5.1, by hand: the library takes twice the time of the signature itself, and ingest signs one
receipt for each document. So is reading a token that is written as `sign` writes it, to the byte of its header; every
other one a stranger may have written is read by the library alone.

Source: RFC 7515 (JWS), RFC 8037 and RFC 9864 (Ed25519 in JOSE).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, JWS_CHARS_MAX, SIGNATURE_LIFE_MS

ALGORITHM = "Ed25519"
SIGNATURE_HEADER = "Windrow-Signature"
# What joserfc raises, besides its own, for JSON of another shape than it expects (`"crit": true`, a list as header).
_UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, LookupError, RecursionError)


_USUAL: Final = re.compile(r"([\w-]{140,160})\.([\w-]+)\.([\w-]{86})", re.ASCII)
_HEADER_BEFORE: Final = b'{"alg":"Ed25519","kid":"'
_KID_CHARS: Final = 64
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Statement(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one JWS says. `expires_at_ms` of 0 means that it never expires (receipts, verdicts, manifests)."""

    network: str
    purpose: str
    subject: str
    issued_at_ms: int
    expires_at_ms: int = 0
    nonce: str = ""
    content_sha256: str = ""
    content: dict[str, Any] | None = None


def public_id(key: Ed25519PrivateKey | Ed25519PublicKey) -> str:
    """Return the key's id: 64 lower hex digits of the raw public key."""
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def load_private_key(text: str | bytes) -> Ed25519PrivateKey:
    """Read a private key from the 64 hex digits of its seed. Raises WindrowError `bad_config`."""
    try:
        raw = text if isinstance(text, str) else text.decode("ascii")
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw.strip()))
    except (UnicodeDecodeError, ValueError) as error:
        raise WindrowError("bad_config", "the key file does not hold 64 hex digits") from error


def dump_private_key(key: Ed25519PrivateKey) -> str:
    """Return the seed as 64 hex digits and a newline, the form `load_private_key` reads."""
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex() + "\n"


def sign(
    key: Ed25519PrivateKey,
    *,
    network: str,
    purpose: str,
    subject: str,
    now_ms: int,
    life_ms: int = 0,
    nonce: str = "",
    content_sha256: str = "",
    content: Mapping[str, Any] | msgspec.Struct | None = None,
    kid: str = "",
) -> str:
    """Return the compact JWS of one statement; `life_ms` of 0 means that it never expires.

    A message as `content` is signed as the object of its fields in their order.
    `kid` is the key's `public_id`, for who knows it already: finding it takes a third of the time of signing.
    """
    statement = Statement(
        network=network,
        purpose=purpose,
        subject=subject,
        issued_at_ms=now_ms,
        expires_at_ms=now_ms + life_ms if life_ms else 0,
        nonce=nonce,
        content_sha256=content_sha256,
        content=dict(content) if isinstance(content, Mapping) else content,  # type: ignore[arg-type]
    )
    signed = f"{_header(kid or public_id(key))}.{_base64url(msgspec.json.encode(statement))}"
    return f"{signed}.{_base64url(key.sign(signed.encode()))}"


@lru_cache(maxsize=64)
def _header(kid: str) -> str:
    return _base64url(msgspec.json.encode({"alg": ALGORITHM, "kid": kid, "typ": "windrow+jws"}))


def _base64url(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    """Return the bytes of a part that `_USUAL` matched. Raises ValueError for a length that no bytes have."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def signer_of(token: str) -> str:
    """Return the `kid` a token claims, unverified. Raises WindrowError `unsigned` or `bad_signature`."""
    if not token:
        raise WindrowError("unsigned")
    if len(token) > JWS_CHARS_MAX:
        raise WindrowError("too_large", f"a signature of {len(token)} characters")
    usual = _USUAL.fullmatch(token)
    if usual and (kid := _kid_of_ours(usual[1])):
        return kid
    try:
        header: Any = jws.extract_compact(token.encode()).headers()  # whatever JSON the stranger wrote
    except _UNREADABLE as error:
        raise WindrowError("bad_signature", "not a compact JWS") from error
    said = header.get("kid") if isinstance(header, dict) else None
    # one key is one id: `AB…` would be another node
    if not isinstance(said, str) or not _HEX.fullmatch(said):
        raise WindrowError("bad_signature", "`kid` is not a key of 64 lower hex digits")
    return said


def _kid_of_ours(header: str) -> str | None:
    """Return the `kid` of a header that is the one `sign` writes, None for any other."""
    try:
        said = _decoded(header)
    except ValueError:
        return None
    kid = said[len(_HEADER_BEFORE) : len(_HEADER_BEFORE) + _KID_CHARS].decode("ascii", "replace")
    return kid if _HEX.fullmatch(kid) and _header(kid) == header else None


def verify(
    token: str, *, signer: str, network: str, purpose: str, now_ms: int, subject: str | None = None
) -> Statement:
    """Check a token against the one key, network and purpose expected and return its statement.

    Raises WindrowError `unsigned`, `too_large`, `bad_signature`, `wrong_network`, `wrong_purpose`,
    `clock_skew` or `signature_expired`.
    """
    if signer_of(token) != signer:
        raise WindrowError("bad_signature", "signed by another key")
    return _verified(token, signer, network, purpose, now_ms, subject)


def _verified(
    token: str, signer: str, network: str, purpose: str, now_ms: int, subject: str | None
) -> Statement:
    """Do what `verify` does with a token that names this signer."""
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        statement = msgspec.json.decode(_payload(token, signer, public), type=Statement)
    except (*_UNREADABLE, InvalidSignature, msgspec.DecodeError) as error:
        raise WindrowError("bad_signature") from error
    if statement.network != network:
        raise WindrowError("wrong_network", f"{statement.network} instead of {network}")
    if statement.purpose != purpose:
        raise WindrowError("wrong_purpose", f"{statement.purpose} instead of {purpose}")
    if subject is not None and statement.subject != subject:
        raise WindrowError("bad_signature", "made for another subject")
    _check_time(statement, now_ms)
    return statement


def _payload(token: str, signer: str, public: Ed25519PublicKey) -> bytes:
    """Return what a token says once its signature was checked. Raises what the libraries raise."""
    usual = _USUAL.fullmatch(token)
    if usual is None or usual[1] != _header(signer):
        return jws.deserialize_compact(token, OKPKey.import_key(public), algorithms=[ALGORITHM]).payload
    public.verify(_decoded(usual[3]), token[: usual.end(2)].encode())
    return _decoded(usual[2])


def _check_time(statement: Statement, now_ms: int) -> None:
    if statement.issued_at_ms > now_ms + CLOCK_SKEW_MS_MAX:
        raise WindrowError("clock_skew", server_time_ms=now_ms)
    if statement.expires_at_ms and statement.expires_at_ms < now_ms:
        raise WindrowError("signature_expired", server_time_ms=now_ms)


def sign_request(
    key: Ed25519PrivateKey, *, network: str, purpose: str, body: bytes, nonce: str, now_ms: int
) -> str:
    """Return the value of `Windrow-Signature` for a request with this body."""
    return sign(
        key,
        network=network,
        purpose=purpose,
        subject=public_id(key),
        now_ms=now_ms,
        life_ms=SIGNATURE_LIFE_MS,
        nonce=nonce,
        content_sha256=hashlib.sha256(body).hexdigest(),
    )


def verify_request(
    token: str, *, network: str, purpose: str, body: bytes, now_ms: int
) -> tuple[str, Statement]:
    """Check a request's signature and return (node_id, statement); the caller spends the nonce.

    A request must be dated within the clock skew and must expire, so that spent nonces can be forgotten.
    Raises what `verify` raises, and `wrong_digest` when the body was changed.
    """
    node_id = signer_of(token)
    statement = _verified(token, node_id, network, purpose, now_ms, subject=node_id)
    # no database keeps U+0000
    if not statement.expires_at_ms or not statement.nonce or "\0" in statement.nonce:
        raise WindrowError("wrong_schema", "a request needs `expires_at_ms`, and a `nonce` without U+0000")
    if statement.issued_at_ms < now_ms - CLOCK_SKEW_MS_MAX:
        raise WindrowError("clock_skew", server_time_ms=now_ms)
    if statement.expires_at_ms - statement.issued_at_ms > SIGNATURE_LIFE_MS:
        raise WindrowError("wrong_schema", f"a request may live at most {SIGNATURE_LIFE_MS} ms")
    if statement.content_sha256 != hashlib.sha256(body).hexdigest():
        raise WindrowError("wrong_digest", "the body is not the one that was signed")
    return node_id, statement
