"""Commands about a node's verdicts: `node verdicts`, `node appeal`, `node leave`.

Rules: a person reads sentences, a script `--json`. Leaving asks first, since nothing takes it back.

Does not: hold logic (`contributor_node.coordinator.trust_desk`). Usage: `windrow node verdicts`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

from windrow_protocol.errors import REASONS

if TYPE_CHECKING:
    from contributor_node.coordinator.trust_desk import Disclosed, TrustDesk

T = TypeVar("T")
NodeHome = Annotated[str | None, typer.Option("--home", help="the node's folder (WINDROW_NODE_HOME)")]
Coordinator = Annotated[str | None, typer.Option(help="address of the network's coordinator")]
Because = Annotated[str, typer.Option("--reason", help="in your own words, at most 256 characters")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def node_verdicts(
    home: NodeHome = None,
    coordinator: Coordinator = None,
    every: Annotated[
        bool, typer.Option("--all", help="also those that were accepted or not audited")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was decided about this node's work in closed audit epochs, and why."""
    told = _at_desk(home, coordinator, lambda desk: desk.disclosures())
    if as_json:
        print(json.dumps(msgspec.to_builtins(told)))
    else:
        _show(told, every)


def node_appeal(
    contribution_id: Annotated[str, typer.Argument(help="the contribution whose verdict is wrong")],
    reason: Because = "",
    home: NodeHome = None,
    coordinator: Coordinator = None,
    as_json: AsJson = False,
) -> None:
    """Ask once for a verdict to be looked at again: stored texts first, then fresh fetches."""
    state = _at_desk(home, coordinator, lambda desk: desk.appeal(contribution_id, reason))
    if as_json:
        print(json.dumps(msgspec.to_builtins(state)))
    else:
        print(
            f"{state.contribution_id}: {state.state}. See `windrow node verdicts`; a lost appeal costs three fees."
        )


def node_leave(
    reason: Because = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    home: NodeHome = None,
    coordinator: Coordinator = None,
    as_json: AsJson = False,
) -> None:
    """Leave the network: pending pay is settled, then the bond comes back. Nothing takes this back."""
    if not yes:
        typer.confirm("Leave the network with this node, for good?", abort=True, err=True)
    state = _at_desk(home, coordinator, lambda desk: desk.leave(reason))
    if as_json:
        print(json.dumps(msgspec.to_builtins(state)))
    else:
        settled, returned = _date(state.settle_by_ms), _date(state.bond_due_at_ms)
        print(f"{state.state}: settled by {settled}, bond back by {returned}.")


def add_to(node: typer.Typer) -> None:
    """Add these commands to `windrow node`."""
    node.command("verdicts")(node_verdicts)
    node.command("appeal")(node_appeal)
    node.command("leave")(node_leave)


def _at_desk(home: str | None, coordinator: str | None, ask: Callable[[TrustDesk], Awaitable[T]]) -> T:
    from contributor_node.coordinator.trust_desk import trust_desk
    from contributor_node.identity import read_pin
    from contributor_node.owner.settings import load_settings

    resolved = load_settings({"home": home, "coordinator": coordinator})
    settings, pin = resolved.values, read_pin(Path(resolved.values.home))
    if pin is not None and resolved.sources["coordinator"] == "default":
        settings = msgspec.structs.replace(settings, coordinator=pin.coordinator)

    async def talk() -> T:
        async with trust_desk(settings) as desk:
            return await ask(desk)

    return asyncio.run(talk())


def _show(told: Disclosed, every: bool) -> None:
    followed: dict[str, list[Any]] = {}
    for row in told.consequences:
        followed.setdefault(row.contribution_id, []).append(row)
    for verdict in told.verdicts:
        if every or verdict.verdict in ("rejected", "no_evidence") or verdict.contribution_id in followed:
            reason = REASONS[verdict.reason]
            print(f"{_date(verdict.decided_at_ms)}  {verdict.contribution_id}  {verdict.verdict}")
            print(f"    {reason.sentence} (similarity {verdict.similarity:.2f}). Remedy: {reason.remedy}.")
            for row in followed.pop(verdict.contribution_id, []):
                print(f"    → {row.kind}: {row.sentence}. Remedy: {row.remedy}.")
    for row in (row for rows in followed.values() for row in rows):
        print(f"{_date(row.at_ms)}  {row.contribution_id or 'this node'}  {row.kind}")
        print(f"    {row.sentence}. Remedy: {row.remedy}.")
    for appeal in told.appeals:
        print(f"appeal of {appeal.contribution_id}: {appeal.state}")
    if told.departure is not None:
        print(f"leaving: {told.departure.state}, bond back by {_date(told.departure.bond_due_at_ms)}")
    facts = told.standing
    print(
        f"{facts['audits']} audits told: {facts['matches']} matched, {facts['mismatches']} did not.", end=" "
    )
    print(f"Vesting {facts['vesting']}.")


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
