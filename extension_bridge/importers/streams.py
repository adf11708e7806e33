"""Unpacks one file of an export within its bounds: so many bytes in all, and no more than so many for each packed one.

Rules: what is counted is what really comes out, not what a header promises; a stream that goes beyond a bound raises
and gives nothing more; every failure of a packer's library becomes one of two refusals.

Does not: know formats, or write anything.

Usage: `with metered(gzip.open(path), Budget(packed_bytes)) as stream: stream.read(100)`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import (
    IMPORT_MEMBER_BYTES_MAX,
    IMPORT_RATIO_FLOOR_BYTES,
    IMPORT_RATIO_MAX,
    IMPORT_TOTAL_BYTES_MAX,
)

_READ_BYTES: Final = 65_536
_XZ_MEMORY_BYTES_MAX: Final = (
    128_000_000  # an xz header may ask for gigabytes before the first byte comes out
)
_FAILURES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # a way of packing that the library does not know
    RuntimeError,  # a password is needed
    ValueError,
)


class Readable(Protocol):
    """What every packer's library gives: bytes, at most so many."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Budget:
    """What one reading may unpack in all, given the bytes it has packed."""

    def __init__(self, packed_bytes: int) -> None:
        self._most = min(
            IMPORT_TOTAL_BYTES_MAX, max(IMPORT_RATIO_FLOOR_BYTES, packed_bytes * IMPORT_RATIO_MAX)
        )
        self._spent = 0

    def spend(self, size: int) -> None:
        """Count bytes that came out. Raises WindrowError `export_refused`."""
        self._spent += size
        if self._spent > self._most:
            raise WindrowError("export_refused", f"it unpacks to more than {self._most:,} bytes")


class _Meter(io.RawIOBase):
    """A stream that counts what comes out of another one."""

    def __init__(self, inner: Readable, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget
        self._left = IMPORT_MEMBER_BYTES_MAX

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # always called with one
        try:
            data = self._inner.read(len(buffer))
        except WindrowError:
            raise
        except _FAILURES as error:
            raise WindrowError("export_damaged", str(error)[:120]) from error
        self._left -= len(data)
        self._budget.spend(len(data))
        if self._left < 0:
            raise WindrowError("export_refused", f"a file of more than {IMPORT_MEMBER_BYTES_MAX:,} bytes")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def metered(opens: Callable[[], Readable], budget: Budget) -> Iterator[io.BufferedReader]:
    """Open a stream that is counted. Raises WindrowError `export_damaged`; reading it, `export_refused` as well."""
    try:
        inner = opens()
    except _FAILURES as error:
        raise WindrowError("export_damaged", str(error)[:120]) from error
    try:
        yield io.BufferedReader(_Meter(inner, budget), _READ_BYTES)
    finally:
        inner.close()


class _Xz:
    """An xz stream that may use so much memory and no more, which `lzma.open` cannot say."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY_BYTES_MAX)

    def read(self, size: int, /) -> bytes:
        while not self._unpacker.eof:
            packed = self._file.read(_READ_BYTES) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("the xz stream ends early")
            data = self._unpacker.decompress(packed, max_length=size)
            if data:
                return data
        return b""

    def close(self) -> None:
        self._file.close()


def _gzip(path: Path) -> Readable:
    return gzip.open(path, "rb")


def _bz2(path: Path) -> Readable:
    return bz2.open(path, "rb")


# A packed single file, by the end of its name; the name without it says what is inside.
PACKED: Final[dict[str, Callable[[Path], Readable]]] = {".gz": _gzip, ".bz2": _bz2, ".xz": _Xz}
