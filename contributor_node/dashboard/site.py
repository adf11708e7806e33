"""The dashboard's doors: which page answers which request, and who may have it.

Rules: host and origin are checked before anything else; then either the path is the one that nobody can guess and a
session's cookie came with it, or a link's token did. GET changes nothing but who is let in; POST needs a form of the
session's own. Names of files are looked up in a table and never joined to a path.

Does not: speak HTTP (see `door`) or make markup (see `pages`). Usage: `site = Site(parts, place, now_ms)`.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs

import msgspec

from contributor_node.dashboard.admission import COOKIE, Gate
from contributor_node.dashboard.day_plot import day_plot
from contributor_node.dashboard.door import Answer, Ask
from contributor_node.dashboard.facts import LOG_SLOTS, NOW_SLOTS, NodeParts, live_facts
from contributor_node.dashboard.give_desk import GiveDesk
from contributor_node.dashboard.limits_form import limits_form, typed_limits
from contributor_node.dashboard.link_file import DashboardPlace
from contributor_node.dashboard.log_tail import DAY_MS, DaySums, DayTraffic, LogTail
from contributor_node.dashboard.markup import Markup
from contributor_node.dashboard.money_board import MoneyBoards
from contributor_node.dashboard.money_pages import render_money
from contributor_node.dashboard.pages import (
    View,
    notice,
    padded,
    render_data,
    render_log,
    render_now,
    render_questions,
    render_refusal,
)
from contributor_node.dashboard.receipts import urls_of
from contributor_node.dashboard.tongue import Language, language_of, say, say_known
from contributor_node.dashboard.wording import zone_text
from contributor_node.egress.evidence import Who, write_evidence
from contributor_node.egress.line_log import log_files
from contributor_node.owner import control
from contributor_node.owner.budget import rules_of
from contributor_node.owner.settings_file import change_settings
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    DASHBOARD_ACCOUNT_WAIT_S,
    DASHBOARD_BODY_BYTES_MAX,
    DASHBOARD_DRAFTS_SHOWN,
    DASHBOARD_TEXT_BYTES_MAX,
)

_ASSETS = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_FORM = "application/x-www-form-urlencoded"
_FIELDS_MAX = 8
DAYS_SHOWN = 30
HOUR_MS = 3_600_000
CHUNK_BYTES = 65_536
Query = dict[str, str]
Page = Callable[[View, Query], Awaitable[Answer]]
Act = Callable[[View, Query], Awaitable[Answer]]


class Site:
    """All pages of one running node. `opened` must be called before the first request."""

    def __init__(self, parts: NodeParts, place: DashboardPlace, now_ms: Callable[[], int]) -> None:
        self._parts, self._place, self._now_ms = parts, place, now_ms
        self._settings = parts.read_settings().values
        self._home = Path(self._settings.home)
        self._gate = Gate(place.secret, now_ms())
        log_path = self._home / "line_log.ndjson"
        self._log_path, self._tail, self._sums = log_path, LogTail(log_path), DaySums(log_path)
        self._summing = asyncio.Lock()
        self._money = MoneyBoards(parts.client, self._settings.payout, now_ms)
        desk = GiveDesk(self._home, parts.key, lambda: parts.client.pin, parts.carrier.wake, now_ms)
        self._pages: dict[str, Page] = {
            "": self._now,
            "log": self._log,
            "log/export": self._export,
            "log/evidence": self._evidence,
            "data": self._data,
            "money": self._money_page,
            "questions": self._questions,
            "give": desk.page,
            "live.json": self._live,
        }
        self._acts: dict[str, Act] = {"control": self._control, "limits": self._limits, "give": desk.act}

    def body_bytes_max(self, ask: Ask) -> int:
        """Return how long a request's body may be, from its head: an edited text only from who was let in."""
        if ask.target != f"{self._place.path}give":
            return DASHBOARD_BODY_BYTES_MAX
        try:
            self._gate.form_token(ask.headers)
        except WindrowError:
            return DASHBOARD_BODY_BYTES_MAX
        return DASHBOARD_TEXT_BYTES_MAX

    async def close(self) -> None:
        """Give up what is being asked, and let the log go."""
        await self._money.close()
        self._tail.close()

    async def answer(self, ask: Ask) -> Answer:
        """Answer one request; a refusal is a page too."""
        try:
            self._gate.admit(ask.headers, self._place.port)
            path, _, query = ask.target.partition("?")
            return await self._admitted(ask, path, _fields(query))
        except WindrowError as error:
            return Answer(render_refusal(None, error.reason), status=max(400, error.reason.http_status))

    async def _admitted(self, ask: Ask, path: str, query: Query) -> Answer:
        folder, _, name = path.rpartition("/")
        if folder == "/assets" and name in _ASSETS:
            _require_method(ask, "GET")
            return Answer(_asset(name), _ASSETS[name])
        own, inner = self._place.path, path[len(self._place.path) :]
        if not hmac.compare_digest(path[: len(own)].encode(), own.encode()):
            raise WindrowError("dashboard_closed", "no such page without a session")
        if inner == "enter":
            _require_method(ask, "GET")
            return self._enter(query)
        view = self._view(ask)
        if ask.method == "POST" and inner in self._acts:
            return await self._act(ask, view, inner)
        if inner in self._acts.keys() - self._pages.keys():
            _require_method(ask, "POST")
        if inner not in self._pages:
            raise WindrowError("not_found", "no such page")
        _require_method(ask, "GET")
        return await self._pages[inner](view, query)

    def _enter(self, query: Query) -> Answer:
        session_id = self._gate.enter(query.get("token", ""), self._now_ms())
        cookie = f"{COOKIE}={session_id}; Path={self._place.path}; HttpOnly; SameSite=Strict"
        to = query.get("to", "") if query.get("to") in self._pages else ""
        return _see_other(self._place.path + to, ("Set-Cookie", cookie))

    def _view(self, ask: Ask) -> View:
        form = self._gate.form_token(ask.headers)
        language = language_of(ask.headers.get("accept-language", ""))
        return View(self._place.path, form, self._parts.client.node_id, self._settings, language)

    async def _act(self, ask: Ask, view: View, name: str) -> Answer:
        if ask.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise WindrowError("wrong_schema", f"the body is not {_FORM}")
        more = DASHBOARD_DRAFTS_SHOWN if name == "give" else 0
        fields = _fields(ask.body.decode("ascii", "replace"), _FIELDS_MAX + more)
        self._gate.require_form(ask.headers, fields.get("form", ""))
        return await self._acts[name](view, fields)

    # --- pages ------------------------------------------------------------------------------------------

    async def _facts(self, slots: int, language: Language) -> dict[str, object]:
        money = await self._money.look(wait_s=0)
        facts = live_facts(self._parts, self._tail, money, self._now_ms(), slots, language)
        return facts | {"rows": padded(facts["rows"], slots)}

    async def _now(self, view: View, _query: Query) -> Answer:
        return Answer(render_now(view, await self._facts(NOW_SLOTS, view.language)))

    async def _log(self, view: View, _query: Query) -> Answer:
        facts = await self._facts(LOG_SLOTS, view.language)
        return Answer(render_log(view, facts, LOG_SLOTS, zone_text(self._now_ms())))

    async def _live(self, view: View, query: Query) -> Answer:
        slots = LOG_SLOTS if query.get("page") == "log" else NOW_SLOTS
        facts = await self._facts(slots, view.language)
        return Answer(msgspec.json.encode(facts), "application/json")

    async def _questions(self, view: View, _query: Query) -> Answer:
        return Answer(
            render_questions(view, await self._facts(0, view.language), self._parts.engine.user_agent)
        )

    async def _data(self, view: View, query: Query) -> Answer:
        saved = say(view.language, "Saved. The new limits count from the next request on.")
        words = saved if query.get("saved") == "yes" else ""
        return Answer(await self._data_page(view, notice(words, "good")))

    async def _data_page(self, view: View, told: Markup) -> bytes:
        today = self._now_ms() // DAY_MS
        first = today - DAYS_SHOWN + 1
        async with self._summing:
            sums = await asyncio.to_thread(self._sums.of_days, first, today)
        days = [(day, sums.get(day, DayTraffic(0, 0, 0))) for day in range(first, today + 1)]
        cap = self._parts.budget.rules.caps.day_bytes_max
        form = limits_form(view, self._parts.read_settings())
        plot = day_plot(days, cap, view.language)
        return render_data(view, await self._facts(0, view.language), plot, days, told, form)

    async def _money_page(self, view: View, query: Query) -> Answer:
        looks = await self._money.look(wait_s=DASHBOARD_ACCOUNT_WAIT_S)
        looked = next((each for each in looks if each.asset == query.get("asset")), looks[0])
        others = [each for each in looks if each is not looked]
        before = query.get("before", "")
        is_older = before.isascii() and before.isdigit() and len(before) < 16
        if is_older:
            looked = await self._money.of(looked.asset).older(int(before))
        causes = {entry.cause for entry in looked.statement.entries} if looked.statement else set()
        outbox = self._home / "outbox.db"
        urls = await asyncio.to_thread(urls_of, outbox, self._parts.client.node_id, causes)
        return Answer(render_money(view, looked, others, urls, is_older=is_older))

    async def _export(self, _view: View, _query: Query) -> Answer:
        named = ("Content-Disposition", 'attachment; filename="windrow_line_log.ndjson"')
        return Answer(
            content_type="application/x-ndjson", headers=(named,), chunks=_chunks(log_files(self._log_path))
        )

    async def _evidence(self, _view: View, _query: Query) -> Answer:
        since_ms = self._now_ms() - DAYS_SHOWN * DAY_MS
        pin, client = self._parts.client.pin, self._parts.client
        who = Who(
            client.node_id,
            pin.network if pin else "",
            self._settings.coordinator,
            pin.coordinator_id if pin else "",
            self._parts.engine.user_agent,
        )
        made = await asyncio.to_thread(_evidence_file, self._log_path, since_ms, who, self._now_ms())
        named = ("Content-Disposition", 'attachment; filename="windrow_evidence.txt"')
        return Answer(
            content_type="text/plain; charset=utf-8", headers=(named,), chunks=_chunks([made], forget=True)
        )

    # --- what the owner may change ---------------------------------------------------------------------

    async def _control(self, _view: View, fields: Query) -> Answer:
        wish = fields.get("do", "")
        if wish == "pause_hour":
            control.pause(self._home, until_ms=self._now_ms() + HOUR_MS)
        elif wish == "pause":
            control.pause(self._home)
        elif wish == "resume":
            control.resume(self._home)
        elif wish == "finish":
            control.finish(self._home)
        else:
            raise WindrowError("wrong_schema", "no such control")
        return _see_other(self._place.path)

    async def _limits(self, view: View, fields: Query) -> Answer:
        try:
            change_settings(self._home, typed_limits(fields, view.language))
            self._parts.budget.change(rules_of(self._parts.read_settings().values))
        except WindrowError as error:
            why = say_known(view.language, error.detail or error.reason.sentence)
            words = say(view.language, "Not saved. {why}.").format(why=why)
            return Answer(await self._data_page(view, notice(words)), status=400)
        return _see_other(f"{self._place.path}data?saved=yes")


def _see_other(path: str, *fields: tuple[str, str]) -> Answer:
    return Answer(status=303, headers=(("Location", path), *fields))


def _fields(text: str, count_max: int = _FIELDS_MAX) -> Query:
    """Return a query's or a form's fields, the first of each name. Raises WindrowError `wrong_schema`."""
    try:
        return {
            name: values[0]
            for name, values in parse_qs(text, keep_blank_values=True, max_num_fields=count_max).items()
        }
    except ValueError as error:
        raise WindrowError("wrong_schema", "too many fields") from error


def _require_method(ask: Ask, method: str) -> None:
    if ask.method != method:
        raise WindrowError("dashboard_method", f"{ask.method} is not {method}")


def _asset(name: str) -> bytes:
    return (Path(__file__).parent / "assets" / name).read_bytes()


def _evidence_file(line_log: Path, since_ms: int, who: Who, now_ms: int) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="windrow_", suffix=".txt")
    os.close(descriptor)
    write_evidence(line_log, since_ms, who, Path(name), now_ms)
    return Path(name)


async def _chunks(files: list[Path], *, forget: bool = False) -> AsyncIterator[bytes]:
    try:
        for path in files:
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                    yield chunk
    finally:
        if forget:
            for path in files:
                path.unlink()
