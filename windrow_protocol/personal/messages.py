"""The messages about personal data, between a person's device and the coordinator.

Rules: as `messages` has them: frozen, unknown fields refused, every field bounded.

Does not: say what may be given (see `extension_bridge.consent`) or what redaction takes out (`patterns`).

Usage: `donation = decode_json(body, PersonalContribution)`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, UnsetType, field

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import AMOUNT_CHARS_MAX, BATCH_RECORDS_MAX, JWS_CHARS_MAX, URL_CHARS_MAX
from windrow_protocol.messages import Hex64, Identifier, Message, Short, Text, TimeMs, Title, decode_json

# Whose items are visits, that a month of history is made of; of everything else only the month is known.
HISTORY_SOURCES: Final = frozenset({"browser_page", "browser_history"})
Role = Literal["self", "assistant", "other"]  # who wrote the words of an item: `other` is refused
_LAST_MS: Final = 4_102_444_799_000  # the end of 2099: what is said to be later is as good as then


class PersonalRecord(Message, frozen=True):
    """One redacted item a person chose to give.

    `role` says who wrote its words where somebody did, `amount` what was paid, rounded: `-20 EUR`.
    """

    item_id: Hex64
    url: Annotated[str, Meta(max_length=URL_CHARS_MAX)]
    title: Title
    text: Text
    text_sha256: Hex64
    captured_at_ms: TimeMs
    redactions: dict[str, int] = field(default_factory=dict)
    role: Role | UnsetType = UNSET
    amount: Annotated[str, Meta(max_length=AMOUNT_CHARS_MAX)] | UnsetType = UNSET


class PersonalContribution(Message, frozen=True):
    """POST /v1/personal (purpose `personal`): opted-in items under one signed consent receipt."""

    contribution_id: Identifier
    node_id: Hex64
    source: Short
    consent_receipt_id: Hex64
    consent_jws: str
    records: Annotated[list[PersonalRecord], Meta(min_length=1, max_length=BATCH_RECORDS_MAX)]


class PersonalWithdrawal(Message, frozen=True):
    """POST /v1/personal/withdrawals (purpose `withdrawal`): the person's word, signed with `withdrawal`."""

    withdrawal_jws: Annotated[str, Meta(max_length=JWS_CHARS_MAX)]


class PersonalExport(Message, frozen=True):
    """POST /v1/personal/export (purpose `export`): what is held on me, after one of its ids."""

    after: Annotated[str, Meta(max_length=64)] = ""


class PersonalPay(Message, frozen=True):
    """POST /v1/personal/pay (purpose `pay`): what the months I gave were judged to be, and earned."""


def donation_read(read: Callable[[str], bytes], contribution_id: str) -> PersonalContribution | None:
    """Return a donation from where it is kept, None when it was taken back; other refusals of `read` go on."""
    try:
        return decode_json(read(contribution_id), PersonalContribution)
    except WindrowError as error:
        if error.code in ("not_found", "key_gone"):
            return None
        raise


def month_of(at_ms: int) -> str:
    """Return the calendar month of a time in ms since 1970 as `2026-11`, in UTC."""
    return datetime.fromtimestamp(max(0, min(at_ms, _LAST_MS)) / 1_000, UTC).strftime("%Y-%m")


def month_begins_at_ms(at_ms: int) -> int:
    """Return when the calendar month of a time begins, in UTC; 0 stays 0, for what has no time."""
    moment = datetime.fromtimestamp(max(0, min(at_ms, _LAST_MS)) / 1_000, UTC)
    return int(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1_000


def visits_in(donation: PersonalContribution) -> Iterator[PersonalRecord]:
    """Yield what of a donation a month of history is made of: visits with a time and an address."""
    if donation.source in HISTORY_SOURCES:
        yield from (each for each in donation.records if each.url and each.captured_at_ms)


def items_by_month(donation: PersonalContribution) -> dict[str, int]:
    """Return how many visits of each month a donation holds."""
    return dict(Counter(month_of(each.captured_at_ms) for each in visits_in(donation)))


def personal_contribution_id_for(node_id: str, item_ids: Iterable[str]) -> str:
    """Return the id of a personal donation: the same items from the same node are the same donation."""
    joined = ",".join(sorted(item_ids))
    return "p" + hashlib.sha256(f"windrow/personal/{node_id}/{joined}".encode()).hexdigest()[:31]
