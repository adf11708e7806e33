"""Whose validators verify a network, as its operator spells it.

Rules: a validator whose operator is not named counts as an operator of its own.

Does not: know who is at work (`aggregator/roster`), or check that operators are independent: that is said, not proven.

Usage: `parse_validators(["ab…@north", "cd…"])`.

Source: docs/protocol.md, "Audit".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from windrow_protocol.errors import WindrowError

_NODE_ID: Final = re.compile(r"[0-9a-f]{64}")
_UNNAMED_DIGITS: Final = 8


def parse_validators(entries: Iterable[str]) -> dict[str, str]:
    """Return operators by node id from `node_id` or `node_id@operator`. Raises WindrowError `bad_config`."""
    validators: dict[str, str] = {}
    for entry in entries:
        node_id, at, operator = (part.strip() for part in entry.partition("@"))
        if not _NODE_ID.fullmatch(node_id):
            raise WindrowError(
                "bad_config", f"`validators`: {entry[:80]!r} is no node_id or node_id@operator"
            )
        if at and not operator:
            raise WindrowError("bad_config", f"`validators`: {node_id[:16]}… names no operator after its @")
        if node_id in validators:
            raise WindrowError("bad_config", f"`validators`: {node_id[:16]}… is named twice")
        validators[node_id] = operator or node_id[:_UNNAMED_DIGITS]
    return validators
