"""What cheating earns: the protocol's own rules in a seeded model; one JSON line a strategy, share and web.

Rules: rates, draws' shares, comparison, standings, hosts and vesting are imported from the project, not written
again. Each line gives the worst of its seeds (`worst_seed` is the one with the highest L). `marginal_per_fake` is the
change of the ring's lifetime income, in mean documents, for each fake it adds to four fifths of them (to none, of a
strategy that fakes everywhere), on the same coins, the worst of `--marginal-seeds`; a quarter of the four fifths are
added, whatever leases it loses by that. Suspension is in shadow mode unless
`--suspension enforced`. Honest suspensions count both modes and are pooled over the seeds.

Does not: fetch, write, or decide; see `bench/fraud_model` for the model, docs/fraud.md for its figures.

Usage::

    python bench/fraud.py --json --strategy fakes_5 --share 0.3 --web assumed
    python bench/fraud.py --json --nodes 800 --days 40 --seeds 5 --web calm assumed pessimistic
    python bench/fraud.py --json --without fines --strategy fakes_10
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

from bench.fraud_model.figures import Figures, figures_of, marginal_per_fake, worst
from bench.fraud_model.network import Network
from bench.fraud_model.setting import Setting
from bench.fraud_model.strategies import STRATEGIES
from bench.fraud_model.webs import WEBS
from windrow_protocol.trust_rules import DEFENCES, TrustRules

FEWER: Final = 0.8  # share of the fakes in the run that a further one is compared with
ALL_OR_NOTHING: Final = 0.5  # of who fakes more than this, the last fake tells less than all of them


def row_of(setting: Setting, seeds: Sequence[int], marginal_seeds: int = 2) -> dict[str, Any]:
    """Run one setting with each seed, and the first few once more with fewer fakes; return its line."""
    found = [figures_of(Network(setting, seed).run()) for seed in seeds]
    return {
        "strategy": setting.strategy.name,
        "share": setting.share,
        "web": setting.web.name,
        "suspension": "enforced" if setting.rules.suspension_enforced else "shadow",
        **worst(found),
        "marginal_per_fake": _marginal(setting, found[:marginal_seeds]),
        "seeds": len(seeds),
        "without": list(setting.rules.off),
        "mended": setting.mended,
        "archive_held": setting.archive_held,
        "captures": setting.captures,
    }


def _marginal(setting: Setting, found: Sequence[Figures]) -> float | None:
    """Return the highest marginal income of a fake over the seeds, None for a strategy without fakes."""
    whole = setting.strategy.fakes >= ALL_OR_NOTHING and setting.strategy.where == "anywhere"
    fewer = replace(setting, strategy=setting.strategy.scaled(0.0 if whole else FEWER))
    if fewer.strategy == setting.strategy:
        return None
    differences: list[float | None] = []
    for more in found:
        other = figures_of(Network(fewer, more.seed).run())
        added = more.fakes if whole else other.fakes * (1 / FEWER - 1)
        differences.append(marginal_per_fake(more, other, added))
    return max((round(each, 4) for each in differences if each is not None), default=None)


def settings_of(arguments: argparse.Namespace) -> Iterator[Setting]:
    """Yield the settings that were asked for."""
    suspensions = {"shadow": (False,), "enforced": (True,), "both": (False, True)}[arguments.suspension]
    names = arguments.strategy or list(STRATEGIES)
    for web, share, enforced, name in product(arguments.web, arguments.share, suspensions, names):
        yield Setting(
            strategy=STRATEGIES[name],
            web=WEBS[web],
            share=share,
            nodes=arguments.nodes,
            days=arguments.days,
            rules=TrustRules(suspension_enforced=enforced, off=tuple(arguments.without)),
            colluding=arguments.colluding,
            outages=arguments.outages,
            mended=not arguments.unmended,
            archive_held=arguments.archive_held,
            captures=arguments.captures,
        )


def arguments_of(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="What cheating earns, by the protocol's own rules.")
    parser.add_argument("--json", action="store_true", help="one JSON line a case (the only form there is)")
    parser.add_argument("--strategy", nargs="*", choices=list(STRATEGIES), help="default: all")
    parser.add_argument("--share", nargs="*", type=float, default=[0.3], help="of the nodes that cheat")
    parser.add_argument("--web", nargs="*", choices=list(WEBS), default=["assumed"])
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--marginal-seeds", type=int, default=2, help="runs made again with fewer fakes")
    parser.add_argument("--suspension", choices=["shadow", "enforced", "both"], default="shadow")
    parser.add_argument(
        "--without", nargs="*", choices=sorted(DEFENCES), default=[], help="defences to switch off"
    )
    parser.add_argument("--colluding", choices=["no", "draws", "rescues"], default="draws")
    parser.add_argument(
        "--archive-held", type=float, default=0.0, help="share of archived pages that the house has too"
    )
    parser.add_argument(
        "--captures", type=int, choices=[1, 2], default=2, help="of each archived page that the house has"
    )
    parser.add_argument("--unmended", action="store_true", help="without what docs/adr/0023 decided")
    parser.add_argument("--outages", type=int, default=0, help="of a validator operator, six hours each")
    return parser.parse_args(given)


def main() -> None:
    """Run what the command line asks for."""
    arguments = arguments_of()
    for setting in settings_of(arguments):
        print(
            json.dumps(row_of(setting, range(1, arguments.seeds + 1), arguments.marginal_seeds)), flush=True
        )


if __name__ == "__main__":
    main()
