"""The token's supply over 24 epochs under some assumptions of demand, by the house's own rates and splits.

Usage: `python bench/economics.py [--epochs 24] [--docs docs]` prints one JSON line for each scenario. With `--docs` it
writes the plots `economics-supply.svg` and `economics-flows.svg` and the tables of `economics.md` there.

    supply_wind         at the end;  peak_epoch  the epoch after which it was largest
    emission_wind       of all epochs;  burn_wind, royalties_wind, treasury_wind likewise
    falling_epochs      how many epochs ended with less supply than they began with: those with burn above emission
    break_even_sales    sales an epoch at which the burn is the emission, at the last epoch's rates
    unmet_epochs        in how many buyers wanted to pay more tokens than they could get
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]  # and not this folder, whose names are not packages

from bench.economics_model.supply import (  # noqa: E402
    RUNS,
    SCENARIOS,
    Epoch,
    Scenario,
    price_parts,
    simulate,
)
from rewards.rates import CURRENT, WIND  # noqa: E402
from windrow_protocol.economics import Economics  # noqa: E402

EPOCHS: Final = 24
BEGIN, END = "<!-- by bench/economics.py -->\n", "<!-- end -->"
_COLOURS: Final = {
    "no_buyers": "#8a8878",
    "steady": "#2f6b3c",
    "growing": "#a8741a",
    "growing_halved_yearly": "#4a5d8a",
}


def summary(name: str, economics: Economics, scenario: Scenario, run: list[Epoch]) -> dict[str, Any]:
    """Return the figures of one run, amounts in whole tokens."""
    last = run[-1]
    _, burned, _ = price_parts(economics, scenario.price_wei)
    supplies = [scenario.initial_wei, *(epoch.supply_wei for epoch in run)]
    return {
        "bench": "economics",
        "scenario": name,
        "epochs": len(run),
        "supply_wind": last.supply_wei // WIND,
        "peak_epoch": max(run, key=lambda epoch: epoch.supply_wei).number,
        "emission_wind": sum(epoch.emission_wei for epoch in run) // WIND,
        "royalties_wind": sum(epoch.royalties_wei for epoch in run) // WIND,
        "burn_wind": sum(epoch.burn_wei for epoch in run) // WIND,
        "treasury_wind": sum(epoch.sales_wei - epoch.royalties_wei - epoch.burn_wei for epoch in run) // WIND,
        "falling_epochs": sum(after < before for before, after in pairwise(supplies)),
        "break_even_sales": -(-last.emission_wei // burned) if burned else None,
        "unmet_epochs": sum(not epoch.demand_met for epoch in run),
    }


def tables(epochs: int = EPOCHS) -> str:
    """Return the parameters and figures as the page has them, in Markdown."""
    economics, scenario = Economics(), Scenario()
    rates = CURRENT
    text = f"{rates.novelty_byte_wei / WIND:.5f} WIND a byte, {rates.novelty_bytes_max:,} bytes at most"
    grows = f"{scenario.pages:,} an epoch, {scenario.pages_growth_bps / 100 - 100:g} % more in each"
    fresh = f"{scenario.first_seen_ppm / 10_000:g} %, {scenario.unique_bytes:,} new bytes each"
    first, growth = SCENARIOS["growing"].sales, SCENARIOS["growing"].sales_growth_bps / 100 - 100
    sold = f"none; {SCENARIOS['steady'].sales} an epoch; {first} and {growth:g} % more in each"
    parameters = [
        ("fetch fee", f"{rates.fetch_fee_wei / WIND:g} WIND", "in force"),
        ("new text", text, "in force"),
        ("audit fee", f"{rates.audit_fee_wei / WIND:g} WIND for a truth that was used", "in force"),
        ("owners of a sale's rows", f"{economics.royalty_bps / 100:g} % of the price", "in force"),
        ("halving", f"every {economics.halving_epochs:,} audit epochs, of a day each", "in force"),
        ("burn", f"{economics.burn_bps / 100:g} % of the price, out of the fees", "in force"),
        ("pages", grows, "assumed"),
        ("of them first seen", fresh, "assumed"),
        ("truths", f"{scenario.audited_ppm / 10_000:g} % of pages", "assumed"),
        ("sales", sold, "assumed"),
        ("a sale", f"{scenario.price_wei // WIND:,} WIND", "assumed"),
    ]
    lines = ["| parameter | value | |", "|---|---|---|"]
    lines += [f"| {' | '.join(each)} |" for each in parameters]
    lines += ["", "| | " + " | ".join(each.replace("_", " ") for each in RUNS) + " |"]
    lines += ["|---|" + "---:|" * len(RUNS)]
    rows = {
        name: summary(name, of, each, list(simulate(of, each, epochs))) for name, (of, each) in RUNS.items()
    }
    for figure, said in _FIGURES.items():
        lines.append(f"| {said} | " + " | ".join(f"{rows[name][figure]:,}" for name in RUNS) + " |")
    return "\n".join(lines) + "\n"


_FIGURES: Final = {
    "supply_wind": "supply after 24 epochs, WIND",
    "emission_wind": "minted for work, WIND",
    "royalties_wind": "paid to owners by sales, WIND",
    "burn_wind": "burned, WIND",
    "treasury_wind": "fees for the treasury, WIND",
    "falling_epochs": "epochs in which supply fell",
    "break_even_sales": "sales an epoch that would burn what the last epoch minted",
}


def draw(folder: Path, runs: dict[str, list[Epoch]]) -> None:
    """Write the plots."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "windrow", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3}
    from matplotlib import pyplot as plt

    def axes_of(title: str, label: str, columns: int = 1) -> tuple[Any, Any]:
        figure, axes = plt.subplots(1, columns, figsize=(8, 3.6), layout="constrained", squeeze=False)
        figure.suptitle(title)
        axes[0][0].set_ylabel(label)
        for each in axes[0]:
            each.set_xlabel("epoch of 30 days")
        return figure, axes[0]

    figure, (one,) = axes_of("Supply by assumption of demand", "million WIND")
    for name, run in runs.items():
        amounts = [epoch.supply_wei / WIND / 1e6 for epoch in run]
        one.plot(range(len(run)), amounts, label=name.replace("_", " "), color=_COLOURS[name])
    one.set_ylim(bottom=0)
    one.legend()
    figure.savefig(folder / "economics-supply.svg", metadata={"Date": None})
    figure, pair = axes_of("What is minted and what is burned", "thousand WIND an epoch", 2)
    for axes, name in zip(pair, ("steady", "growing_halved_yearly"), strict=True):
        for what, colour in (("emission_wei", "#2f6b3c"), ("burn_wei", "#b3402e")):
            amounts = [getattr(epoch, what) / WIND / 1e3 for epoch in runs[name]]
            axes.step(
                range(len(amounts)), amounts, where="mid", label=what.removesuffix("_wei"), color=colour
            )
        axes.set_title(name.replace("_", " "))
        axes.set_ylim(bottom=0)
        axes.legend()
    figure.savefig(folder / "economics-flows.svg", metadata={"Date": None})


def main() -> None:
    """Print the figures, and write plots and tables where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--docs", type=Path, help="folder with economics.md, for plots and tables")
    options = parser.parse_args()
    runs = {name: list(simulate(of, each, options.epochs)) for name, (of, each) in RUNS.items()}
    for name, run in runs.items():
        print(json.dumps(summary(name, *RUNS[name], run)))
    if options.docs:
        draw(options.docs, runs)
        page = options.docs / "economics.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
        page.write_text(
            before + BEGIN + tables(options.epochs) + END + rest.partition(END)[2], encoding="utf-8"
        )


if __name__ == "__main__":
    main()
