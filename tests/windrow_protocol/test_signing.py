"""Tokens written as `sign` writes them are read by hand: none that the library would refuse, and to the same effect."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey

from windrow_protocol import signing
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import Outcome, Receipt
from windrow_protocol.signing import (
    ALGORITHM,
    Statement,
    public_id,
    sign,
    sign_request,
    signer_of,
    verify,
    verify_request,
)

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
WHO, NOW = public_id(KEY), 1_750_000_000_000
CHARS = "ABab01-_+/=. \n\u00e9\u0660"


def token_of(content: dict[str, Any] | None = None) -> str:
    return sign(KEY, network="n", purpose="lease", subject=WHO, now_ms=NOW, life_ms=60_000, content=content)


def read(token: str) -> Statement:
    return verify(token, signer=WHO, network="n", purpose="lease", now_ms=NOW)


def read_by_the_library(token: str) -> Statement:
    public = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(bytes.fromhex(WHO)))
    opened = jws.deserialize_compact(token, public, algorithms=[ALGORITHM])
    return msgspec.json.decode(opened.payload, type=Statement)


def part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with(header: bytes, payload: str | None = None, key: Ed25519PrivateKey = KEY) -> str:
    said = f"{part(header)}.{payload or token_of().split('.')[1]}"
    return f"{said}.{part(key.sign(said.encode()))}"


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers(0, 2**53), max_size=4))
def test_what_we_sign_says_the_same_to_the_library(content: dict[str, Any]) -> None:
    token = token_of(content)
    assert signer_of(token) == WHO
    assert read(token) == read_by_the_library(token)


def test_a_message_is_signed_as_the_object_of_its_fields() -> None:
    receipt = Receipt("l1", "c1", "https://a.example/ü?b=1", Outcome.FETCHED, "0" * 64, 2**53, "1" * 64, NOW)
    said = {"network": "n", "purpose": "receipt", "subject": WHO, "now_ms": NOW}
    token = sign(KEY, **said, content=receipt)
    assert token == sign(KEY, **said, content=msgspec.to_builtins(receipt))
    opened = read_by_the_library(token).content
    assert opened == msgspec.to_builtins(receipt)


@given(st.integers(0, 600), st.sampled_from(CHARS), st.sampled_from(["replace", "insert", "delete"]))
def test_a_token_that_was_changed_is_read_as_the_library_reads_it(place: int, char: str, how: str) -> None:
    token = token_of({"lease_id": "l1"})
    place %= len(token)
    rest = token[place + (how != "insert") :]
    changed = token[:place] + (char if how != "delete" else "") + rest
    try:
        ours: Statement | None = read(changed)
    except WindrowError:
        ours = None
    if ours is not None:
        assert ours == read_by_the_library(changed) == read(token)


def test_the_same_statement_signed_by_another_key_is_refused() -> None:
    head = msgspec.json.encode({"alg": ALGORITHM, "kid": WHO, "typ": "windrow+jws"})
    assert read(signed_with(head)) == read(token_of())
    with pytest.raises(WindrowError, match="bad_signature"):
        read(signed_with(head, key=OTHER))
    theirs = sign(OTHER, network="n", purpose="lease", subject=WHO, now_ms=NOW, life_ms=60_000)
    with pytest.raises(WindrowError, match="another key"):
        read(theirs)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": WHO, "typ": "windrow+jws"},
        {"alg": "HS256", "kid": WHO, "typ": "windrow+jws"},
        {"alg": ALGORITHM, "kid": WHO, "typ": "windrow+jws", "crit": ["b64"], "b64": False},
        {"alg": ALGORITHM, "kid": WHO.upper() + "0", "typ": "windrow+jws"},
    ],
)
def test_another_header_is_the_librarys_to_refuse(header: dict[str, Any]) -> None:
    with pytest.raises(WindrowError):
        read(signed_with(msgspec.json.encode(header)))


def test_a_key_has_one_spelling() -> None:
    """Whoever wrote it in capitals would be another node, with accounts that no ledger has: pay would end for all."""
    body, upper = b"{}", WHO.upper()
    request = {"network": "n", "purpose": "register", "issued_at_ms": NOW, "expires_at_ms": NOW + 60_000}
    request |= {"subject": upper, "nonce": "1", "content_sha256": hashlib.sha256(body).hexdigest()}
    header = f'{{"alg":"Ed25519","kid":"{upper}","typ":"windrow+jws"}}'.encode()
    token = signed_with(header, part(msgspec.json.encode(request)))
    with pytest.raises(WindrowError) as refused:
        verify_request(token, network="n", purpose="register", body=body, now_ms=NOW)
    assert refused.value.code == "bad_signature"


def test_a_nonce_that_no_database_keeps_is_refused() -> None:
    token = sign_request(KEY, network="n", purpose="register", body=b"{}", nonce="1\0", now_ms=NOW)
    with pytest.raises(WindrowError) as refused:
        verify_request(token, network="n", purpose="register", body=b"{}", now_ms=NOW)
    assert refused.value.code == "wrong_schema"


def test_another_header_that_means_the_same_is_taken() -> None:
    """Nodes of other makers may write it in another order, or without a type."""
    assert read(signed_with(b'{"kid":"%s","alg":"Ed25519"}' % WHO.encode())) == read(token_of())


def test_only_the_header_that_we_write_is_read_by_hand() -> None:
    usual = f'{{"alg":"Ed25519","kid":"{WHO}","typ":"windrow+jws"}}'
    assert signing._kid_of_ours(part(usual.encode())) == WHO
    for other in (
        f'{{"alg":"Ed25519","kid":"{WHO}","typ":"windrow+jwt"}}',
        f'{{"alg":"Ed25519","kid":"{WHO.upper()}","typ":"windrow+jws"}}',
        f'{{"alg":"Ed25519","kid":"{WHO}", "typ":"windrow+jws"}}',
        f'{{"alg":"Ed25518","kid":"{WHO}","typ":"windrow+jws"}}',
        "\xff" * 110,
        "",
    ):
        assert signing._kid_of_ours(part(other.encode("latin-1"))) is None


@pytest.mark.parametrize("chars", range(138, 163))
def test_a_header_of_any_length_is_refused_and_never_a_fault(chars: int) -> None:
    """One in four lengths is that of no bytes at all."""
    with pytest.raises(WindrowError) as caught:
        signer_of(f"{'A' * chars}.AAAA.{'A' * 86}")
    assert caught.value.code == "bad_signature"
