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

from contributor_node.coordinator.carrier import Month, Months
from contributor_node.dashboard.door import Answer
from contributor_node.dashboard.give_pages import DAYS, WAITS, Agreement, Shown, render_confirm, render_give
from contributor_node.dashboard.markup import Markup
from contributor_node.dashboard.pages import View, notice
from contributor_node.dashboard.tongue import Language, count_of, say, say_known
from contributor_node.identity import Pin
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DASHBOARD_DRAFTS_SHOWN

if TYPE_CHECKING:
    from extension_bridge.consent import ConsentTerms
    from extension_bridge.drafts import Draft, Drafts
    from extension_bridge.outbox import Outbox
    from windrow_protocol.personal.messages import PersonalContribution, PersonalRecord

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
            told = [say_known(view.language, each) for each in (error.reason.sentence, error.detail) if each]
            words = say(view.language, "Not done. {why}.").format(why=": ".join(told))
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

        drafts, draft_id, language = Drafts(outbox.file), fields.get("draft", ""), view.language
        match fields.get("do", ""):
            case "edit":
                drafts.edit(draft_id, fields.get("title", ""), fields.get("text", ""))
                return say(language, "Saved. This is what would leave now.")
            case "delete_one":
                return _deleted(language, drafts.delete([draft_id]))
            case "delete":
                return _deleted(language, drafts.delete(_chosen_ids(fields)))
            case "mask":
                found = count_of(language, drafts.mask(fields.get("word", "")), "time")
                return say(language, "Taken out {count}.").format(count=found) + _not_reached(
                    language, drafts
                )
            case "confirm":
                return _confirm(view, _chosen(drafts, fields), _choice(fields, "days", DAYS))
            case "send":
                return self._send(view, outbox, fields)
            case "undo":
                back = count_of(language, drafts.undo(), "row")
                return say(language, "{count} taken back. Nothing of it has left.").format(count=back)
            case "hurry":
                soon = count_of(language, drafts.hurry(self._now_ms()), "row")
                return say(language, "{count} on the way.").format(count=soon)
            case "withdraw":
                self._withdraw(outbox, fields.get("contribution", ""))
                return say(language, "Taken back. The coordinator is told now, or as soon as it answers.")
        raise WindrowError("wrong_schema")

    def _send(self, view: View, outbox: Outbox, fields: Fields) -> str:
        from extension_bridge.drafts import Drafts, content_digest

        drafts = Drafts(outbox.file)
        items = _chosen(drafts, fields)
        if fields.get("agreed") != "yes":
            raise WindrowError("not_agreed")
        if fields.get("language") != view.language:
            raise WindrowError("not_open", "the page was shown in another language")
        if content_digest(items) != fields.get("seen"):
            raise WindrowError("not_open", "a row was changed since it was looked at")
        days, wait_s = _choice(fields, "days", DAYS), _choice(fields, "wait", WAITS)
        now_ms = self._now_ms()
        leaves_at_ms = now_ms + wait_s * 1_000
        signer = self._signer(view.language, outbox, now_ms)
        drafts.send(items, signer, days, now_ms=now_ms, leaves_at_ms=leaves_at_ms)
        words = say(view.language, "{count} will leave in {wait}. Undo takes it back.")
        count = count_of(view.language, len(items), "row")
        return words.format(count=count, wait=say(view.language, WAITS[wait_s]))

    def _signer(
        self, language: Language, outbox: Outbox, now_ms: int
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
                language=language,
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
    notices = [consent_notice(terms_of(source, days), view.language) for source in sources]
    limits = LIMITS_OF_WITHDRAWAL[view.language]
    return render_confirm(view, items, Agreement(notices, limits, days, content_digest(items)))


def _choice(fields: Fields, name: str, choices: Mapping[int, str]) -> int:
    for value in choices:
        if str(value) == fields.get(name):
            return value
    raise WindrowError("wrong_schema", f"`{name}` is none of the choices")


def _not_reached(language: Language, drafts: Drafts) -> str:
    leaving = drafts.counts()["leaving"]
    words = say(language, " Not out of {count} on the way: undo that first.")
    return words.format(count=count_of(language, leaving, "row")) if leaving else ""


def _deleted(language: Language, count: int) -> str:
    words = say(language, "{count} deleted from this computer.")
    return words.format(count=count_of(language, count, "row"))
