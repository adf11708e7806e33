"""What a person gave, kept on their disk until the coordinator has signed for it, and afterwards as their record.

Rules: a donation is durable before anybody is told that it was taken (SQLite, WAL, synchronous=FULL); the same item is
the same donation, however often it is sent; the text is dropped once it was delivered, withdrawn or refused; a donation
that never left is withdrawn by forgetting it. The life of a donation is the table `STEPS`.

Does not: talk to the network, sign, or decide what a person may give.

Usage::

    with Outbox.open(home / "bridge.db") as outbox:
        outbox.keep(donation, page_url, given_at_ms)
        for donation in outbox.pending(): ...
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from extension_bridge.bridge_file import BridgeFile, open_bridge_file
from extension_bridge.consent import consent_ends_at_ms
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import BRIDGE_PENDING_MAX
from windrow_protocol.personal.messages import PersonalContribution

# state → event → next state
STEPS: Final[dict[str, dict[str, str]]] = {
    "pending": {"receipt": "delivered", "refusal": "refused", "withdrawal": "withdrawn"},
    "sent": {"receipt": "delivered", "refusal": "refused", "withdrawal": "withdrawing"},
    "delivered": {"receipt": "delivered", "withdrawal": "withdrawing"},
    "refused": {},
    "withdrawing": {"receipt": "withdrawing", "refusal": "withdrawn", "removal": "withdrawn"},
    "withdrawn": {},
}

_SHOWN: Final = (
    "contribution_id, consent_receipt_id, url, title, given_at_ms, state, receipt, reason, sentence,"
    " withdrawal_receipt, source"
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One donation as a person may see it; `source` is empty in what an earlier version kept.

    `receipt` and `withdrawal_receipt` are the coordinator's signatures, empty until they came.
    """

    contribution_id: str
    consent_receipt_id: str
    url: str
    title: str
    given_at_ms: int
    state: str
    receipt: str
    reason: str
    sentence: str
    withdrawal_receipt: str
    source: str = ""

    @property
    def called(self) -> str:
        """Title or address, or what kind of thing it is where it has neither."""
        return self.title or self.url or self.source.replace("_", " ")


def keep_within(connection: sqlite3.Connection, donation: PersonalContribution, given_at_ms: int) -> str:
    """Insert a donation within a caller's transaction and return its id, or that of the same one held already.

    Raises WindrowError `busy` when too many wait.
    """
    record = donation.records[0]
    # Two visits of one page without a text are two, and so are the same words where no page holds them.
    text = record.text_sha256 if record.text and record.url else ""
    same = connection.execute(
        "SELECT contribution_id FROM donations WHERE contribution_id = ?"
        " OR (text_sha256 != '' AND url = ? AND text_sha256 = ? AND state IN ('pending', 'sent', 'delivered'))",
        (donation.contribution_id, record.url, text),
    ).fetchone()
    if same:
        return str(same[0])
    waiting = connection.execute("SELECT count(*) FROM donations WHERE body IS NOT NULL").fetchone()
    if waiting[0] >= BRIDGE_PENDING_MAX:
        raise WindrowError("busy", f"{waiting[0]} donations wait for the coordinator")
    connection.execute(
        "INSERT INTO donations (contribution_id, consent_receipt_id, consent_jws, url, title, text_sha256,"
        " given_at_ms, source, state, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?)",
        (
            donation.contribution_id,
            donation.consent_receipt_id,
            donation.consent_jws,
            record.url,
            record.title,
            text,
            given_at_ms,
            donation.source,
            msgspec.json.encode(donation),
        ),
    )
    return donation.contribution_id


def require_not_withdrawn(connection: sqlite3.Connection, contribution_id: str) -> None:
    """Raise WindrowError `withdrawn` for a donation that was taken back: nobody takes the same one again."""
    query = "SELECT title FROM donations WHERE contribution_id = ? AND state IN ('withdrawing', 'withdrawn')"
    known = connection.execute(query, (contribution_id,)).fetchone()
    if known:
        raise WindrowError("withdrawn", str(known[0])[:80])


class Outbox:
    """What was given, in the file of one home; several host processes may hold one each."""

    def __init__(self, file: BridgeFile) -> None:
        self.file = file

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Outbox]:
        """Open (and create, readable by its owner only) the outbox. Raises WindrowError `home_unwritable`."""
        with open_bridge_file(path) as file:
            yield cls(file)

    def fact(self, name: str) -> str:
        """Return a remembered fact (`network`, `coordinator_id`, `publishers_url`), empty when there is none."""
        rows = self.file.rows("SELECT value FROM facts WHERE name = ?", name)
        return str(rows[0][0]) if rows else ""

    def remember(self, facts: dict[str, str]) -> None:
        """Keep facts that are not known yet; a known fact is never changed."""
        with self.file.change() as connection:
            connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, ?)", facts.items())

    def note_months(self, told: str) -> None:
        """Keep what the coordinator last said of the months of history that were given, as JSON."""
        with self.file.change() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('months', ?)", (told,))

    def keep(self, donation: PersonalContribution, given_at_ms: int) -> Kept:
        """Make a donation durable and return it; the same donation, or the same text still held, is that one.

        Raises WindrowError `busy` when too many wait, `home_unwritable` when the disk refuses.
        """
        with self.file.change() as connection:
            return self.get(keep_within(connection, donation, given_at_ms))

    def get(self, contribution_id: str) -> Kept:
        """Return one donation. Raises WindrowError `not_found`."""
        query = f"SELECT {_SHOWN} FROM donations WHERE contribution_id = ?"
        rows = self.file.rows(query, contribution_id)
        if not rows:
            raise WindrowError("not_found", f"no donation {contribution_id[:32]}")
        return Kept(*rows[0])

    def all(self, count_max: int) -> list[Kept]:
        """Return the newest donations."""
        query = f"SELECT {_SHOWN} FROM donations ORDER BY given_at_ms DESC, contribution_id LIMIT ?"
        return [Kept(*row) for row in self.file.rows(query, count_max)]

    def counts(self) -> dict[str, int]:
        """Return how many donations are in each state, zeros included."""
        found = dict(self.file.rows("SELECT state, count(*) FROM donations GROUP BY state"))
        return {state: found.get(state, 0) for state in STEPS}

    def waiting(self, count_max: int) -> list[tuple[str, bytes]]:
        """Return (contribution_id, body) of the oldest donations that still have to be delivered."""
        query = (
            "SELECT contribution_id, body FROM donations WHERE state IN ('pending', 'sent')"
            " ORDER BY given_at_ms, contribution_id LIMIT ?"
        )
        return [(str(name), bytes(body)) for name, body in self.file.rows(query, count_max)]

    def sending(self, contribution_id: str, now_ms: int) -> bool:
        """Note, before the first byte leaves, that the coordinator may from now on know of a donation.

        False for one that must not leave any more: it was taken back meanwhile, or its consent has ended, which
        refuses it.
        """
        with self.file.change() as connection:
            ((consent, before),) = connection.execute(
                "SELECT consent_jws, state FROM donations WHERE contribution_id = ?", (contribution_id,)
            ).fetchall()
            is_to_leave = before in ("pending", "sent")
            is_over = is_to_leave and consent_ends_at_ms(consent) < now_ms
            if is_to_leave and not is_over:
                connection.execute(
                    "UPDATE donations SET state = 'sent' WHERE contribution_id = ?", (contribution_id,)
                )
        if is_over:
            self.refusal(
                contribution_id, WindrowError("bad_consent", "it ended before it could be delivered")
            )
        return is_to_leave and not is_over

    def note(self, contribution_id: str, error: WindrowError) -> None:
        """Keep why the last attempt to deliver a donation failed."""
        with self.file.change() as connection:
            connection.execute(
                "UPDATE donations SET reason = ?, sentence = ? WHERE contribution_id = ?",
                (error.code, str(error), contribution_id),
            )

    def receipt(self, contribution_id: str, receipt: str) -> Kept:
        """Record the coordinator's receipt and drop the text."""
        return self._step(contribution_id, "receipt", "receipt = ?, reason = '', sentence = ''", (receipt,))

    def refusal(self, contribution_id: str, error: WindrowError) -> Kept:
        """Record that the coordinator will never take a donation, and why."""
        return self._step(contribution_id, "refusal", "reason = ?, sentence = ?", (error.code, str(error)))

    def withdrawal(self, contribution_id: str, token: str) -> Kept:
        """Record a signed withdrawal. Raises WindrowError `not_found`, or `nothing_to_withdraw` when none is due."""
        return self._step(contribution_id, "withdrawal", "withdrawal_jws = ?", (token,))

    def withdrawals(self, count_max: int) -> list[tuple[str, str]]:
        """Return (contribution_id, signed withdrawal) of what is still to be taken out, untried ones first."""
        query = (
            "SELECT contribution_id, withdrawal_jws FROM donations WHERE state = 'withdrawing'"
            " ORDER BY reason != '', given_at_ms, contribution_id LIMIT ?"
        )
        return [(str(name), str(token)) for name, token in self.file.rows(query, count_max)]

    def removal(self, contribution_id: str, receipt: str) -> Kept:
        """Record that the coordinator has taken a donation out, with its receipt for that."""
        change = "withdrawal_receipt = ?, reason = '', sentence = ''"
        return self._step(contribution_id, "removal", change, (receipt,))

    def consents(self, count_max: int) -> list[tuple[str, str, str, str]]:
        """Return (consent_receipt_id, consent_jws, contribution_id, state), the newest first."""
        query = (
            "SELECT consent_receipt_id, consent_jws, contribution_id, state FROM donations"
            " ORDER BY given_at_ms DESC, contribution_id LIMIT ?"
        )
        return [(str(a), str(b), str(c), str(d)) for a, b, c, d in self.file.rows(query, count_max)]

    def _step(self, contribution_id: str, event: str, change: str, values: tuple[str, ...]) -> Kept:
        with self.file.change() as connection:
            before = self.get(contribution_id)
            after = STEPS[before.state].get(event)
            if after is None and event == "withdrawal":
                raise WindrowError("nothing_to_withdraw", f"the donation is {before.state}")
            if after is None:  # another host process was faster
                return before
            connection.execute(
                f"UPDATE donations SET state = ?, body = NULL, {change} WHERE contribution_id = ?",
                (after, *values, contribution_id),
            )
        self.file.forget_log()
        return self.get(contribution_id)
