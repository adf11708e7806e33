"""The program a browser starts: the bridge's host, with this machine's node behind its buttons.

Rules: what the buttons do is what `windrow node pause` and `resume` do; the state is told in the dashboard's words.

Does not: answer messages itself (see `extension_bridge.native_host`).

Usage: `python -m contributor_node.bridge_host chrome-extension://<id>/`, as `windrow bridge install` writes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from contributor_node.dashboard.link_file import new_link
from contributor_node.dashboard.state_words import state_words
from contributor_node.dashboard.tongue import Language, say
from contributor_node.identity import is_running
from contributor_node.owner import control
from contributor_node.owner.settings import load_settings
from contributor_node.owner.status import read_status
from extension_bridge.native_host import clock_ms, main, open_host
from extension_bridge.remote import NodeState

DAY_MS = 86_400_000


class HomeRemote:
    """The node of one home, whether it runs or not."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def state(self, account: dict[str, Any] | None, language: Language = "en") -> NodeState:
        """Return how the node is in a language's words, and what its account says of today (UTC)."""
        status, now_ms = read_status(self._home), clock_ms()
        told = control.read(self._home).at(now_ms)
        earned = (
            {"earned_today_wei": None, "earned_wei": None} if account is None else _earned(account, now_ms)
        )
        if not is_running(self._home) or not status:
            start = say(language, "Start it with “windrow node run”.")
            return NodeState(False, told.state, say(language, "Not running"), start, **earned)
        now = {**status, "control": told.state, "paused_until_ms": told.paused_until_ms}
        if told.state == "running" and status["may_work"] == "paused":  # it has not said more since
            now["may_work"] = "yes"
        words = state_words(now, now_ms, language)
        return NodeState(True, told.state, words.heading, words.sentence, **earned)

    def payout(self) -> str:
        """Return the payout address it works for, or else that of its settings; empty when there is none."""
        told = read_status(self._home).get("payout")
        return (
            told if isinstance(told, str) and told else load_settings({"home": str(self._home)}).values.payout
        )

    def pause(self, until_ms: int | None) -> None:
        """Let no new request leave."""
        control.pause(self._home, until_ms)

    def resume(self) -> None:
        """Work again."""
        control.resume(self._home)

    def dashboard_link(self, page: str) -> str:
        """Return a link to a page of the dashboard. Raises WindrowError `no_dashboard`."""
        return f"{new_link(self._home, clock_ms())}&to={page}"


def serve_loopback(home: Path, coordinator: str | None, port: int) -> None:
    """Serve paired browsers until the process is ended. Raises WindrowError `port_taken`, or as the host does."""
    from extension_bridge.loopback import PATH, serve
    from extension_bridge.pairing import Pairing

    with (
        open_host(home, coordinator, HomeRemote) as host,
        serve(host.answer, Pairing(home, clock_ms), port) as server,
    ):
        print(f"bridge ready ws://127.0.0.1:{server.socket.getsockname()[1]}{PATH}", flush=True)
        server.serve_forever()


def _earned(account: dict[str, Any], now_ms: int) -> dict[str, str | None]:
    """Return what the account's rows of today add up to; None where there are more of them than were answered."""
    entries, today_ms = account.get("entries", []), now_ms - now_ms % DAY_MS
    told = account.get("totals", {}).get("earned_wei")
    total = told if isinstance(told, str) else None
    if entries and account.get("next_before_seq") and entries[-1]["created_at_ms"] >= today_ms:
        return {"earned_today_wei": None, "earned_wei": total}
    today = sum(int(row["earned_wei"]) for row in entries if row["created_at_ms"] >= today_ms)
    return {"earned_today_wei": str(today), "earned_wei": total}


if __name__ == "__main__":
    sys.exit(main(remote_of=HomeRemote))
