"""`windrow redteam`: plays cheats against a real aggregator on this machine and prints what each came to.

Rules: everything stays on loopback and in a temporary folder. A strategy that is not held ends the command with code
1. With `--without DEFENCE` the strategies that the defence guards against are played with it and without it; it is
decoration if they do not gain by its absence.

Does not: play (see `windrow.redteam`). Usage: `windrow redteam --json --strategy garbage --submissions 200`.
"""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

import typer

from windrow.commands.house import AsJson
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import DEFENCES, TrustRules

SUBMISSIONS = 200


def redteam(
    strategy: Annotated[list[str] | None, typer.Option(help="a strategy to play; all if not given")] = None,
    without: Annotated[str, typer.Option(help="a defence to switch off")] = "",
    submissions: Annotated[int, typer.Option(help="what the cheat hands in", min=20)] = SUBMISSIONS,
    seed: Annotated[int, typer.Option(help="seed of pages and chance")] = 1,
    as_json: AsJson = False,
) -> None:
    """Play cheats against a real aggregator and count what they earn."""
    import structlog

    from windrow.redteam.arena import ArenaPlan
    from windrow.redteam.report import compared, guarded_by, play_now
    from windrow.redteam.strategies import STRATEGIES

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if without and without not in DEFENCES:
        raise WindrowError("bad_usage", f"no defence {without!r}; there are {', '.join(sorted(DEFENCES))}")
    names = strategy or (guarded_by(without) if without else list(STRATEGIES))
    if not names:
        raise WindrowError(
            "bad_usage", f"no strategy here meets {without}; bench/fraud.py --without {without} does"
        )
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown:
        raise WindrowError("bad_usage", f"no strategy {unknown[0]!r}; there are {', '.join(STRATEGIES)}")
    rules = [TrustRules(), TrustRules(off=(without,))] if without else [TrustRules()]
    lines: list[dict[str, Any]] = []
    for name in names:
        for each in rules:
            line = play_now(ArenaPlan(name, submissions, each, seed))
            lines.append(compared(lines[-1], line) if each.off else line)
            print(json.dumps(lines[-1]) if as_json else _told(lines[-1]), flush=True)
    if any(not line["held"] and not line["without"] for line in lines):
        raise WindrowError("not_held")


def _told(line: dict[str, Any]) -> str:
    without = f" without {', '.join(line['without'])}" if line["without"] else ""
    held = "held" if line["held"] else "NOT HELD"
    if "gain" in line:
        held = f"{line['measure']} {line['gain']:+.3f}"
    return (
        f"{line['strategy'] + without:<36} {held:<8} {line['submitted']} handed in, {line['accepted']} taken, "
        f"{line['income_ratio']:.3f} of an honest node's income for {line['work_share']:.2f} of its work"
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("redteam")(redteam)
