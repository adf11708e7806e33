"""The node's own log: one JSON object a line on stderr, for a person, a service manager or a bug report.

Rules: standard `logging` only; facts go in `extra` and come out as fields. It is not the line log, which proves what
left this machine (see `line_log`).

Does not: rotate files, filter, or colour anything.

Usage::

    start_logging()
    log.warning("submission refused", extra={"lease_id": lease_id, "reason": code})
"""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import msgspec

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record as one line: `at_ms`, `level`, `from`, `event`, then its facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        row: dict[str, Any] = {
            "at_ms": int(record.created * 1000),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage(),
        }
        row |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(row, enc_hook=str).decode()


def start_logging(stream: TextIO | None = None) -> None:
    """Send everything from `info` up to a stream (default: stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
