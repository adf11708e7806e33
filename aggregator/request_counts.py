"""How often one node, or one address, may ask: a count for each of them and minute, in memory.

Rules: whoever asks more often is told to wait; nothing is written for it. What is counted is bounded, and lost at a
restart, which harms nobody.

Does not: check signatures. Usage: `RequestCounts(per_minute_max).count(node_id, now_ms)`.
"""

from __future__ import annotations

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import REQUEST_COUNTS_MAX

_MINUTE_MS = 60_000


class RequestCounts:
    """The counts of the minute that runs."""

    def __init__(self, per_minute_max: int) -> None:
        self._per_minute_max = per_minute_max
        self._minute = -1
        self._counts: dict[str, int] = {}

    def count(self, asker: str, now_ms: int) -> None:
        """Count one request. Raises WindrowError `too_many_requests`."""
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._counts = minute, {}
        asked = self._counts.get(asker, 0) + 1
        if asked > self._per_minute_max:
            raise WindrowError("too_many_requests", f"{self._per_minute_max} a minute")
        if asker in self._counts or len(self._counts) < REQUEST_COUNTS_MAX:
            self._counts[asker] = asked
