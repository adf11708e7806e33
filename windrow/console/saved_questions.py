"""Questions that were saved under a name, for everybody in the console.

Rules: a name is unique; saving under one that exists replaces it. Does not: run questions.

Usage: `saved.save("Owed per wallet", "SELECT …", "bars", address)`.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from storage.house import House
from storage.tables.console import console_questions
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_NAME_CHARS_MAX, CONSOLE_QUESTIONS_MAX, SQL_CHARS_MAX

PLOTS: Final = ("none", "bars", "line")
_q = console_questions.c


class SavedQuestions:
    """All saved questions of a house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def save(self, name: str, statement: str, plot: str, address: str) -> str:
        """Save a question and return its id. Raises WindrowError `bad_question`."""
        if not (0 < len(name) <= CONSOLE_NAME_CHARS_MAX and name.isprintable()):
            raise WindrowError("bad_question", f"a name has 1 to {CONSOLE_NAME_CHARS_MAX} characters")
        if not (0 < len(statement) <= SQL_CHARS_MAX) or plot not in PLOTS:
            raise WindrowError("bad_question", f"a statement has 1 to {SQL_CHARS_MAX} characters")
        row = {"statement": statement, "plot": plot, "saved_by": address, "saved_at_ms": self._house.now_ms()}
        with self._house.state.write() as connection:
            known = connection.execute(sa.select(_q.question_id).where(_q.name == name)).scalar()
            if known is not None:
                connection.execute(sa.update(console_questions).where(_q.question_id == known).values(**row))
                return str(known)
            count = connection.execute(sa.select(sa.func.count()).select_from(console_questions)).scalar_one()
            if count >= CONSOLE_QUESTIONS_MAX:
                raise WindrowError("bad_question", f"{CONSOLE_QUESTIONS_MAX} are saved already")
            question_id = self._house.new_id("q")
            connection.execute(sa.insert(console_questions).values(question_id=question_id, name=name, **row))
        return question_id

    def delete(self, question_id: str) -> None:
        """Forget a question. Raises WindrowError `not_found`."""
        with self._house.state.write() as connection:
            gone = connection.execute(sa.delete(console_questions).where(_q.question_id == question_id))
            if not gone.rowcount:
                raise WindrowError("not_found", f"no saved question {question_id}"[:80])

    def get(self, question_id: str) -> dict[str, Any]:
        """Return a question. Raises WindrowError `not_found`."""
        query = sa.select(console_questions).where(_q.question_id == question_id)
        with self._house.state.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise WindrowError("not_found", f"no saved question {question_id}"[:80])
        return dict(row._mapping)

    def listed(self) -> list[dict[str, Any]]:
        """Return every question by its name."""
        with self._house.state.read() as connection:
            rows = connection.execute(sa.select(console_questions).order_by(_q.name))
            return [dict(row._mapping) for row in rows]
