"""A line to a real PostgreSQL server that is killed at chosen commits, before they arrive or before they are answered.

A commit whose answer is lost is the hard one: the database has it, and who wrote it is told that it failed.

Usage: `with KillingLine(server, {5: "before", 9: "answer"}) as line: State.open(line.url("name"))`.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from postgres_server import PostgresServer

When = Literal["before", "answer"]
_COMMIT: Final = b"COMMIT\0"
_SOCKET: Final = ".s.PGSQL.5432"


class KillingLine:
    """Passes on what driver and server say; `killed` lists the commits at which the server was killed."""

    def __init__(self, server: PostgresServer, kills: Mapping[int, When]) -> None:
        self._server, self._kills = server, kills
        self._folder = Path(tempfile.mkdtemp(prefix="windrow-line-"))
        self._commits = 0
        self._turn = threading.RLock()
        self.killed: list[int] = []

    def __enter__(self) -> KillingLine:
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self._folder / _SOCKET))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        shutil.rmtree(self._folder)

    def url(self, database: str) -> str:
        """Return the address of a database by way of this line."""
        return f"postgresql+psycopg://windrow@/{database}?host={self._folder}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                driver, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(driver,), daemon=True).start()

    def _pass_on(self, driver: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with driver, server, contextlib.suppress(OSError):
            server.connect(str(self._server.folder / _SOCKET))
            silent = threading.Event()
            back = threading.Thread(target=_answer, args=(server, driver, silent), daemon=True)
            back.start()
            while data := driver.recv(65_536):
                when = self._when(data)
                if when is None:
                    server.sendall(data)
                    continue
                if when == "answer":
                    silent.set()
                    server.sendall(data)
                    back.join()  # it has seen the answer
                with self._turn:
                    self._server.kill()
                    self._server.start_again()
                    self.killed.append(self._commits)
                return  # which closes the driver's line: it waits for its answer until now

    def _when(self, data: bytes) -> When | None:
        if _COMMIT not in data:
            return None
        with self._turn:
            self._commits += 1
            return self._kills.get(self._commits)


def _answer(server: socket.socket, driver: socket.socket, silent: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while data := server.recv(65_536):
            if silent.is_set():
                return
            driver.sendall(data)
        if not silent.is_set():
            driver.shutdown(socket.SHUT_RDWR)
