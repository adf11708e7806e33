"""The aggregator's story, one line a stage: expire, settle the draws, verify, follow up, judge.

Rules: every stage takes what the stage before left in the logs, does a bounded batch in one transaction, and can be
killed anywhere and started again. Nothing is remembered but that the house has just been started.

Does not: accept submissions (`ingest`) nor pay (`rewards`), which meet it in the tables.

Usage: `while pipeline.step(): ...`
"""

from __future__ import annotations

from aggregator.assignment.closing import expire_leases, note_awake
from aggregator.assignment.withheld import withheld_hosts
from aggregator.erasure import Eraser
from aggregator.judgement import Judgement
from aggregator.requests import forget_nonces
from aggregator.takedowns import end_audits
from aggregator.verification.audits.judging import decide_audits
from aggregator.verification.audits.settling import settle_draws
from aggregator.verification.audits.without_browser import look_for_browsers
from aggregator.verification.consequences.appeals import decide_appeals
from aggregator.verification.consequences.departures import settle_departures
from aggregator.verification.consequences.folding import fold_verdicts
from storage.house import House
from storage.lake import Lake
from storage.segments import Segments


class Pipeline:
    """Everything between a stored contribution and the lake."""

    def __init__(self, house: House, segments: Segments, lake: Lake) -> None:
        self._house = house
        self._segments = segments
        self._judgement = Judgement(house, segments, lake)
        self.eraser = Eraser(house, segments, lake, self._judgement)
        self._started = True

    def housekeeping(self) -> int:
        """Expire leases, forget nonces and miss browsers; beside ingest, in its thread, as both close leases."""
        with self._house.state.write() as connection:
            forget_nonces(connection, self._house.now_ms())
            was_away = note_awake(self._house, connection) and self._started
            expired = expire_leases(self._house, connection, excused=was_away)
            look_for_browsers(self._house, connection, was_away=was_away)
            end_audits(connection, withheld_hosts(connection))
        self._started = False
        return expired

    def step(self) -> int:
        """Do one batch of each stage and return how much was done; 0 means that all is judged for now."""
        return self.verify() + self._judgement.judge()

    def verify(self) -> int:
        """Do one batch of the stages up to what follows from verdicts."""
        settled = settle_draws(self._house)
        decided = decide_audits(self._house, self._segments)
        followed = fold_verdicts(self._house, self._segments)
        followed += decide_appeals(self._house, self._segments)
        followed += settle_departures(self._house, self._segments)
        return settled + decided + followed
