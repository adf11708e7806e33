"""A real PostgreSQL server for tests: its own cluster on a Unix socket, with fsync on, and a database for each home.

Rules: started once a process and stopped with it; it never runs as root, which PostgreSQL refuses. Every database is a
copy of one in which the house's tables are made already, because making them takes longer than most tests.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from storage.state import State

_TEMPLATE: Final = "with_tables"
_SETTINGS: Final = {"listen_addresses": "", "max_connections": "60", "shared_buffers": "16MB"}
_READY_S: Final = 120  # a machine may be busy with other tests


def why_not() -> str:
    """Return why no PostgreSQL can be started here, or an empty string."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is missing: pip install 'windrow[postgresql]'"
    if _program("initdb") is None:
        return "PostgreSQL is missing: apt-get install postgresql"
    if os.geteuid() == 0 and _server_user() is None:
        return "PostgreSQL does not run as root, and there is no user `postgres`"
    return ""


class PostgresServer:
    """One cluster; `url` names a database of it, `folder` holds its socket."""

    def __init__(self) -> None:
        # short: a socket's path has 107 bytes at most
        self.folder = Path(tempfile.mkdtemp(prefix="windrow-pg-"))
        self._data = self.folder / "data"
        if os.geteuid() == 0:
            shutil.chown(self.folder, _server_user(), _server_user())
        how = ["--auth=trust", "--username=windrow", "--locale=C", "--encoding=UTF8", "--no-sync"]
        subprocess.run(
            [_required("initdb"), "-D", self._data, *how],
            check=True,
            stdout=subprocess.DEVNULL,
            **_as_server(),
        )
        self.process = self._started()

    def url(self, database: str) -> str:
        """Return the address of a database as the house is given it."""
        return f"postgresql+psycopg://windrow@/{database}?host={self.folder}"

    def create(self, database: str, template: str = "template0") -> str:
        """Make a database, new or a copy of another, whose users are cut off, and return its address."""
        self.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{template}'")
        self.run(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the server's owner and return its rows."""
        import psycopg

        with psycopg.connect(self._address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        """End the server as a loss of power would, as far as a process can: nothing is flushed or said."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def start_again(self) -> None:
        """Start the killed server; it recovers from its log."""
        self.process = self._started()

    def stop(self) -> None:
        """End the server and forget what it held."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _address(self, database: str) -> str:
        return f"postgresql://windrow@/{database}?host={self.folder}"

    def _started(self) -> subprocess.Popen[bytes]:
        """Return the server when it answers; what a killed one left behind is gone within moments, so try again."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            process = self._begun()
            while process.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return process
                time.sleep(0.02)
            process.kill()
            process.wait()
            time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2_000:])

    def _begun(self) -> subprocess.Popen[bytes]:
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [_required("postgres"), "-D", self._data, *options], stdout=log, stderr=log, **_as_server()
            )

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self._address("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True


@cache
def shared_server() -> PostgresServer:
    """Return this process's server, started when it is first asked for."""
    server = PostgresServer()
    atexit.register(server.stop)
    return server


@cache
def _with_tables() -> str:
    State.open(shared_server().create(_TEMPLATE)).close()
    return _TEMPLATE


def new_database(name: str) -> str:
    """Return the address of a database of the shared server in which the house's tables are made."""
    return shared_server().create(name, _with_tables())


def _server_user() -> str | None:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return None


def _as_server() -> dict[str, str | None]:
    return {"user": _server_user(), "group": _server_user(), "cwd": "/"} if os.geteuid() == 0 else {}


@cache
def _program(name: str) -> str | None:
    """Return a server program's path; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


def _required(name: str) -> str:
    path = _program(name)
    assert path is not None, why_not()
    return path


needs_postgres = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is one")
