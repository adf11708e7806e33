"""The node as the browser may see and steer it: its state in words, what it earned today, pause and resume.

Rules: a port; who composes the program supplies the node. What is not known is None, never zero.

Does not: know how a node is told anything (see `contributor_node.bridge_host`).

Usage: `Host(key, outbox, courier, clock_ms, remote)`.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from extension_bridge.native_messages import Language


class NodeState(msgspec.Struct, frozen=True):
    """What the popup shows. `control` is running, paused or finishing; wei as a string, None where nobody answered."""

    is_running: bool
    control: str
    heading: str
    sentence: str
    earned_today_wei: str | None = None
    earned_wei: str | None = None


class NodeRemote(Protocol):
    """One node on this machine."""

    def state(self, account: dict[str, Any] | None, language: Language) -> NodeState:
        """Return how it is, in a language's words.

        `account` is the coordinator's answer about its payout address, None without one.
        """

    def payout(self) -> str:
        """Return its payout address, empty when it has none."""

    def pause(self, until_ms: int | None) -> None:
        """Let no new request leave, until a time or until resumed."""

    def resume(self) -> None:
        """Work again."""

    def dashboard_link(self, page: str) -> str:
        """Return a link that lets one browser in to a page of its dashboard. Raises WindrowError `no_dashboard`."""
