"""Where the fuzzer starts: a few well-formed and a few known-hostile inputs for each parser, all written here.

Rules: small; each reaches another part of its parser. What the fuzzer finds from them is kept in `corpus/`.

Does not: hold anybody else's pages. Usage: `seeds("url")`.
"""

from __future__ import annotations

from tests.fuzz import seeds_of_chain as chain
from tests.fuzz import seeds_of_messages as messages
from tests.fuzz import seeds_of_pages as pages

SEEDS = {
    "lease_token": messages.leases,
    "receipt_token": messages.receipts,
    "request_signature": messages.requests,
    "batch": messages.batches,
    "zstd_frame": messages.frames,
    "json_message": messages.messages,
    "native_frame": messages.native,
    "child_line": messages.child_lines,
    "epoch_proof": messages.proofs,
    "devnet_rpc": messages.rpc,
    "saved_root": chain.saved_roots,
    "html": pages.html,
    "url": pages.urls,
    "robots": pages.robots,
    "optout": pages.optout,
    "content_coding": pages.codings,
    "page_text": pages.texts,
    "personal_url": pages.personal_urls,
    "personal_text": pages.personal,
}


def seeds(name: str) -> list[bytes]:
    """Return the seeds of one parser."""
    return SEEDS[name]()
