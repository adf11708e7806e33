"""One row of what a person may give: its words as they would leave, what was taken out, what it would earn; its form.

Rules: facts in, markup out; every text is shown whole and escaped, and what was taken out of it is marked. What an item
would earn is said as the rule, in the words of its consent, with no sum that nobody can promise. Only what leaves of a
source can be edited.

Does not: read or change drafts (see `give_desk`). Usage: `row = render_row(view, draft, is_chosen=False)`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from contributor_node.dashboard.markup import Markup, fill, joined, visible
from contributor_node.dashboard.pages import View, template
from contributor_node.dashboard.tongue import Language, count_of, moment, month, say
from windrow_protocol.limits import DRAFT_TEXT_CHARS_MAX, TITLE_CHARS_MAX

if TYPE_CHECKING:
    from extension_bridge.drafts import Draft

_SOURCES = {
    "browser_page": "a page",
    "browser_history": "a visit of your history",
    "ai_prompt": "what you wrote to an AI assistant",
    "ai_answer": "what an AI assistant answered you",
    "search": "what you searched for",
    "watch": "what you watched",
    "listen": "what you listened to",
    "post": "a post or comment of yours",
    "reaction": "a like, vote or bookmark of yours",
    "message": "a message you wrote to others",
    "transaction": "a payment of yours",
}
# kind → one, many, why it does not leave
_KINDS = {
    "email": ("e-mail address", "e-mail addresses", "somebody can be reached there"),
    "phone": ("telephone number", "telephone numbers", "somebody can be reached there"),
    "card": ("card number", "card numbers", "it can be paid with"),
    "iban": ("bank account", "bank accounts", "money can be taken from it"),
    "ip": ("internet address", "internet addresses", "it leads to a household"),
    "mac": ("device address", "device addresses", "it names one device"),
    "wallet": ("wallet address", "wallet addresses", "all its payments are public"),
    "secret": ("key or password", "keys or passwords", "it opens something"),
    "national_id": ("identity number", "identity numbers", "it names one person for life"),
    "address": ("postal address", "postal addresses", "somebody lives there"),
    "name": ("name of a person", "names of persons", "it says who somebody is"),
    "quote": ("quoted passage", "quoted passages", "somebody else wrote it"),
    "user": ("account", "accounts", "it names somebody"),
    "number": ("number", "numbers", "it may be that of an account, a card or a shop"),
    "masked": ("word you took out", "words you took out", "you said so"),
}
_MARKS = re.compile(r"(\[[A-Z_]{2,24}\])")
EARNS = "Nothing by itself, and nothing by the byte: a month of visits earns as one, from sales and budgets."
_NAME_CHARS = 200
_TITLE = (
    '<label for="title-{draft_id}">{label}</label><input type="text" id="title-{draft_id}" name="title" '
    'maxlength="{chars}" autocomplete="off" value="{value}">'
)
_TEXT = (
    '<label for="text-{draft_id}">{label}</label><textarea id="text-{draft_id}" name="text" rows="8" '
    'maxlength="{chars}" spellcheck="false">\n{value}</textarea>'
)


def render_row(view: View, draft: Draft, *, is_chosen: bool) -> Markup:
    """One row of the review."""
    name = " ".join((draft.title or draft.url or draft.text).split())
    heading = draft.title or draft.url or named(draft.source, view.language)
    text = (
        fill('<pre class="leaves" tabindex="0">{text}</pre>', text=_marked(draft.text))
        if draft.text
        else Markup()
    )
    return fill(
        template("give_item", view.language),
        path=view.path,
        form=view.form,
        draft_id=draft.draft_id,
        checked=Markup(" checked" if is_chosen else ""),
        name=visible(name[:_NAME_CHARS]),
        short=visible(name[:60]),
        title=_marked(heading),
        url=visible(draft.url),
        when=_when(view.language, draft),
        text=text,
        fields=_fields(view.language, draft),
        findings=_findings(view.language, draft.redactions),
        earns=_earns(view.language, draft.source),
    )


def named(source: str, language: Language) -> str:
    """Return what an item of a source is called."""
    known = _SOURCES.get(source, "" if source else "something")
    words = say(language, known) if known else source.replace("_", " ")
    return f"{words[0].upper()}{words[1:]}"


def _earns(language: Language, source: str) -> str:
    from extension_bridge.notices import pay_sentence
    from extension_bridge.sources import RULES

    if source in RULES and RULES[source].by_month:
        return pay_sentence(source, language)
    return say(language, EARNS)


def _fields(language: Language, draft: Draft) -> Markup:
    """Return the fields of the form: of what leaves, the words."""
    from extension_bridge.sources import RULES

    leaves = RULES[draft.source].fields
    title = fill(
        _TITLE,
        draft_id=draft.draft_id,
        value=draft.title,
        chars=TITLE_CHARS_MAX,
        label=say(language, "Title"),
    )
    text = fill(
        _TEXT,
        draft_id=draft.draft_id,
        value=draft.text,
        chars=DRAFT_TEXT_CHARS_MAX,
        label=say(language, "Text"),
    )
    save = fill(
        '<button name="do" value="edit" class="primary">{words}</button> ', words=say(language, "Save")
    )
    fields = [part for name, part in (("title", title), ("text", text)) if name in leaves]
    return fill(
        '{fields}<p class="actions">{save}'
        '<button name="do" value="delete_one" formnovalidate>{delete}</button></p>',
        delete=say(language, "Delete this row"),
        fields=joined(fields),
        save=save if fields else Markup(),
    )


def _when(language: Language, draft: Draft) -> str:
    """Say what a row is, how much and when, as exactly as it leaves."""
    from extension_bridge.sources import RULES

    parts = [named(draft.source, language)] if draft.title or draft.url else []
    if draft.amount:
        parts.append(say(language, "about {amount}").format(amount=draft.amount.removeprefix("-")))
    if draft.captured_at_ms:
        by_month = RULES[draft.source].by_month
        parts.append((month if by_month else moment)(language, draft.captured_at_ms))
    return ", ".join(parts)


def _marked(text: str) -> Markup:
    """Return a text with what stands for something taken out set off from the rest."""
    parts = _MARKS.split("\n".join(visible(line) for line in text.split("\n")))
    return joined(
        fill("<mark>{part}</mark>" if place % 2 else "{part}", part=part) for place, part in enumerate(parts)
    )


def _findings(language: Language, redactions: Mapping[str, int]) -> Markup:
    if not redactions:
        none = "Nothing that looks personal was found. Not every name is recognised."
        return fill('<span class="quiet">{words}</span>', words=say(language, none))
    rows = []
    for kind, count in redactions.items():
        one, many, why = _KINDS.get(kind, ("other mark", "other marks", "it points at a person"))
        what = count_of(language, count, one, many)
        rows.append(fill("<li>{what}: {why}</li>", what=what, why=say(language, why)))
    return fill('<ul class="findings">{rows}</ul>', rows=joined(rows))
