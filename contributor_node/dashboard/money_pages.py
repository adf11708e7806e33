"""The page about money: what was earned, what is still to come, what this node checked, and the reasons.

Rules: everything but the proof is the coordinator's word, and the page says so. A page is of one asset, with a link to
each other that the address has rows in. A figure that is not there reads "no data" with the reason, never 0. Dates of
vesting are estimates and are called so. A sentence of the ledger is shown in the page's language where we know it, else
as the coordinator wrote it.

Does not: ask (see `money_board`), or say what was checked (`money_proof`).

Usage: `page = render_money(view, looked, others, urls, is_older=False)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from contributor_node.dashboard.markup import Markup, definitions, fill, joined, visible
from contributor_node.dashboard.money_board import Entry, Looked, Statement, Vesting
from contributor_node.dashboard.money_proof import proof_words
from contributor_node.dashboard.pages import View, frame, notice, template
from contributor_node.dashboard.tongue import (
    Language,
    amount,
    count_of,
    exact,
    moment,
    number,
    say,
    say_known,
    unit_name,
)
from contributor_node.dashboard.wording import NO_DATA, Unit
from windrow_protocol.amounts import OWN_ASSET

TILES: Final = (
    ("Yours to claim", "posted_wei", "Posted: no longer at risk"),
    ("Pending", "pending_wei", "Waits for its day and its audits"),
    ("For your history", "held_wei", "Pending thirty days; back if you take the month back"),
    ("Bond", "bond_wei", "From your first documents; back after you leave"),
    ("Paid out", "claimed_wei", "Claimed on chain to your address"),
)
_TILE = '<div class="tile"><h2>{name}</h2><p class="figure">{amount}</p><p class="quiet">{words}</p></div>'
_OTHERS = (
    '<section class="card" aria-labelledby="others"><h2 id="others">{heading}</h2>'
    "<p>{words}</p><ul>{lines}</ul></section>"
)
_OTHER = '<li>{words} <a href="{path}money?asset={asset}">{link}</a></li>'
_COMING = '<section class="card" aria-labelledby="coming"><h2 id="coming">{heading}</h2>{words}</section>'
_ROYALTIES_LIE = ("posted_wei", "claimed_wei")
_WORK = (
    '<li><div class="work-head"><span>{what}</span><strong>{amount}</strong></div><ul>{lines}</ul>'
    '<p class="quiet">{when}{held}</p></li>'
)
_LINE = "<li><span>{sentence}</span><span>{amount}</span></li>"
_REASON = '<tr><td>{sentence}</td><td class="n">{rows}</td><td class="n">{amount}</td></tr>'
_REASONS = (
    '<table><thead><tr><th scope="col">{reason}</th><th scope="col" class="n">{times}</th>'
    '<th scope="col" class="n">{unit}</th></tr></thead><tbody>{rows}</tbody>'
    '<tfoot><tr><th scope="row">{in_all}</th><td></td><td class="n">{sum}</td></tr></tfoot></table>'
    '<p class="verdict {tone}">{verdict}</p>'
)
HELD: Final = {
    "pending": "pending",
    "posted": "yours",
    "bond": "part of your bond",
    "claimed": "paid out",
    "held": "pending",
}
CAUSES: Final = {
    "c": "Contribution",
    "p": "Donation",
    "d": "Dividends of audits",
    "s": "Sale",
    "m": "Month of history",
}
_ONLY_MOVED = frozenset({"released", "claimed"})


class Work(NamedTuple):
    """All rows of one cause: a contribution, mostly."""

    cause: str
    entries: list[Entry]


def works_of(entries: list[Entry]) -> list[Work]:
    """Group rows by their cause, in the order in which a cause first comes."""
    grouped: dict[str, list[Entry]] = {}
    for entry in entries:
        grouped.setdefault(entry.cause, []).append(entry)
    return [Work(cause, rows) for cause, rows in grouped.items()]


def render_money(
    view: View, looked: Looked, others: Sequence[Looked], urls: Mapping[str, str], *, is_older: bool
) -> bytes:
    """The page of one asset; `urls` names the pages of contributions whose receipts lie here."""
    statement, language = looked.statement, view.language
    heading, coming = say(language, "What you have earned, and why"), Markup("")
    each = say(language, "Page by page")
    if looked.asset == OWN_ASSET:
        coming = fill(
            _COMING, heading=say(language, "What is still to come"), words=_coming(language, statement)
        )
    else:
        heading = say(language, "What you have earned in {asset}, and why").format(asset=looked.asset)
        each = say(language, "Sale by sale")
    body = fill(
        template("money", language),
        heading=heading,
        each=each,
        lead=_lead(language, looked),
        notice=notice(_trouble(language, looked)),
        tiles=_tiles(language, looked),
        others=_others(view, others),
        coming=coming,
        proof=proof_words(language, looked),
        reasons=_reasons(language, looked),
        contributions=_contributions(view, looked, urls, is_older=is_older),
    )
    return frame(view, say(language, "Money"), body, here="money")


def _lead(language: Language, looked: Looked) -> str:
    lead = say(
        language,
        "This is what the coordinator’s ledger says of your payout address, with its reason for every amount.",
    )
    if looked.statement is None:
        return lead
    return f"{lead} {say(language, 'As of {time}.').format(time=moment(language, looked.at_ms))}"


def _trouble(language: Language, looked: Looked) -> str:
    why = say_known(language, looked.refusal)
    if looked.refusal and looked.statement:
        again = say(
            language, "The coordinator was asked again and did not tell: {why}. These are its last figures."
        )
        return again.format(why=why)
    if looked.refusal:
        nothing = say(
            language,
            "No data: {why}. Nothing below is known until it answers; load this page again in a minute.",
        )
        return nothing.format(why=why)
    if looked.statement is None:
        return say(language, "No data yet: the coordinator is being asked. Load this page again in a moment.")
    return ""


def _tiles(language: Language, looked: Looked) -> Markup:
    """Royalties in another asset are nobody's bond, so there a place that holds nothing of it is left out."""
    shown = [
        (name, field, words)
        for name, field, words in TILES
        if looked.asset == OWN_ASSET or field in _ROYALTIES_LIE or _amount(looked, field)
    ]
    return joined(
        fill(
            _TILE,
            name=say(language, name),
            words=say(language, words),
            amount=_figure(language, looked, field),
        )
        for name, field, words in shown
    )


def _amount(looked: Looked, field: str) -> int:
    return int(getattr(looked.statement.totals, field)) if looked.statement else 0


def _figure(language: Language, looked: Looked, field: str) -> Markup:
    if looked.statement is None:
        return Markup(say(language, NO_DATA))
    units, unit = _amount(looked, field), looked.unit
    return fill(
        '<span title="{exact}">{about}</span> <small>{unit}</small>',
        exact=exact(language, unit, units),
        about=amount(language, unit.about(units)),
        unit=unit_name(language, unit),
    )


def _others(view: View, others: Sequence[Looked]) -> Markup:
    """What the same address has in other assets, with the page of each."""
    if not others:
        return Markup("")
    language = view.language
    lines = joined(
        fill(
            _OTHER,
            path=view.path,
            asset=each.asset,
            link=say(language, "Every amount in {asset}, and why").format(asset=each.asset),
            words=fill(
                say(language, "Yours to claim: {yours}; paid out: {paid}."),
                yours=_figure(language, each, "posted_wei"),
                paid=_figure(language, each, "claimed_wei"),
            ),
        )
        for each in others
    )
    words = say(language, "Royalties come in what a sale was paid in; nothing is converted.")
    return fill(_OTHERS, heading=say(language, "In other assets"), words=words, lines=lines)


def _nothing_known(language: Language) -> Markup:
    words = say(language, NO_DATA)
    return fill("<p>{words}.</p>", words=words[0].upper() + words[1:])


def _coming(language: Language, statement: Statement | None) -> Markup:
    if statement is None:
        return _nothing_known(language)
    waiting = statement.waiting.documents
    words = say(language, "Nothing handed in waits for a decision.")
    if waiting:
        waits = say(
            language, "{documents} handed in and not decided about: you hear when the audit epoch closes."
        )
        words = waits.format(documents=count_of(language, waiting, "document"))
    first = fill("<p>{words}</p>", words=words)
    if not statement.vesting:
        return joined([first, fill("<p>{words}</p>", words=say(language, "Nothing is pending."))])
    return joined([first, *(_vesting(language, row) for row in statement.vesting)])


def _vesting(language: Language, row: Vesting) -> Markup:
    missing = say(language, "all passed")
    if row.audits_missing:
        missing = say(language, "{missing} of {wanted} still to pass").format(
            missing=row.audits_missing, wanted=row.audits_wanted
        )
    pending = say(language, "{amount} for {documents}").format(
        amount=exact(language, Unit(), int(row.pending_wei)),
        documents=count_of(language, row.documents, "document"),
    )
    facts = (
        (say(language, "Node"), f"{visible(row.node_id)[:16]}…"),
        (say(language, "Pending"), pending),
        (say(language, "Audits for the newest"), missing),
        (say(language, "Next becomes yours"), _date(language, row.next_vests_at_ms)),
        (say(language, "All of it"), _date(language, row.vests_at_ms)),
    )
    return definitions(facts)


def _date(language: Language, at_ms: int | None) -> str:
    if at_ms is None:
        return say(language, "no date yet: too few audits to estimate one")
    return say(language, "about {amount}").format(amount=moment(language, at_ms))


def _reasons(language: Language, looked: Looked) -> Markup:
    statement, unit = looked.statement, looked.unit
    if statement is None:
        return _nothing_known(language)
    if not statement.reasons:
        return fill("<p>{words}</p>", words=say(language, "The ledger has no row for your address yet."))
    rows = joined(
        fill(
            _REASON,
            sentence=visible(say_known(language, row.sentence)),
            rows=number(language, row.rows),
            amount=amount(language, unit.bare(int(row.amount_wei))),
        )
        for row in statement.reasons
    )
    right = statement.adds_up()
    verdict = (
        "Added up on this machine: the reasons sum to what was earned, and that to what lies in these places."
        if right
        else "These figures do not add up. Tell the network’s operator, and keep this page."
    )
    return fill(
        _REASONS,
        reason=say(language, "Reason"),
        times=say(language, "Times"),
        in_all=say(language, "Earned in all"),
        unit=unit_name(language, unit),
        rows=rows,
        sum=amount(language, unit.bare(int(statement.totals.earned_wei))),
        verdict=say(language, verdict),
        tone="good" if right else "bad",
    )


def _contributions(view: View, looked: Looked, urls: Mapping[str, str], *, is_older: bool) -> Markup:
    statement, unit, language = looked.statement, looked.unit, view.language
    if statement is None:
        return _nothing_known(language)
    works = works_of(statement.entries)
    if not works:
        none = say(language, "No page of yours has been decided about yet.")
        return fill("<p>{words}</p>", words=none)
    lines = joined(_work(language, work, urls, unit) for work in works)
    shown = [fill('<ul class="works">{works}</ul>', works=lines)]
    link = '<p><a href="{path}money?asset={asset}{before}">{words}</a></p>'
    where = {"path": view.path, "asset": looked.asset}
    if is_older:
        shown.append(fill(link, **where, before="", words=say(language, "Newest")))
    if statement.next_before_seq is not None:
        before = f"&before={statement.next_before_seq}"
        shown.append(fill(link, **where, before=before, words=say(language, "Older pages")))
    return joined(shown)


def _work(language: Language, work: Work, urls: Mapping[str, str], unit: Unit) -> Markup:
    counting = [entry for entry in work.entries if entry.kind not in _ONLY_MOVED]
    change = sum(int(entry.earned_wei) for entry in counting)
    held = {
        say(language, HELD[entry.held])
        for entry in work.entries
        if entry.held in HELD and int(entry.amount_wei)
    }
    return fill(
        _WORK,
        what=_what(language, work, urls),
        amount=exact(language, unit, change) if counting else "",
        lines=joined(_line(language, entry, unit) for entry in work.entries),
        when=moment(language, work.entries[0].created_at_ms),
        held=f", {say(language, ' and ').join(sorted(held))}" if held else "",
    )


def _what(language: Language, work: Work, urls: Mapping[str, str]) -> str:
    if work.cause in urls:
        return visible(urls[work.cause])
    if any(entry.kind == "claimed" for entry in work.entries):
        return say(language, "Paid out on chain")
    kind = CAUSES.get(work.cause[:1])
    return f"{say(language, kind) if kind else say(language, 'Entry')} {visible(work.cause)[:40]}"


def _line(language: Language, entry: Entry, unit: Unit) -> Markup:
    units = int(entry.amount_wei) if entry.kind in _ONLY_MOVED else int(entry.earned_wei)
    sentence = visible(say_known(language, entry.sentence))
    return fill(_LINE, sentence=sentence, amount=amount(language, unit.bare(units)))
