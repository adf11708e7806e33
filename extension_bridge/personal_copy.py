"""A person's own copy of everything held on them, in one JSON file, encrypted with age where they ask for it.

Rules: what this computer keeps and what the coordinator keeps stand side by side, with every signature; the
coordinator's pages are read to their end or not at all.

Does not: keep keys or passphrases. Usage: `sealed_copy(everything_held(outbox, courier), recipient="age1…")`.

Source: age-encryption.org/v1, by pyrage (bindings of rage); GDPR, articles 15 and 20.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import msgspec

from extension_bridge.delivery import Courier
from extension_bridge.drafts import Drafts
from extension_bridge.outbox import Outbox
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAFTS_MAX, PERSONAL_PAGE_BYTES_MAX, PERSONAL_PAGES_MAX
from windrow_protocol.personal.messages import PersonalExport

PURPOSE: Final = "personal_export"
_HERE_MAX: Final = 100_000


def everything_held(outbox: Outbox, courier: Courier) -> dict[str, Any]:
    """Return `{here, put_aside, coordinator}`. Raises WindrowError when the coordinator does not answer."""
    donations: list[Any] = []
    after = ""
    for _ in range(PERSONAL_PAGES_MAX):
        body = msgspec.json.encode(PersonalExport(after=after))
        page = courier.post("/v1/personal/export", PURPOSE, body, PERSONAL_PAGE_BYTES_MAX)
        donations += page["donations"]
        after = page["next_after"]
        if not after:
            here = [asdict(kept) for kept in outbox.all(_HERE_MAX)]
            held = {"donations": donations, "withdrawals": page["withdrawals"]}
            return {"here": here, "put_aside": _put_aside(outbox), "coordinator": held}
    raise WindrowError("too_large", f"more than {PERSONAL_PAGES_MAX} pages")


def _put_aside(outbox: Outbox) -> list[dict[str, Any]]:
    """Return what lies in the review, on this computer only, as it would leave."""
    drafts = Drafts(outbox.file)
    return [
        msgspec.structs.asdict(each) for each in (*drafts.open_items(DRAFTS_MAX), *drafts.leaving(DRAFTS_MAX))
    ]


def sealed_copy(held: dict[str, Any], *, recipient: str = "", passphrase: str = "") -> bytes:
    """Return the copy as JSON, encrypted when a recipient or a passphrase is given.

    Raises WindrowError `bad_usage` for what is no age recipient, `part_missing` without pyrage.
    """
    data = msgspec.json.format(msgspec.json.encode(held)) + b"\n"
    if not recipient and not passphrase:
        return data
    try:
        import pyrage
    except ImportError as error:
        raise WindrowError("part_missing", "pyrage") from error
    if passphrase:
        return bytes(pyrage.passphrase.encrypt(data, passphrase))
    try:
        return bytes(pyrage.encrypt(data, [pyrage.x25519.Recipient.from_str(recipient)]))
    except pyrage.RecipientError as error:
        raise WindrowError("bad_usage", "the recipient is no age public key (age1…)") from error


def opened_copy(data: bytes, *, identity: str = "", passphrase: str = "") -> bytes:
    """Return a copy's JSON. Raises WindrowError `key_gone` with the wrong key, `part_missing` without pyrage."""
    try:
        import pyrage
    except ImportError as error:
        raise WindrowError("part_missing", "pyrage") from error
    try:
        if passphrase:
            return bytes(pyrage.passphrase.decrypt(data, passphrase))
        lines = [line for line in identity.splitlines() if line and not line.startswith("#")]
        return bytes(pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(line.strip()) for line in lines]))
    except (pyrage.DecryptError, pyrage.IdentityError) as error:
        raise WindrowError("key_gone", "the copy does not open with this") from error
