"""Files that the child process may not open itself are read for it, by ranges: those of a lake that lies elsewhere.

Rules: the child asks over one socket, which it has before its rights go; only ranges of the named files are served, at
most `_RANGE_BYTES_MAX` each. Whatever else it asks, and whatever fails here, ends the serving, and the child's read
fails. So a contained process needs no network, and a question reads no more of a large lake than it would on a disk.

Does not: run statements (see `child`), or know where the files lie.

Usage::

    with serving(system, names) as served:      # in the house
        Popen(..., pass_fds=[served.descriptor])
    asked_files(descriptor, sizes)              # in the child
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:  # the child has no pyarrow where a statement asks for documents alone
    import pyarrow.fs as pafs

_QUESTION: Final = struct.Struct(">IQI")  # number of the file, offset, length
_RANGE_BYTES_MAX: Final = 16 << 20


@dataclass(frozen=True)
class LakeFiles:
    """The lake's files as a question is asked over them: paths of this machine, or names below a file system."""

    names: Sequence[Path | str] = ()
    system: pafs.FileSystem | None = None  # None: the names are paths


NO_FILES: Final = LakeFiles()


@dataclass(frozen=True)
class Served:
    """What the child is given: its end of the socket, and the size of each file."""

    descriptor: int
    sizes: list[int]


@contextmanager
def serving(system: pafs.FileSystem, names: Sequence[str]) -> Iterator[Served]:
    """Serve some files until the block ends. Raises OSError when one is not there."""
    sizes = [info.size for info in system.get_file_info(list(names))]
    if None in sizes:
        raise FileNotFoundError(f"{names[sizes.index(None)]} is not there")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = threading.Thread(target=_serve, args=(ours, system, names), daemon=True)
        server.start()
        try:
            yield Served(theirs.fileno(), sizes)
        finally:
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            server.join()


def _serve(ours: socket.socket, system: pafs.FileSystem, names: Sequence[str]) -> None:
    opened: dict[int, Any] = {}
    with suppress(OSError, IndexError, EOFError):
        while True:
            number, offset, length = _QUESTION.unpack(_exactly(ours, _QUESTION.size))
            if length > _RANGE_BYTES_MAX:
                break
            if number not in opened:
                opened[number] = system.open_input_file(names[number])
            data = opened[number].read_at(length, offset)
            if len(data) != length:
                break
            ours.sendall(data)
    with suppress(OSError):
        ours.shutdown(socket.SHUT_RDWR)
    for file in opened.values():
        file.close()


class AskedFile:
    """One file's bytes, asked for range by range; it has a length and slices, as bytes have."""

    def __init__(self, asking: socket.socket, lock: threading.Lock, number: int, size: int) -> None:
        self._asking = asking
        self._lock = lock
        self._number = number
        self._size = size

    def __len__(self) -> int:
        """Return the file's size."""
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Return a range. Raises OSError when it is not served."""
        start, stop, _ = span.indices(self._size)
        data = bytearray()
        while start + len(data) < stop:
            length = min(stop - start - len(data), _RANGE_BYTES_MAX)
            with self._lock:
                self._asking.sendall(_QUESTION.pack(self._number, start + len(data), length))
                data += _exactly(self._asking, length)
        return bytes(data)


def asked_files(descriptor: int, sizes: Sequence[int]) -> list[AskedFile]:
    """Return the files behind an inherited socket."""
    asking, lock = socket.socket(fileno=descriptor), threading.Lock()
    return [AskedFile(asking, lock, number, size) for number, size in enumerate(sizes)]


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        some = connection.recv(min(length - len(data), 1 << 20))
        if not some:
            raise EOFError("the other end is closed")
        data += some
    return bytes(data)
