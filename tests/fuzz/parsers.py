"""Every parser that meets strangers, as a table of functions of bytes that must never fail in an unforeseen way.

Rules: a target takes any bytes and returns, or raises `WindrowError`; everything else it raises is a finding. Each
target also asserts what its parser promises: bounds, ids of their exact shape, round trips, idempotence. A refusal's
detail is short, whatever was refused.

Does not: make inputs (`seeds.py`, `bench/fuzz.py`), or keep them (`corpus/`).

Usage::

    for parser in PARSERS.values():
        outcome_of(parser, b"...")
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.fuzz import parsers_of_chain as chain
from tests.fuzz import parsers_of_messages as messages
from tests.fuzz import parsers_of_pages as pages
from windrow_protocol.errors import REASONS, WindrowError

DETAIL_CHARS_MAX = 600


@dataclass(frozen=True)
class Parser:
    """One target. `instrumented` are the packages whose branches guide the fuzzer; `input_bytes_max` bounds inputs."""

    name: str
    target: Callable[[bytes], None]
    instrumented: tuple[str, ...]
    input_bytes_max: int


def outcome_of(parser: Parser, data: bytes) -> str:
    """Run one input and return `ok` or the reason code of a refusal; anything else is raised as it is."""
    try:
        parser.target(data)
    except WindrowError as error:
        check_refusal(error)
        return error.code
    return "ok"


def check_refusal(error: WindrowError) -> None:
    """Every refusal names its cause, can be sent as JSON, and never repeats at length what was refused."""
    assert error.code in REASONS, error.code
    assert len(error.detail) <= DETAIL_CHARS_MAX, f"{error.code}: a detail of {len(error.detail)} characters"
    msgspec.json.encode(error.as_dict())


def _parser(name: str, target: Callable[[bytes], None], instrumented: str, input_bytes_max: int) -> Parser:
    return Parser(name, target, tuple(instrumented.split()), input_bytes_max)


_SIGNED = "windrow_protocol joserfc"
PARSERS: dict[str, Parser] = {
    parser.name: parser
    for parser in (
        _parser("lease_token", messages.lease_token, _SIGNED, 4_096),
        _parser("receipt_token", messages.receipt_token, _SIGNED, 4_096),
        _parser("request_signature", messages.request_signature, _SIGNED, 4_096),
        _parser("batch", messages.batch, "windrow_protocol", 8_192),
        _parser("zstd_frame", messages.zstd_frame, "windrow_protocol", 8_192),
        _parser("json_message", messages.json_message, "windrow_protocol", 4_096),
        _parser("native_frame", messages.native_frame, "windrow_protocol extension_bridge", 4_096),
        _parser("child_line", messages.child_line, "windrow_protocol contributor_node", 4_096),
        _parser("epoch_proof", messages.epoch_proof, "windrow_protocol contributor_node", 4_096),
        _parser("devnet_rpc", messages.devnet_rpc, "chain", 2_048),
        _parser("saved_root", chain.saved_root, "chain trie rlp", 32_768),
        _parser("html", pages.html, "windrow_protocol contributor_node w3lib", 2_048),
        _parser("url", pages.url, "windrow_protocol publicsuffixlist", 1_024),
        _parser("robots", pages.robots, "windrow_protocol", 1_024),
        _parser("optout", pages.optout, "windrow_protocol http_sf", 4_096),
        _parser("content_coding", pages.content_coding, "contributor_node", 4_096),
        _parser("page_text", pages.page_text, "windrow_protocol", 4_096),
        _parser("personal_url", pages.personal_url, "windrow_protocol extension_bridge", 512),
        _parser("personal_text", pages.personal_text, "windrow_protocol extension_bridge", 2_048),
    )
}


def describe(error: BaseException) -> dict[str, Any]:
    """Return where a finding comes from: type, message and the innermost place, enough to tell two findings apart."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}" if trace else ""
    return {"error": type(error).__name__, "said": str(error)[:200], "place": place}
