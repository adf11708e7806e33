"""The console's page of questions: the editor, the answer with its plot, downloads, saved questions, and Arrow.

Rules: a question is asked by POST and its answer shown by GET, from a few answers that are kept, so that turning a page
or choosing another plot asks nothing again. A download is asked anew, under the limits of one whole answer. Who may ask
only saved questions gets no editor, and no statement of theirs is read.

Does not: run questions (`asking`) or draw (`plots`). Usage: `routes = QuestionDoors(…).routes()`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

import msgspec
import sqlalchemy as sa

from aggregator.sql.console import show
from aggregator.sql.derived_views import DERIVED
from aggregator.sql.statements import DOCUMENTS
from aggregator.sql.views import DOCUMENT_COLUMNS, VIEWS
from storage.env import Request, Response, Route
from storage.house import House
from storage.tables.lake import lake_snapshots
from windrow.console.asking import Asking, Form, Told
from windrow.console.entry import Entry, Visit, html_response, redirect
from windrow.console.gate import Gate
from windrow.console.plots import axes_of, plot_of
from windrow.console.rendering import render
from windrow.console.roles import People
from windrow.console.saved_questions import PLOTS, SavedQuestions
from windrow.console.sign_in_doors import decoded
from windrow.console.tokens import Tokens
from windrow.questions import Question, plan_of
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_ANSWERS_MAX, SQL_CHARS_MAX

ROWS_SHOWN: Final = 50
_FORM_BYTES_MAX: Final = 12 * SQL_CHARS_MAX + 4_000  # each character may be four bytes of three letters
_SNAPSHOTS_SHOWN: Final = 100
_FIRST: Final = "SELECT * FROM network_daily"
_FILES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


class ArrowQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question of a program; `at` is a snapshot of the lake."""

    statement: str
    at: int | None = None


class QuestionDoors:
    """Asking and what belongs to it."""

    def __init__(
        self,
        house: House,
        gate: Gate,
        entry: Entry,
        people: People,
        tokens: Tokens,
        asking: Asking,
    ) -> None:
        self._house, self._gate, self._entry = house, gate, entry
        self._people, self._tokens, self._asking = people, tokens, asking
        self._saved = SavedQuestions(house)
        self._kept: OrderedDict[str, tuple[str, Told]] = OrderedDict()  # of sessions

    def routes(self) -> list[Route]:
        """Return these doors."""
        page = self._entry.page
        forms = [
            ("/console/ask", page("ask_saved", self._ask), "Ask a question", True),
            ("/console/download/{form}", page("ask", self._download), "Download an answer", True),
            ("/console/questions", page("save", self._save), "Save a question", False),
            ("/console/questions/delete", page("save", self._delete), "Forget a question", False),
            ("/console/arrow", self._arrow, "An answer as an Arrow stream, with a token", True),
        ]
        return [
            Route("GET", "/console", page("ask_saved", self._page), "The operator's console"),
            *(
                Route("POST", path, handle, summary, body_bytes_max=_FORM_BYTES_MAX, ends_with_asker=ends)
                for path, handle, summary, ends in forms
            ),
        ]

    async def _page(self, visit: Visit) -> Response:
        query = visit.request.query
        answer_id, told = self._kept.get(visit.session.session_id, ("", None))
        if query.get("answer", answer_id) != answer_id:
            raise WindrowError("no_answer")
        shown = told if "answer" in query else None
        asked = {"statement": _FIRST, "plot": "none", "at": ""}
        if "saved" in query:
            saved = self._saved.get(query["saved"])
            asked |= {"statement": saved["statement"], "plot": saved["plot"], "name": saved["name"]}
        if shown is not None:
            asked |= {"statement": shown.question.statement, "at": str(shown.question.at or "")}
        return html_response(await self._rendered(visit, {**asked, **query}, shown, answer_id))

    async def _ask(self, visit: Visit) -> Response:
        fields = dict(visit.fields)
        if fields.get("question_id"):
            saved = await asyncio.to_thread(self._saved.get, fields["question_id"])
            fields |= {"statement": saved["statement"], "plot": saved["plot"]}
        else:
            self._people.require(visit.session.address, "ask")
        try:
            told = await self._asking.rows(visit.session.session_id, question_of(fields))
        except WindrowError as error:
            if error.code not in ("sql_refused", "sql_failed", "sql_limits", "no_snapshot", "wrong_schema"):
                raise
            html = await self._rendered(visit, fields, None, "", error)
            return html_response(html, error.reason.http_status)
        answer_id = self._house.new_id("a")
        self._kept[visit.session.session_id] = answer_id, told
        self._kept.move_to_end(visit.session.session_id)
        while len(self._kept) > CONSOLE_ANSWERS_MAX:
            self._kept.popitem(last=False)
        plot = fields.get("plot", "none")
        return redirect(
            f"/console?answer={answer_id}" + (f"&plot={plot}" if plot in PLOTS[1:] else "") + "#answer"
        )

    async def _download(self, visit: Visit) -> Response:
        form = visit.request.params["form"]
        if form not in _FILES:
            raise WindrowError("not_found", "an answer is csv, json, parquet or arrow")
        made = await self._file(visit.session.session_id, question_of(visit.fields), form)
        moment = made.headers["Windrow-As-Of"][:19].replace(":", "").replace("-", "")
        name = f"windrow-{moment}Z.{form}"
        told = {**made.headers, "Content-Disposition": f'attachment; filename="{name}"'}
        return replace(made, headers=told)

    async def _arrow(self, request: Request) -> Response:
        self._gate.place(request)
        scheme, _, secret = request.header("Authorization").partition(" ")
        if scheme.lower() != "bearer":
            raise WindrowError("bad_token", "Authorization: Bearer is missing")
        token_id, address = self._tokens.find(secret.strip())
        self._people.require(address, "ask")
        asked = decoded(request, ArrowQuestion)
        return await self._file(token_id, Question(asked.statement, asked.at), "arrow")

    async def _file(self, asker: str, question: Question, form: str) -> Response:
        """Return an answer as a file; its headers say how fresh it is."""
        if form in ("arrow", "parquet"):
            prepared, chunks = await self._asking.columns(asker, question, cast("Form", form))
            fresh = {"Windrow-As-Of": prepared.as_of, "Windrow-Snapshot": str(prepared.snapshot)}
            return Response(content_type=_FILES[form], headers={**_KEPT_NOWHERE, **fresh}, chunks=chunks)
        told = await self._asking.rows(asker, question, whole=True)
        body = await asyncio.to_thread(lambda: show(told.answer, form).encode())
        fresh = {
            "Windrow-As-Of": told.as_of,
            "Windrow-Snapshot": str(told.snapshot),
            "Windrow-Log-Entry": str(told.answer.log_seq),
            "Windrow-Cut": str(told.answer.truncated).lower(),
        }
        return Response(body=body, content_type=_FILES[form], headers={**_KEPT_NOWHERE, **fresh})

    async def _save(self, visit: Visit) -> Response:
        fields = visit.fields
        question_id = await asyncio.to_thread(
            self._saved.save,
            fields.get("name", "").strip(),
            fields.get("statement", ""),
            fields.get("plot", "none"),
            visit.session.address,
        )
        return redirect(f"/console?saved={question_id}")

    async def _delete(self, visit: Visit) -> Response:
        await asyncio.to_thread(self._saved.delete, visit.fields.get("question_id", ""))
        return redirect("/console")

    async def _rendered(
        self,
        visit: Visit,
        asked: Mapping[str, str],
        told: Told | None,
        answer_id: str,
        error: WindrowError | None = None,
    ) -> str:
        saved, snapshots = await asyncio.to_thread(lambda: (self._saved.listed(), self._snapshots()))
        return render(
            "console.html",
            visit=visit,
            network=self._house.network,
            here="console",
            asked={"statement": "", "at": "", "plot": "none", "name": "", **asked},
            error=error,
            shown=None if told is None else shown_of(told, answer_id, asked),
            saved=saved,
            snapshots=snapshots,
            views=VIEW_LIST,
            plots=PLOTS,
        )

    def _snapshots(self) -> list[Any]:
        of = lake_snapshots.c
        query = (
            sa.select(of.snapshot_id, of.made_at_ms).order_by(of.snapshot_id.desc()).limit(_SNAPSHOTS_SHOWN)
        )
        with self._house.state.read() as connection:
            return list(connection.execute(query).all())


_KEPT_NOWHERE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
VIEW_LIST: Final = [
    *((view.name, view.meaning, view.columns) for view in VIEWS.values()),
    *((view.name, view.meaning, view.columns) for view in DERIVED.values()),
    (DOCUMENTS, "the lake: every judged text, with all that was found out", DOCUMENT_COLUMNS),
]


def question_of(fields: Mapping[str, str]) -> Question:
    """Return a form's question. Raises WindrowError `wrong_schema`."""
    at = fields.get("at", "").strip()
    if at and not (at.isascii() and at.isdigit() and len(at) < 16):
        raise WindrowError("wrong_schema", "a snapshot is a number")
    return Question(fields.get("statement", ""), int(at) if at else None, fields.get("explain") == "1")


def shown_of(told: Told, answer_id: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows of an answer: a page of its rows, its plot, and how fresh it is."""
    answer = told.answer
    pages = max(1, -(-len(answer.rows) // ROWS_SHOWN))
    wanted = asked.get("page", "1")
    page = min(pages, max(1, int(wanted))) if wanted.isascii() and wanted.isdigit() and len(wanted) < 9 else 1
    first = (page - 1) * ROWS_SHOWN
    plot = asked.get("plot", "none")
    return {
        "told": told,
        "answer_id": answer_id,
        "plan": plan_of(answer) if told.question.explain else "",
        "rows": answer.rows[first : first + ROWS_SHOWN],
        "first": first + 1,
        "page": page,
        "pages": pages,
        "numeric": [_is_numeric(row[at] for row in answer.rows) for at in range(len(answer.columns))],
        "plot": plot,
        "axes": axes_of(answer, asked.get("x", ""), asked.get("y", "")),
        "svg": plot_of(answer, plot, asked.get("x", ""), asked.get("y", "")),
    }


def _is_numeric(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and not any(isinstance(value, str | bool | list | dict) for value in known)
