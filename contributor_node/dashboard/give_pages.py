"""The pages on which a person looks through what they may give: rows, the agreement, what will leave, what was given.

Rules: facts in, markup out; every text is escaped.

Does not: read or change drafts (see `give_desk`), or show one row (`give_rows`).

Usage: `page = render_give(view, shown, told)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contributor_node.dashboard.give_rows import named, render_row
from contributor_node.dashboard.markup import Markup, fill, joined, visible
from contributor_node.dashboard.pages import View, frame, template
from contributor_node.dashboard.tongue import Language, count_of, exact, moment, number, say, say_known
from contributor_node.dashboard.wording import Unit
from windrow_protocol.limits import DASHBOARD_DRAFTS_SHOWN, MASK_WORD_CHARS_MAX
from windrow_protocol.trust_rules import PPM

if TYPE_CHECKING:
    from contributor_node.coordinator.carrier import Month
    from extension_bridge.drafts import Draft
    from extension_bridge.outbox import Kept

DAYS = {30: "30 days", 90: "90 days", 365: "1 year", 1095: "3 years"}
WAITS = {60: "1 minute", 600: "10 minutes", 3_600: "1 hour", 86_400: "1 day"}
_STATES = {
    "pending": "waits to be sent",
    "sent": "waits for the coordinator’s receipt",
    "delivered": "delivered, receipt signed",
    "refused": "not accepted, nothing was kept",
    "withdrawing": "being taken back",
    "withdrawn": "taken back",
}
_OPTION = '<option value="{value}"{selected}>{words}</option>'
_GIVEN = (
    '<li><div class="work-head"><span>{title}</span><strong>{state}</strong></div>'
    '<p class="quiet">{url}</p><p class="quiet">{detail}</p>{form}</li>'
)
_TAKE_BACK = (
    '<form method="post" action="{path}give"><input type="hidden" name="form" value="{form}">'
    '<input type="hidden" name="contribution" value="{contribution_id}">'
    '<button name="do" value="withdraw" aria-label="{named}">{words}</button></form>'
)
_MONTH_STATES = {
    "waiting": "not looked at yet",
    "judging": "is being looked at",
    "genuine": "counts",
    "refused": "does not count",
}
_MONTH = (
    '<li><div class="work-head"><span>{month}: {state}</span><strong>{amount}</strong></div>'
    '<p class="quiet">{sentence} · {items}{when}</p></li>'
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one look at the desk found: a page of open items, what will leave, what was given."""

    items: Sequence[Draft]
    skip: int
    count: int
    is_all: bool
    leaving: Sequence[Draft]
    leaving_count: int
    given: Sequence[Kept]
    months: Sequence[Month] = ()


def render_give(view: View, shown: Shown, told: Markup) -> bytes:
    """Everything at a glance: what will leave, what is open, what was given."""
    body = fill(
        template("give", view.language),
        notice=told,
        leaving=_leaving(view, shown),
        count=number(view.language, shown.count),
        mask=_mask(view) if shown.count else Markup(),
        items=_items(view, shown) if shown.count else _nothing(view.language),
        months=_months(view.language, shown.months),
        given=_given(view, shown.given),
    )
    return frame(view, say(view.language, "Give"), body, here="give")


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is agreed to: the words of consent, one for each source, for how long, and a digest of the items shown."""

    notices: Sequence[str]
    limits: str
    days: int
    seen: str


def render_confirm(view: View, items: Sequence[Draft], agreement: Agreement) -> bytes:
    """The agreement for chosen items."""
    body = fill(
        template("give_confirm", view.language),
        path=view.path,
        form=view.form,
        count=count_of(view.language, len(items), "row"),
        seen=agreement.seen,
        chosen=joined(
            fill('<input type="hidden" name="item.{id}" value="on">', id=each.draft_id) for each in items
        ),
        days=agreement.days,
        waits=_options(view.language, WAITS, 600),
        words=joined(fill("<p>{words}</p>", words=words) for words in agreement.notices),
        limits=agreement.limits,
    )
    return frame(view, say(view.language, "Agree, then send"), body, here="give")


def _options(language: Language, choices: Mapping[int, str], chosen: int) -> Markup:
    return joined(
        fill(
            _OPTION,
            value=value,
            words=say(language, words),
            selected=Markup(" selected" if value == chosen else ""),
        )
        for value, words in choices.items()
    )


def _nothing(language: Language) -> Markup:
    words = say(
        language,
        "Nothing is put aside. In the browser, the Windrow extension puts pages and visits here; {command} puts items "
        "of an export here that a service gave you.",
    )
    return _quiet(fill(words, command=Markup("<code>windrow bridge import FILE --put-aside 200</code>")))


def _quiet(words: str) -> Markup:
    return fill('<p class="quiet">{words}</p>', words=words)


def _leaving(view: View, shown: Shown) -> Markup:
    if not shown.leaving:
        return Markup()
    return fill(
        template("give_leaving", view.language),
        path=view.path,
        form=view.form,
        count=count_of(view.language, shown.leaving_count, "row"),
        time=moment(view.language, shown.leaving[0].leaves_at_ms),
    )


def _mask(view: View) -> Markup:
    return fill(
        template("give_mask", view.language),
        path=view.path,
        form=view.form,
        word_chars=MASK_WORD_CHARS_MAX,
    )


def _items(view: View, shown: Shown) -> Markup:
    last = shown.skip + len(shown.items)
    language = view.language
    places = {"first": shown.skip + 1, "last": last, "count": shown.count}
    told = {name: number(language, place) for name, place in places.items()}
    return fill(
        template("give_items", language),
        path=view.path,
        form=view.form,
        range=say(language, "Rows {first} to {last} of {count}").format(**told)
        if shown.count > last - shown.skip
        else "",
        skip=shown.skip,
        other_all="no" if shown.is_all else "yes",
        other_words=say(language, "Choose none" if shown.is_all else "Choose all rows shown"),
        pager=_pager(view, shown),
        days=_options(language, DAYS, 365),
        rows=joined(render_row(view, draft, is_chosen=shown.is_all) for draft in shown.items),
    )


def _pager(view: View, shown: Shown) -> Markup:
    places = [
        ("earlier rows", shown.skip - DASHBOARD_DRAFTS_SHOWN),
        ("further rows", shown.skip + DASHBOARD_DRAFTS_SHOWN),
    ]
    links = [
        fill(
            ' · <a href="{path}give?skip={skip}">{words}</a>',
            path=view.path,
            skip=skip,
            words=say(view.language, words),
        )
        for words, skip in places
        if 0 <= skip < shown.count
    ]
    return joined(links)


def _months(language: Language, months: Sequence[Month]) -> Markup:
    if not months:
        none = (
            "No month was looked at yet. Each is, once it is over and holds 200 visits with time and address."
        )
        return _quiet(say(language, none))
    return fill('<ul class="works">{rows}</ul>', rows=joined(_month(language, each) for each in months))


def _month(language: Language, month: Month) -> Markup:
    pending, posted = int(month.held_wei), int(month.posted_wei)
    when = ""
    if pending and month.posts_at_ms:
        when = say(language, " · pending until {time}").format(time=moment(language, month.posts_at_ms))
    return fill(
        _MONTH,
        month=visible(month.month),
        state=say(language, _MONTH_STATES[month.state])
        if month.state in _MONTH_STATES
        else visible(month.state),
        amount=exact(language, Unit(), pending + posted),
        sentence=visible(_month_sentence(language, month)),
        items=count_of(language, month.items, "visit"),
        when=when,
    )


def _month_sentence(language: Language, month: Month) -> str:
    """Return why a month earns what it does, in German as far as the coordinator's words are known."""
    if language == "en" or not 0 < month.share_ppm < PPM:
        return say_known(language, month.sentence)
    why = say_known(language, month.sentence.partition(";")[0])
    share = f"{100 * month.share_ppm / PPM:.0f} %"
    return say(language, "{why}; it counts as {share} of a full month").format(why=why, share=share)


def _given(view: View, given: Sequence[Kept]) -> Markup:
    if not given:
        return _quiet(say(view.language, "Nothing yet."))
    return fill('<ul class="works">{rows}</ul>', rows=joined(_given_row(view, kept) for kept in given))


def _given_row(view: View, kept: Kept) -> Markup:
    title = visible(kept.title or kept.url) or named(kept.source, view.language)
    form = Markup()
    if kept.state in ("pending", "sent", "delivered"):
        form = fill(
            _TAKE_BACK,
            path=view.path,
            form=view.form,
            contribution_id=kept.contribution_id,
            named=say(view.language, "Take “{title}” back").format(title=title),
            words=say(view.language, "Take back"),
        )
    return fill(
        _GIVEN,
        title=title,
        state=say(view.language, _STATES[kept.state]),
        url=visible(kept.url),
        detail=say_known(view.language, visible(kept.sentence))
        or say(view.language, "Agreed {time}").format(time=moment(view.language, kept.given_at_ms)),
        form=form,
    )
