"""The page about money: what was earned, what is still to come, what this node checked, and the reasons.

Rules: everything but the proof is the coordinator's word, and the page says so. A page is of one asset, with a link to
each other that the address has rows in. A figure that is not there reads "no
data" with the reason, never 0. Dates of vesting are estimates and are called so.

Does not: ask (see `money_board`). Usage: `page = render_money(view, looked, others, urls, is_older=False)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contributor_node.dashboard.markup import Markup, fill, joined, visible
from contributor_node.dashboard.money_board import Entry, Looked, Statement, Vesting
from contributor_node.dashboard.pages import View, frame, notice, template
from contributor_node.dashboard.wording import NO_DATA, Unit, counted, moment_text, wind_text
from windrow_protocol.amounts import OWN_ASSET

_TILES = (
    ("Yours to claim", "posted_wei", "Posted: no longer at risk"),
    ("Pending", "pending_wei", "Waits for its day and its audits"),
    ("For your history", "held_wei", "Pending thirty days; back if you take the month back"),
    ("Bond", "bond_wei", "From your first documents; back after you leave"),
    ("Paid out", "claimed_wei", "Claimed on chain to your address"),
)
_TILE = '<div class="tile"><h2>{name}</h2><p class="figure">{amount}</p><p class="quiet">{words}</p></div>'
_OTHERS = (
    '<section class="card" aria-labelledby="others"><h2 id="others">In other assets</h2>'
    "<p>Royalties come in what a sale was paid in; nothing is converted.</p><ul>{lines}</ul></section>"
)
_OTHER = (
    "<li>Yours to claim: {yours}; paid out: {paid}. "
    '<a href="{path}money?asset={asset}">Every amount in {asset}, and why</a></li>'
)
_COMING = '<section class="card" aria-labelledby="coming"><h2 id="coming">What is still to come</h2>{words}</section>'
_NO_ANSWER = (429, 503)  # of a reason: nobody answered, or is not able to now
_ROYALTIES_LIE = ("posted_wei", "claimed_wei")
_FACT = "<dt>{name}</dt><dd>{value}</dd>"
_WORK = (
    '<li><div class="work-head"><span>{what}</span><strong>{amount}</strong></div><ul>{lines}</ul>'
    '<p class="quiet">{when}{held}</p></li>'
)
_LINE = "<li><span>{sentence}</span><span>{amount}</span></li>"
_REASON = '<tr><td>{sentence}</td><td class="n">{rows:,}</td><td class="n">{amount}</td></tr>'
_REASONS = (
    '<table><thead><tr><th scope="col">Reason</th><th scope="col" class="n">Times</th>'
    '<th scope="col" class="n">{unit}</th></tr></thead><tbody>{rows}</tbody>'
    '<tfoot><tr><th scope="row">Earned in all</th><td></td><td class="n">{sum}</td></tr></tfoot></table>'
    '<p class="verdict {tone}">{verdict}</p>'
)
_VERDICT = '<p class="verdict {tone}">{words}</p>'
_HELD = {
    "pending": "pending",
    "posted": "yours",
    "bond": "part of your bond",
    "claimed": "paid out",
    "held": "pending",
}
_CAUSES = {
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
    statement = looked.statement
    body = fill(
        template("money"),
        in_asset="" if looked.asset == OWN_ASSET else f" in {looked.asset}",
        each="Page by page" if looked.asset == OWN_ASSET else "Sale by sale",
        lead=_lead(looked),
        notice=notice(_trouble(looked)),
        tiles=_tiles(looked),
        others=_others(view, others),
        coming=fill(_COMING, words=_coming(statement)) if looked.asset == OWN_ASSET else Markup(""),
        proof=_proof(looked),
        reasons=_reasons(looked),
        contributions=_contributions(view, looked, urls, is_older=is_older),
    )
    return frame(view, "Money", body, here="money")


def _lead(looked: Looked) -> str:
    said = (
        "This is what the coordinator’s ledger says of your payout address, with its reason for every amount."
    )
    return f"{said} As of {moment_text(looked.at_ms)}." if looked.statement else said


def _trouble(looked: Looked) -> str:
    if looked.refusal and looked.statement:
        return (
            f"The coordinator was asked again and did not tell: {looked.refusal}. These are its last figures."
        )
    if looked.refusal:
        return f"No data: {looked.refusal}. Nothing below is known until it answers; load this page again in a minute."
    if looked.statement is None:
        return "No data yet: the coordinator is being asked. Load this page again in a moment."
    return ""


def _tiles(looked: Looked) -> Markup:
    """Royalties in another asset are nobody's bond, so there a place that holds nothing of it is left out."""
    shown = [
        (name, field, words)
        for name, field, words in _TILES
        if looked.asset == OWN_ASSET or field in _ROYALTIES_LIE or _amount(looked, field)
    ]
    return joined(
        fill(_TILE, name=name, words=words, amount=_figure(looked, field)) for name, field, words in shown
    )


def _amount(looked: Looked, field: str) -> int:
    return int(getattr(looked.statement.totals, field)) if looked.statement else 0


def _figure(looked: Looked, field: str) -> Markup:
    if looked.statement is None:
        return Markup(NO_DATA)
    units, unit = _amount(looked, field), looked.unit
    return fill(
        '<span title="{exact}">{about}</span> <small>{unit}</small>',
        exact=unit.exact(units),
        about=unit.about(units),
        unit=unit.name,
    )


def _others(view: View, others: Sequence[Looked]) -> Markup:
    """What the same address has in other assets, with the page of each."""
    if not others:
        return Markup("")
    lines = joined(
        fill(
            _OTHER,
            path=view.path,
            asset=each.asset,
            yours=_figure(each, "posted_wei"),
            paid=_figure(each, "claimed_wei"),
        )
        for each in others
    )
    return fill(_OTHERS, lines=lines)


def _coming(statement: Statement | None) -> Markup:
    if statement is None:
        return fill("<p>{words}.</p>", words=NO_DATA.capitalize())
    waiting = statement.waiting.documents
    words = f"{counted(waiting, 'document')} handed in and not decided about: you hear when the audit epoch closes."
    first = fill("<p>{words}</p>", words=words if waiting else "Nothing handed in waits for a decision.")
    if not statement.vesting:
        return joined([first, Markup("<p>Nothing is pending.</p>")])
    return joined([first, *(_vesting(row) for row in statement.vesting)])


def _vesting(row: Vesting) -> Markup:
    missing = (
        f"{row.audits_missing} of {row.audits_wanted} still to pass" if row.audits_missing else "all passed"
    )
    facts = (
        ("Node", f"{visible(row.node_id)[:16]}…"),
        ("Pending", f"{wind_text(int(row.pending_wei))} WIND for {counted(row.documents, 'document')}"),
        ("Audits for the newest", missing),
        ("Next becomes yours", _date(row.next_vests_at_ms)),
        ("All of it", _date(row.vests_at_ms)),
    )
    return fill(
        '<dl class="facts">{facts}</dl>',
        facts=joined(fill(_FACT, name=name, value=value) for name, value in facts),
    )


def _date(at_ms: int | None) -> str:
    return (
        f"about {moment_text(at_ms)}" if at_ms is not None else "no date yet: too few audits to estimate one"
    )


def _proof(looked: Looked) -> Markup:
    owed, refusal = looked.owed, looked.proof_refusal
    if owed is not None:
        facts = (
            ("Epoch", str(owed.epoch_id)),
            ("Owed in all, paid out included", looked.unit.exact(owed.amount_wei)),
            ("Root", owed.root),
            (
                "Not checked here",
                f"whether the chain has accepted this root; the command “{_claim(looked.asset)}” asks it",
            ),
        )
        return joined(
            [
                _verdict("good", "The proof holds."),
                Markup(
                    "<p>This machine followed the Merkle proof from your address and amount to the root, and the "
                    "root is signed with the coordinator’s key that this node pinned on first contact.</p>"
                ),
                fill(
                    '<dl class="facts">{facts}</dl>',
                    facts=joined(fill(_FACT, name=n, value=v) for n, v in facts),
                ),
            ]
        )
    if refusal is None:
        return _verdict("", "Nothing to check: no data.")
    if refusal.code == "not_found":
        return joined(
            [
                _verdict("", "Nothing to check yet."),
                Markup(
                    "<p>No closed epoch owes your address anything. That comes with the first one after pay "
                    "is yours.</p>"
                ),
            ]
        )
    if refusal.reason.http_status in _NO_ANSWER:
        return _verdict("", f"Not checked: {refusal.reason.sentence}.")
    words = f"{refusal.reason.sentence}. {refusal.reason.remedy[0].upper()}{refusal.reason.remedy[1:]}."
    return joined([_verdict("bad", "The proof does not hold."), fill("<p>{words}</p>", words=words)])


def _claim(asset: str) -> str:
    return "windrow claim" if asset == OWN_ASSET else f"windrow claim --asset {asset}"


def _verdict(tone: str, words: str) -> Markup:
    return fill(_VERDICT, tone=tone, words=words)


def _reasons(looked: Looked) -> Markup:
    statement, unit = looked.statement, looked.unit
    if statement is None:
        return fill("<p>{words}.</p>", words=NO_DATA.capitalize())
    if not statement.reasons:
        return Markup("<p>The ledger has no row for your address yet.</p>")
    rows = joined(
        fill(_REASON, sentence=visible(row.sentence), rows=row.rows, amount=unit.bare(int(row.amount_wei)))
        for row in statement.reasons
    )
    right = statement.adds_up()
    verdict = (
        "Added up on this machine: the reasons sum to what was earned, and that to what lies in these places."
        if right
        else "These figures do not add up. Tell the network’s operator, and keep this page."
    )
    total = unit.bare(int(statement.totals.earned_wei))
    return fill(
        _REASONS, unit=unit.name, rows=rows, sum=total, verdict=verdict, tone="good" if right else "bad"
    )


def _contributions(view: View, looked: Looked, urls: Mapping[str, str], *, is_older: bool) -> Markup:
    statement, unit = looked.statement, looked.unit
    if statement is None:
        return fill("<p>{words}.</p>", words=NO_DATA.capitalize())
    works = works_of(statement.entries)
    if not works:
        return Markup("<p>No page of yours has been decided about yet.</p>")
    shown = [fill('<ul class="works">{works}</ul>', works=joined(_work(work, urls, unit) for work in works))]
    if is_older:
        shown.append(
            fill('<p><a href="{path}money?asset={asset}">Newest</a></p>', path=view.path, asset=looked.asset)
        )
    if statement.next_before_seq is not None:
        older = '<p><a href="{path}money?asset={asset}&amp;before={seq}">Older pages</a></p>'
        shown.append(fill(older, path=view.path, asset=looked.asset, seq=statement.next_before_seq))
    return joined(shown)


def _work(work: Work, urls: Mapping[str, str], unit: Unit) -> Markup:
    counting = [entry for entry in work.entries if entry.kind not in _ONLY_MOVED]
    change = sum(int(entry.earned_wei) for entry in counting)
    held = {_HELD[entry.held] for entry in work.entries if entry.held in _HELD and int(entry.amount_wei)}
    return fill(
        _WORK,
        what=_what(work, urls),
        amount=unit.exact(change) if counting else "",
        lines=joined(_line(entry, unit) for entry in work.entries),
        when=moment_text(work.entries[0].created_at_ms),
        held=f", {' and '.join(sorted(held))}" if held else "",
    )


def _what(work: Work, urls: Mapping[str, str]) -> str:
    if work.cause in urls:
        return visible(urls[work.cause])
    if any(entry.kind == "claimed" for entry in work.entries):
        return "Paid out on chain"
    return f"{_CAUSES.get(work.cause[:1], 'Entry')} {visible(work.cause)[:40]}"


def _line(entry: Entry, unit: Unit) -> Markup:
    amount = int(entry.amount_wei) if entry.kind in _ONLY_MOVED else int(entry.earned_wei)
    return fill(_LINE, sentence=visible(entry.sentence), amount=unit.bare(amount))
