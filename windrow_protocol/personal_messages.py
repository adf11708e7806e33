"""The messages about personal data, between a person's device and the coordinator.

Rules: as `messages` has them: frozen, unknown fields refused, every field bounded.

Does not: say what may be given (see `extension_bridge.consent`) or what redaction takes out (`personal_patterns`).

Usage: `donation = decode_json(body, PersonalContribution)`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, field

from windrow_protocol.limits import BATCH_RECORDS_MAX, JWS_CHARS_MAX, URL_CHARS_MAX
from windrow_protocol.messages import Hex64, Identifier, Message, Short, Text, TimeMs, Title

_LAST_MS: Final = 4_102_444_799_000  # the end of 2099: what is said to be later is as good as then


class PersonalRecord(Message, frozen=True):
    """One redacted item a person chose to give."""

    item_id: Hex64
    url: Annotated[str, Meta(max_length=URL_CHARS_MAX)]
    title: Title
    text: Text
    text_sha256: Hex64
    captured_at_ms: TimeMs
    redactions: dict[str, int] = field(default_factory=dict)


class PersonalContribution(Message, frozen=True):
    """POST /v1/personal (purpose `personal`): opted-in items under one signed consent receipt."""

    contribution_id: Identifier
    node_id: Hex64
    source: Short
    consent_receipt_id: Hex64
    consent_jws: str
    records: Annotated[list[PersonalRecord], Meta(min_length=1, max_length=BATCH_RECORDS_MAX)]


class PersonalWithdrawal(Message, frozen=True):
    """POST /v1/personal/withdrawals (purpose `personal_withdrawal`): the person's word, signed with `withdrawal`."""

    withdrawal_jws: Annotated[str, Meta(max_length=JWS_CHARS_MAX)]


class PersonalExport(Message, frozen=True):
    """POST /v1/personal/export (purpose `personal_export`): what is held on me, after one of its ids."""

    after: Annotated[str, Meta(max_length=64)] = ""


class PersonalPay(Message, frozen=True):
    """POST /v1/personal/pay (purpose `personal_pay`): what the months I gave were judged to be, and earned."""


def month_of(at_ms: int) -> str:
    """Return the calendar month of a time in ms since 1970 as `2026-11`, in UTC."""
    return datetime.fromtimestamp(max(0, min(at_ms, _LAST_MS)) / 1_000, UTC).strftime("%Y-%m")


def items_by_month(records: Iterable[PersonalRecord]) -> dict[str, int]:
    """Return how many items with an address each month has; without a time or an address an item has no month."""
    return dict(
        Counter(month_of(each.captured_at_ms) for each in records if each.url and each.captured_at_ms)
    )


def personal_contribution_id_for(node_id: str, item_ids: Iterable[str]) -> str:
    """Return the id of a personal donation: the same items from the same node are the same donation."""
    joined = ",".join(sorted(item_ids))
    return "p" + hashlib.sha256(f"windrow/personal/{node_id}/{joined}".encode()).hexdigest()[:31]
