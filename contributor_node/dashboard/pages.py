"""The dashboard's pages: facts in, markup out.

Rules: templates lie in `pages/`; every value goes through `fill`, so it is escaped. A page works without its script and
holds nothing of another place.

Does not: fetch or decide anything. Usage: `page = render_now(view, facts)`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contributor_node.dashboard.day_plot import DayPlot
from contributor_node.dashboard.facts import HOST_SLOTS
from contributor_node.dashboard.log_tail import DayTraffic
from contributor_node.dashboard.markup import Markup, fill, joined
from contributor_node.dashboard.tongue import Language, day, number, say, size
from contributor_node.owner.settings import NodeSettings
from windrow_protocol.errors import Reason
from windrow_protocol.limits import HOST_PACE_S_MIN

_FOLDER = Path(__file__).parent
NAV = (
    ("", "Now"),
    ("log", "Log"),
    ("data", "Data"),
    ("money", "Money"),
    ("give", "Give"),
    ("questions", "Questions"),
)
_NAV_ITEM = '<li><a href="{path}{name}"{current}>{words}</a></li>'
_HOST = "<li><span>{host}</span><span>{stage}</span></li>"
COLUMNS = ("Time", "What", "Address", "Answer", "Bytes")
_ROW = (
    '<div class="row" role="row" data-slot data-tone="{tone}"><span role="cell">{time}</span>'
    '<span role="cell">{purpose}</span><span role="cell" title="{url}">{url}</span>'
    '<span role="cell">{answer}</span><span role="cell">{size}</span></div>'
)
_TABLE = (
    '<div class="rows {kind}" role="table" aria-label="{label}" data-rows>'
    '<div class="row head" role="row">{head}</div>{slots}</div>'
)
NO_HOST = "None at the moment"
_EMPTY = ["", "", "", "", "", "empty"]
_DAY_ROW = (
    '<tr><th scope="row">{day}</th><td class="n">{requests}</td>'
    '<td class="n">{down}</td><td class="n">{up}</td></tr>'
)
_CAP_KEY = ' <span class="key cap"></span>{words}'
_NOTICE = '<p class="notice {tone}" role="status">{words}</p>'


@dataclass(frozen=True, slots=True)
class View:
    """What every page of one session knows: its path, the token of its forms, and whose node this is."""

    path: str
    form: str
    node_id: str
    settings: NodeSettings
    language: Language = "en"


@functools.cache
def template(name: str, language: Language = "en") -> str:
    """Return a template's text."""
    folder = _FOLDER / "pages" / ("" if language == "en" else language)
    return (folder / f"{name}.html").read_text(encoding="utf-8")


def frame(view: View | None, title: str, body: Markup, *, here: str = "", live: str = "") -> bytes:
    """Return a whole page; without a view it shows nothing of the node."""
    path = view.path if view else "/"
    language = view.language if view else "en"
    nav = joined(
        fill(_NAV_ITEM, path=path, name=name, words=say(language, words), current=_current(name == here))
        for name, words in (NAV if view else ())
    )
    page = fill(
        template("frame"),
        title=title,
        language=language,
        skip=say(language, "Skip to content"),
        pages=say(language, "Pages"),
        node=say(language, "node"),
        body=body,
        path=path,
        nav=nav,
        live=f"{path}live.json?{live}" if live else "",
        stopped=say(language, "The node does not answer"),
        again=say(language, "It has stopped, or was started again. Open a new link: windrow node dashboard"),
        script=Markup('<script src="/assets/live.js" defer></script>' if live else ""),
        footer=_footer(view),
    )
    return page.encode()


def _current(is_here: bool) -> Markup:
    return Markup(' aria-current="page"' if is_here else "")


def _footer(view: View | None) -> Markup:
    if view is None:
        return Markup("Windrow, on this machine only.")
    return fill(
        say(view.language, "Node {node}, pay goes to {payout}. This page is served by your own machine."),
        node=fill("<code>{node}</code>", node=f"{view.node_id[:16]}…"),
        payout=fill("<code>{payout}</code>", payout=view.settings.payout),
    )


def notice(words: str, tone: str = "") -> Markup:
    """Return a line that says what came of a form, or what is wrong; nothing for no words."""
    return fill(_NOTICE, words=words, tone=tone) if words else Markup()


def render_now(view: View, facts: Mapping[str, Any]) -> bytes:
    """The first page: state, controls, figures, hosts and the latest requests."""
    body = fill(
        template("now", view.language),
        **facts["text"],
        path=view.path,
        form=view.form,
        tone=facts["tone"],
        control=facts["control"],
        day_width=facts["width"]["day"],
        month_width=facts["width"]["month"],
        none=say(view.language, NO_HOST),
        hosts=_hosts(facts["hosts"], view.language),
        rows=_rows(facts["rows"], view.language),
    )
    return frame(view, say(view.language, "Now"), body, live="page=now")


def _hosts(hosts: Sequence[Sequence[str]], language: Language) -> Markup:
    shown = [tuple(host) for host in hosts] or [(say(language, NO_HOST), "")]
    shown += [("", "")] * (HOST_SLOTS - len(shown))
    return joined(fill(_HOST, host=host, stage=stage) for host, stage in shown)


def _rows(rows: Sequence[Sequence[str]], language: Language, kind: str = "") -> Markup:
    names = (say(language, name) for name in COLUMNS)
    head = joined(fill('<span role="columnheader">{name}</span>', name=name) for name in names)
    slots = joined(
        fill(_ROW, time=row[0], purpose=row[1], url=row[2], answer=row[3], size=row[4], tone=row[5])
        for row in rows
    )
    return fill(_TABLE, kind=kind, label=say(language, "Requests"), head=head, slots=slots)


def padded(rows: list[list[str]], slots: int) -> list[list[str]]:
    """Return as many rows as there are places, so that nothing moves when more come."""
    return rows + [_EMPTY] * (slots - len(rows))


def render_log(view: View, facts: Mapping[str, Any], slots: int, zone: str) -> bytes:
    """The line log's newest rows."""
    rows = _rows(facts["rows"], view.language, "roomy")
    body = fill(template("log", view.language), path=view.path, rows=rows, slots=slots, zone=zone)
    return frame(view, say(view.language, "Log"), body, here="log", live="page=log")


def render_data(
    view: View,
    facts: Mapping[str, Any],
    plot: DayPlot,
    days: Sequence[tuple[int, DayTraffic]],
    told: Markup,
    form: Markup,
) -> bytes:
    """Data used: the limits with their form, the days as a plot and as a table, and what came of a form."""
    language = view.language
    body = fill(
        template("data", language),
        **facts["text"],
        day_width=facts["width"]["day"],
        month_width=facts["width"]["month"],
        notice=told,
        limits=form,
        plot=plot.svg,
        top=size(language, plot.top_bytes),
        cap_key=fill(_CAP_KEY, words=say(language, "your cap a day")) if plot.shows_cap else Markup(),
        first_day=day(language, days[0][0]),
        middle_day=day(language, days[len(days) // 2][0]),
        last_day=say(language, "{day}, today").format(day=day(language, days[-1][0])),
        caption=_caption(language, days),
        table=joined(_day_row(language, then, traffic) for then, traffic in reversed(days)),
    )
    return frame(view, say(language, "Data"), body, here="data", live="page=data")


def _caption(language: Language, days: Sequence[tuple[int, DayTraffic]]) -> str:
    if not any(traffic.requests for _, traffic in days):
        return say(language, "The line log has no request of these days yet.")
    return say(
        language,
        "Added up from the line log, each request on the UTC day it ended. The caps above count every chunk "
        "as it passes, so today’s figure there can be a little ahead.",
    )


def _day_row(language: Language, then: int, traffic: DayTraffic) -> Markup:
    return fill(
        _DAY_ROW,
        day=day(language, then),
        requests=number(language, traffic.requests),
        down=size(language, traffic.bytes_down),
        up=size(language, traffic.bytes_up),
    )


def render_questions(view: View, facts: Mapping[str, Any], agent: str) -> bytes:
    """What a contributor wants to know before leaving this running."""
    settings, language = view.settings, view.language
    region = say(language, ", the region you named ({region})").format(region=settings.region)
    body = fill(
        template("questions", language),
        path=view.path,
        coordinator=settings.coordinator,
        payout=settings.payout,
        agent=agent,
        pace=f"{HOST_PACE_S_MIN:g}",
        region=region if settings.region else "",
        day_cap=facts["text"]["day_cap"],
        month_cap=facts["text"]["month_cap"],
    )
    return frame(view, say(language, "Questions"), body, here="questions")


def render_refusal(view: View | None, reason: Reason) -> bytes:
    """A refusal as a page: what, and what to do."""
    heading = "Ask for a link" if reason.code == "dashboard_closed" else "That did not work"
    remedy = f"{reason.remedy[0].upper()}{reason.remedy[1:]}.".replace("`", "")
    body = fill(template("closed"), heading=heading, sentence=reason.sentence, remedy=remedy)
    return frame(view, heading, body, here="-")
