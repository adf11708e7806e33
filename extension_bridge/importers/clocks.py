"""Turns the ways in which exports write a moment into milliseconds since 1970.

Rules: a number tells its unit by its size, because the same field changed unit between versions of a format; a moment
outside 1990 to 2100 is no moment; a time without a zone stays a `local` one.

Does not: ask this machine for its clock or zone.

Usage: `at_ms, clock = moment("2019-05-30T05:17:16.626Z")`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from extension_bridge.importers.items import Clock

Moment = tuple[int, Clock]
UNKNOWN: Final[Moment] = (0, "none")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_MS: Final = 631_152_000_000  # 1990
_LAST_MS: Final = 4_102_444_800_000  # 2100
_WEBKIT_MS: Final = 11_644_473_600_000  # from 1601, where Chromium begins to count, to 1970
_COCOA_S: Final = 978_307_200  # from 1970 to 2001, where Apple begins to count
_ISO: Final = re.compile(
    r"^\s*(\d{4})-(\d\d?)-(\d\d?)(?:[T ,]\s*(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d(?::\d\d)?)?\s*(?:UTC)?\s*$"
)
_OFX: Final = re.compile(
    r"^\s*(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?(?:\.\d+)?)?\s*(?:\[\s*([+-]?\d*(?:\.\d+)?)(?::\w+)?\s*\])?"
)
_RFC_2822: Final = re.compile(
    r"^(?:[A-Z][a-z]{2},? )?([A-Z][a-z]{2}) (\d\d?) (\d\d):(\d\d):(\d\d) ([+-]\d{4}) (\d{4})$"
)
_ENGLISH_MONTHS: Final = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def plausible(at_ms: int) -> int:
    """Return a moment that may be one, else 0."""
    return at_ms if _FIRST_MS <= at_ms < _LAST_MS else 0


def from_epoch(value: object) -> Moment:
    """Return the moment of a count from 1970 in seconds, milli-, micro- or nanoseconds, whichever is plausible."""
    try:
        number = float(str(value))
    except ValueError:
        return UNKNOWN
    for scale in (1_000.0, 1.0, 1e-3, 1e-6):
        at_ms = plausible(round(number * scale)) if abs(number) < 1e20 else 0
        if at_ms:
            return at_ms, "utc"
    return UNKNOWN


def from_webkit(value: object) -> Moment:
    """Return the moment of a count of microseconds from 1601 (Chromium's), or of one from 1970 where it is that."""
    if not isinstance(value, int):
        return UNKNOWN
    at_ms = plausible(value // 1_000 - _WEBKIT_MS)
    return (at_ms, "utc") if at_ms else from_epoch(value)


def from_cocoa(value: object) -> Moment:
    """Return the moment of a count of seconds from 2001 (Apple's)."""
    if not isinstance(value, int | float) or abs(value) > 1e12:
        return UNKNOWN
    at_ms = plausible(round((value + _COCOA_S) * 1_000))
    return (at_ms, "utc") if at_ms else UNKNOWN


def from_parts(
    year: int,
    month: int,
    day: int,
    hour: int = 0,
    minute: int = 0,
    second: int = 0,
    milli: int = 0,
    offset_minutes: int | None = None,
) -> Moment:
    """Return the moment of a date and a time of day; without an offset to UTC it is a `local` one."""
    try:
        zone = UTC if offset_minutes is None else timezone(timedelta(minutes=offset_minutes))
        moment = datetime(year, month, day, hour, minute, min(second, 59), milli * 1_000, zone)
        at_ms = plausible((moment - _EPOCH) // _MILLISECOND)
    except (ValueError, OverflowError):
        return UNKNOWN
    return (at_ms, "local" if offset_minutes is None else "utc") if at_ms else UNKNOWN


def from_day(year: int, month: int, day: int) -> Moment:
    """Return the moment of a day without a time of day."""
    at_ms, _ = from_parts(year, month, day)
    return (at_ms, "day") if at_ms else UNKNOWN


def from_iso(text: str) -> Moment:
    """Return the moment of an ISO 8601 date or time, the blank between both and a final `UTC` allowed."""
    if len(text) > len("2020-01-02T03:04") and text.isascii():
        try:  # what the standard reads, it reads ten times as fast
            read = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            at_ms = plausible(((read if read.tzinfo else read.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND)
            return (at_ms, "utc" if read.tzinfo else "local") if at_ms else UNKNOWN
    match = _ISO.match(text)
    if not match:
        return UNKNOWN
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        return from_day(int(year), int(month), int(day))
    milli = int((fraction or "0").ljust(3, "0")[:3])
    offset = _offset_minutes(zone) if zone else (0 if text.rstrip().endswith("UTC") else None)
    return from_parts(
        int(year), int(month), int(day), int(hour), int(minute), int(second or 0), milli, offset
    )


def _offset_minutes(zone: str) -> int:
    if zone in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:4])
    return -minutes if zone[0] == "-" else minutes


def from_ofx(text: str) -> Moment:
    """Return the moment of OFX 3.2.8.2: `YYYYMMDD[HHMM[SS[.XXX]]][[offset:name]]`; without an offset it is in UTC.

    Eight digits, or midnight without a zone, are a day.
    """
    match = _OFX.match(text)
    if not match:
        return UNKNOWN
    year, month, day, hour, minute, second, zone = match.groups()
    whole_day = hour is None or (int(hour) == int(minute) == int(second or 0) == 0 and zone is None)
    if whole_day:
        return from_day(int(year), int(month), int(day))
    try:
        offset = round(float(zone or 0) * 60)
    except (ValueError, OverflowError):  # no number, or one of hundreds of digits
        offset = 0
    return from_parts(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), 0, offset)


def from_twitter(text: str) -> Moment:
    """Return the moment of `Wed Oct 10 20:19:24 +0000 2018`."""
    match = _RFC_2822.match(text.strip())
    if not match or match[1] not in _ENGLISH_MONTHS:
        return UNKNOWN
    month = _ENGLISH_MONTHS.index(match[1]) + 1
    offset = _offset_minutes(match[6])
    return from_parts(
        int(match[7]), month, int(match[2]), int(match[3]), int(match[4]), int(match[5]), 0, offset
    )


def moment(value: object) -> Moment:
    """Return the moment of whatever a field holds: a count, ISO 8601, or the long English form."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return from_epoch(value)
    if not isinstance(value, str) or not value.strip():
        return UNKNOWN
    found = from_iso(value)
    if found[0]:
        return found
    return from_epoch(value) if value.strip().replace(".", "", 1).isdigit() else from_twitter(value)
