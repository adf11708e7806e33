"""What the extension and the bridge say to each other.

Rules: one JSON object per frame, named by `type`; unknown fields and types are refused; `id`, when given, comes back in
the answer. An answer has `ok`; a refusal has `error`, `sentence`, `detail` and `remedy`.

Does not: act on a message (see `native_host`).

Usage::

    message = read_message(b'{"type": "hello"}')
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from extension_bridge.consent import ConsentTerms
from extension_bridge.donation import Page
from extension_bridge.sources import BrowserSource
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSENT_ITEMS_MAX
from windrow_protocol.messages import Identifier, decode_json

Language = Literal["en", "de"]
MessageId = Annotated[str, Meta(max_length=64)]


class Given(ConsentTerms, frozen=True, kw_only=True):
    """The terms as the person agreed to them; `notice_sha256` is of the notice they were shown."""

    agreed: bool
    notice_sha256: str = ""


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="hello"):
    """Who is there?"""

    id: MessageId = ""


class Preview(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="preview"):
    """What would leave of this page, and under which words?"""

    page: Page
    terms: ConsentTerms = ConsentTerms()
    language: Language = "en"
    id: MessageId = ""


class Donate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="donate"):
    """Give this page, as edited, under this consent."""

    page: Page
    consent: Given
    language: Language = "en"
    id: MessageId = ""


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="status"):
    """What became of what was given? Also tries to deliver what waits."""

    count_max: Annotated[int, Meta(ge=1, le=200)] = 50
    id: MessageId = ""


class Withdraw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="withdraw"):
    """Take one donation back."""

    contribution_id: Identifier
    id: MessageId = ""


class PutAside(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="put_aside"):
    """Keep these on this computer, to be looked through in the dashboard before anything leaves."""

    source: BrowserSource
    pages: Annotated[list[Page], Meta(min_length=1, max_length=CONSENT_ITEMS_MAX)]
    id: MessageId = ""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="node"):
    """How is the node? Or: do this with it, and say how it is then."""

    do: Literal["look", "pause", "pause_hour", "resume"] = "look"
    language: Language = "en"
    id: MessageId = ""


class Dashboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="dashboard"):
    """A link into the node's dashboard."""

    page: Literal["", "give", "money"] = ""
    id: MessageId = ""


NativeMessage = Hello | Preview | Donate | Status | Withdraw | PutAside | Node | Dashboard


def read_message(frame: bytes) -> NativeMessage:
    """Decode one frame. Raises WindrowError `not_json` or `wrong_schema`."""
    message: NativeMessage = decode_json(frame, NativeMessage)  # type: ignore[arg-type]
    return message


def message_id(frame: bytes) -> str:
    """Return the `id` of a frame that may be anything else than a message, empty when it has none."""
    try:
        named = decode_json(frame, dict)
    except WindrowError:
        return ""
    value = named.get("id", "")
    return value[:64] if isinstance(value, str) else ""
