"""What a person does on the page where they look through their data: edit, mask, delete, agree, undo, take back.

Rules: sending needs the tick under the very words of consent, for rows that have not changed since they were shown, and
a time to change one's mind; nothing here speaks to the network, the carrier does. The bridge's modules are loaded only
when the page is opened.

Does not: make markup (see `give_pages`). Usage: `desk = GiveDesk(home, key, pin, wake, now_ms)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contributor_node.carrier import Month, Months
from contributor_node.dashboard.door import Answer
from contributor_node.dashboard.give_pages import DAYS, WAITS, Agreement, Shown, render_confirm, render_give
from contributor_node.dashboard.markup import Markup
from contributor_node.dashboard.pages import View, notice
from contributor_node.dashboard.wording import counted
from contributor_node.identity import Pin
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_DRAFTS_SHOWN

if TYPE_CHECKING:
    from extension_bridge.consent import ConsentTerms
    from extension_bridge.drafts import Draft, Drafts
    from extension_bridge.outbox import Outbox
    from windrow_protocol.personal_messages import PersonalContribution, PersonalRecord

FILE = "bridge.db"
_GIVEN_SHOWN = 200
_LEAVING_SHOWN = 1
Fields = Mapping[str, str]


class GiveDesk:
    """The review of one node. `pin` names the coordinator, None before the first contact; `wake` calls the carrier."""

    def __init__(
        self,
        home: Path,
        key: Ed25519PrivateKey,
        pin: Callable[[], Pin | None],
        wake: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._path, self._key, self._pin, self._wake, self._now_ms = home / FILE, key, pin, wake, now_ms

    async def page(self, view: View, query: Fields) -> Answer:
        """Return the page; `skip` is the first row shown, `all` ticks every row."""
        return Answer(self._page(view, query, Markup()))

    async def act(self, view: View, fields: Fields) -> Answer:
        """Do what a form says and return the page to look at next. A refusal is said on the page itself."""
        from extension_bridge.outbox import Outbox

        try:
            with Outbox.open(self._path) as outbox:
                done = self._done(view, outbox, fields)
        except WindrowError as error:
            if error.code == "wrong_schema" and not error.detail:
                raise
            words = f"Not done. {error.reason.sentence}{f': {error.detail}' if error.detail else ''}."
            return Answer(self._page(view, {}, notice(words)), status=max(400, error.reason.http_status))
        self._wake()
        if isinstance(done, bytes):
            return Answer(done)
        return Answer(self._page(view, {}, notice(done, "good")))

    def _page(self, view: View, query: Fields, told: Markup) -> bytes:
        from extension_bridge.drafts import Drafts
        from extension_bridge.outbox import Outbox

        typed = query.get("skip", "0")
        skip = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 6 else 0
        with Outbox.open(self._path) as outbox:
            drafts = Drafts(outbox.file)
            counts = drafts.counts()
            skip = skip if skip < counts["open"] else 0
            shown = Shown(
                items=drafts.open_items(DASHBOARD_DRAFTS_SHOWN, skip),
                skip=skip,
                count=counts["open"],
                is_all=query.get("all") == "yes",
                leaving=drafts.leaving(_LEAVING_SHOWN),
                leaving_count=counts["leaving"],
                given=outbox.all(_GIVEN_SHOWN),
                months=_months(outbox.fact("months")),
            )
        return render_give(view, shown, told)

    def _done(self, view: View, outbox: Outbox, fields: Fields) -> str | bytes:
        """Do one act and return what to say, or the page that comes next."""
        from extension_bridge.drafts import Drafts

        drafts, draft_id = Drafts(outbox.file), fields.get("draft", "")
        match fields.get("do", ""):
            case "edit":
                drafts.edit(draft_id, fields.get("title", ""), fields.get("text", ""))
                return "Saved. This is what would leave now."
            case "delete_one":
                return _deleted(drafts.delete([draft_id]))
            case "delete":
                return _deleted(drafts.delete(_chosen_ids(fields)))
            case "mask":
                found = drafts.mask(fields.get("word", ""))
                return f"Taken out {counted(found, 'time')}.{_not_reached(drafts)}"
            case "confirm":
                return _confirm(view, _chosen(drafts, fields), _choice(fields, "days", DAYS))
            case "send":
                return self._send(outbox, fields)
            case "undo":
                return f"{counted(drafts.undo(), 'row')} taken back. Nothing of it has left."
            case "hurry":
                return f"{counted(drafts.hurry(self._now_ms()), 'row')} on the way."
            case "withdraw":
                self._withdraw(outbox, fields.get("contribution", ""))
                return "Taken back. The coordinator is told now, or as soon as it answers."
        raise WindrowError("wrong_schema")

    def _send(self, outbox: Outbox, fields: Fields) -> str:
        from extension_bridge.drafts import Drafts, content_digest

        drafts = Drafts(outbox.file)
        items = _chosen(drafts, fields)
        if fields.get("agreed") != "yes":
            raise WindrowError("not_agreed")
        if content_digest(items) != fields.get("seen"):
            raise WindrowError("not_open", "a row was changed since it was looked at")
        days, wait_s = _choice(fields, "days", DAYS), _choice(fields, "wait", WAITS)
        now_ms = self._now_ms()
        leaves_at_ms = now_ms + wait_s * 1_000
        drafts.send(items, self._signer(outbox, now_ms), days, now_ms=now_ms, leaves_at_ms=leaves_at_ms)
        return f"{counted(len(items), 'row')} will leave in {WAITS[wait_s]}. Undo takes it back."

    def _signer(
        self, outbox: Outbox, now_ms: int
    ) -> Callable[[PersonalRecord, ConsentTerms], PersonalContribution]:
        from extension_bridge.donation import build_donation

        pin = self._pin()
        if pin is None:
            raise WindrowError("not_running", "the node has met no coordinator yet")
        outbox.remember({"network": pin.network, "coordinator_id": pin.coordinator_id})

        def sign(record: PersonalRecord, terms: ConsentTerms) -> PersonalContribution:
            return build_donation(
                self._key,
                record,
                terms,
                network=pin.network,
                controller_id=pin.coordinator_id,
                now_ms=now_ms,
                controller_contact=pin.publishers_url,
            )

        return sign

    def _withdraw(self, outbox: Outbox, contribution_id: str) -> None:
        from extension_bridge.withdrawal import sign_withdrawal

        kept = outbox.get(contribution_id)
        token = sign_withdrawal(self._key, kept, outbox.fact("network"), self._now_ms())
        outbox.withdrawal(contribution_id, token)


def _months(told: str) -> Sequence[Month]:
    """Return what was last heard of the months; a note of another version says nothing."""
    try:
        return msgspec.json.decode(told, type=Months).months if told else ()
    except msgspec.DecodeError:
        return ()


def _chosen_ids(fields: Fields) -> list[str]:
    return [name.removeprefix("item.") for name in fields if name.startswith("item.")]


def _chosen(drafts: Drafts, fields: Fields) -> list[Draft]:
    """Return the rows that were ticked. Raises WindrowError `not_agreed` when none was."""
    items = [drafts.get(each) for each in _chosen_ids(fields)]
    if not items:
        raise WindrowError("not_agreed", "no row was chosen")
    return items


def _confirm(view: View, items: list[Draft], days: int) -> bytes:
    from extension_bridge.consent import LIMITS_OF_WITHDRAWAL, consent_notice, terms_of
    from extension_bridge.drafts import content_digest

    sources = sorted({item.source for item in items})
    notices = [consent_notice(terms_of(source, days)) for source in sources]
    return render_confirm(view, items, Agreement(notices, LIMITS_OF_WITHDRAWAL, days, content_digest(items)))


def _choice(fields: Fields, name: str, choices: Mapping[int, str]) -> int:
    for value in choices:
        if str(value) == fields.get(name):
            return value
    raise WindrowError("wrong_schema", f"`{name}` is none of the choices")


def _not_reached(drafts: Drafts) -> str:
    leaving = drafts.counts()["leaving"]
    return f" Not out of {counted(leaving, 'row')} on the way: undo that first." if leaving else ""


def _deleted(count: int) -> str:
    return f"{counted(count, 'row')} deleted from this computer."
