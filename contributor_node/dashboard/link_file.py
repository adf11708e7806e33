"""How the owner's other programs find the running dashboard: a file in the node's home that only its owner can read.

Rules: made anew at each start and removed at the end; whoever can read it could read the node's key as well.

Does not: open a browser. Usage: `print(new_link(home, now_ms))`.
"""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec

from contributor_node.dashboard.admission import make_link_token
from contributor_node.identity import write_whole
from windrow_protocol.errors import WindrowError

LINK_FILE = "dashboard.json"


class DashboardPlace(msgspec.Struct, frozen=True):
    """Where a dashboard is: its port, the path that nobody can guess, and the secret that links are proven with."""

    port: int
    path: str
    secret: str

    @property
    def url(self) -> str:
        """The first page's address, of use to a browser that has a session."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def link(self, now_ms: int) -> str:
        """Return a link that lets one browser in."""
        return f"{self.url}enter?token={make_link_token(self.secret, now_ms)}"


def write_place(home: Path, place: DashboardPlace) -> None:
    """Tell the owner's other programs. Raises WindrowError `home_unwritable`."""
    write_whole(home / LINK_FILE, msgspec.json.encode(place), durable=False)


def forget_place(home: Path) -> None:
    """Remove the file."""
    (home / LINK_FILE).unlink(missing_ok=True)


def new_link(home: Path, now_ms: int) -> str:
    """Return a new link to the dashboard of the node that runs in a home. Raises WindrowError `no_dashboard`."""
    try:
        place = msgspec.json.decode((home / LINK_FILE).read_bytes(), type=DashboardPlace)
        socket.create_connection(("127.0.0.1", place.port), timeout=5).close()
    except (OSError, msgspec.DecodeError) as error:
        raise WindrowError("no_dashboard", str(home)) from error
    return place.link(now_ms)
