"""Which events an eth_getLogs request asks for.

Rules: topics match place by place, each place one value, one of several, or any; an address likewise. Pure.

Does not: walk the chain; `chain/devnet_methods.py` does.

Usage::

    LogFilter.parse({"address": "0x…", "topics": [None, "0x…"]}).matches(log)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from chain.devnet_values import NEWEST_TAGS, Json, ParameterError, parse_data, parse_quantity

_TOPICS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A parsed filter. `first` and `last` are block numbers, None for the newest; `block_hash` replaces both."""

    first: int | None
    last: int | None
    block_hash: bytes | None
    addresses: frozenset[bytes] | None
    topics: tuple[frozenset[bytes] | None, ...]

    @classmethod
    def parse(cls, wanted: object) -> Self:
        """Read a filter object. Raises ParameterError."""
        if not isinstance(wanted, Mapping):
            raise ParameterError("the filter must be an object")
        block_hash = wanted.get("blockHash")
        topics = wanted.get("topics") or []
        if not isinstance(topics, list) or len(topics) > _TOPICS_MAX:
            raise ParameterError(f"topics must be a list of at most {_TOPICS_MAX}")
        return cls(
            first=_block(wanted.get("fromBlock"), "fromBlock"),
            last=_block(wanted.get("toBlock"), "toBlock"),
            block_hash=None if block_hash is None else parse_data(block_hash, "blockHash", 32),
            addresses=_choices(wanted.get("address"), "the address", 20),
            topics=tuple(_choices(topic, "a topic", 32) for topic in topics),
        )

    def matches(self, log: Json) -> bool:
        """Whether an event, as `logs_json` gives it, is asked for."""
        if self.addresses is not None and bytes.fromhex(log["address"][2:]) not in self.addresses:
            return False
        if len(log["topics"]) < len(self.topics):
            return False
        return all(
            choices is None or bytes.fromhex(topic[2:]) in choices
            for choices, topic in zip(self.topics, log["topics"], strict=False)
        )


def _block(tag: object, name: str) -> int | None:
    if tag is None or tag in NEWEST_TAGS:
        return None
    return 0 if tag == "earliest" else parse_quantity(tag, name)


def _choices(value: object, name: str, length: int) -> frozenset[bytes] | None:
    if value is None or value == []:
        return None
    return frozenset(parse_data(one, name, length) for one in (value if isinstance(value, list) else [value]))
