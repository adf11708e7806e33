"""Who submits, and what: nodes, their leases and their signed batches, by number and the same in every process.

Document d of a case that begins at `first` belongs to node `(d - first) // batch % nodes`; its lease follows from its
number. The load program can so sign what a home was filled for without being told.

Does not: write to a home (see `homes`). Usage: `body = batch_of(pages, node(3), range(50), now_ms)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.ingest_load.pages import Pages, TextsOfAFile, url_of
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, contribution_id_for, encode_batch
from windrow_protocol.signing import public_id

NETWORK = "windrow-bench"
VALIDATORS = 3
_NODES_PER_PREFIX = 3  # as many as the protocol lets work side by side


def node_key(number: int) -> Ed25519PrivateKey:
    """Return the key of one node."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"bench node {number}".encode()).digest())


def validator_key(number: int) -> Ed25519PrivateKey:
    """Return the key of one validator."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"bench validator {number}".encode()).digest())


def address_of(number: int) -> str:
    """Return the loopback address a node speaks from; at most three share a /24."""
    prefix, place = divmod(number, _NODES_PER_PREFIX)
    high, low = divmod(prefix, 256)
    return f"127.{64 + high}.{low}.{1 + place}"


def lease_id_of(document: int) -> str:
    """Return the lease under which a document is submitted."""
    return "l" + hashlib.sha256(f"bench lease {document}".encode()).hexdigest()[:31]


def batch_of(
    pages: Pages | TextsOfAFile, key: Ed25519PrivateKey, documents: Iterable[int], now_ms: int
) -> bytes:
    """Return one batch of a node's contributions, as it goes over the wire."""
    node_id = public_id(key)
    return encode_batch(_contribution(pages, node_id, number, now_ms) for number in documents)


def _contribution(pages: Pages | TextsOfAFile, node_id: str, number: int, now_ms: int) -> Contribution:
    text = pages.text(number)
    return Contribution(
        contribution_id=contribution_id_for(lease_id_of(number), node_id),
        lease_id=lease_id_of(number),
        url=url_of(number),
        final_url=url_of(number),
        http_status=200,
        content_type="text/html; charset=utf-8",
        fetched_at_ms=now_ms,
        robots_state="allowed",
        optout_signals=[],
        raw_sha256=text_sha256(f"raw {text}"),
        text=text,
        text_sha256=text_sha256(text),
        title=f"Page {number}",
        extractor_version="bench/1",
        bytes_wire=len(text) * 4,
    )
