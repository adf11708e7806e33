"""How the demo tells its story: progress on stderr while it works, a summary a newcomer understands at the end.

Rules: progress never goes to stdout. Amounts are shown in whole WIND with their wei behind them only in `--json`.

Does not: count. Usage: `with Telling(home) as telling: ...`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from windrow.demo.network import DemoNetwork

Report = Callable[[int, int], None]


def wind(amount_wei: str | int) -> str:
    """Return an amount of wei in WIND, to four places."""
    whole, part = divmod(int(amount_wei), 10**18)
    return f"{whole:,}.{part // 10**14:04d} WIND"


class Telling:
    """One demo's voice."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._console = Console(stderr=True)
        self._out = Console()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,  # a log wants lines, not a moving bar
        )

    def __enter__(self) -> Telling:
        self._console.print(f"[bold]Windrow demo[/bold]: everything lies in {self._home}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._console.print(f"the logs are in {self._home / 'logs'}")

    @contextmanager
    def step(self, text: str) -> Iterator[Report]:
        """One step of the story, with a bar that its work may move."""
        began = time.monotonic()
        with self._progress:
            task = self._progress.add_task(text, total=None)

            def report(done: int, total: int) -> None:
                self._progress.update(task, completed=done, total=total)

            yield report
            self._progress.remove_task(task)
        self._console.print(f"[green]✓[/green] {text} [dim]{time.monotonic() - began:.1f} s[/dim]")

    def summary(
        self, figures: dict[str, Any], donation: dict[str, Any], answers: list[tuple[str, str, str]]
    ) -> None:
        """Print what happened."""
        self._out.print()
        for name, text in (*_work_lines(figures, donation), *_money_lines(figures)):
            self._out.print(f"[bold]{name:<13}[/bold] {text}", highlight=False, soft_wrap=True)
        for claim in figures["claims"]:
            self._out.print(
                f"              {claim['payout']} claimed {wind(claim['amount_wei'])}", highlight=False
            )
        for question, statement, answer in answers:
            self._out.print(
                f'\n[bold]{question}[/bold]\n[dim]windrow sql "{statement}"[/dim]',
                highlight=False,
                soft_wrap=True,
            )
            self._out.print(answer.rstrip(), markup=False, highlight=False, soft_wrap=True)
        self._out.print(
            f"\nDone in {figures['seconds']} s. Look around: {figures['export']['path']}",
            highlight=False,
            soft_wrap=True,
        )

    def pages(self, network: DemoNetwork) -> None:
        """Print where to look while the demo stays."""
        self._out.print(f"\nThe house:       {network.coordinator}/")
        self._out.print(f"The marketplace: {network.coordinator}/market")
        self._out.print(f"The web site:    {network.hosts[0]}")
        self._out.print("Ctrl-C ends it.")


def _work_lines(figures: dict[str, Any], donation: dict[str, Any]) -> list[tuple[str, str]]:
    pages, work, novelty, cheat = (figures[name] for name in ("pages", "contributions", "dedup", "cheat"))
    found = ", ".join(f"{each['count']} {each['kind']}" for each in donation["findings"]) or "nothing"
    return [
        (
            "Fetched",
            f"{pages['fetched']} pages and {pages['rendered']} shown by a browser, of {pages['leased']} leases",
        ),
        (
            "Refused",
            f"{pages['robots_denied']} by robots.txt, {pages['optout_denied']} opted out of training, "
            f"{pages['unsafe_address']} led to a private address, {pages['other']} for other reasons",
        ),
        (
            "Verified",
            f"{work['accepted'] - work['unaudited']} agree with a truth, {work['unaudited']} not drawn, "
            f"{work['rejected']} rejected and {work['replaced']} of them replaced by the truth, "
            f"{work['no_evidence']} without evidence",
        ),
        (
            "The cheat",
            f"handed in {cheat['submitted']} invented pages, {cheat['rejected']} rejected, "
            f"paid {wind(cheat['paid_wei'])}",
        ),
        ("Honest nodes", f"{figures['honest_rejected']} contributions rejected"),
        (
            "Novelty",
            f"{novelty['unique']} new texts, {novelty['exact']} exact copies, {novelty['near']} near-duplicates, "
            f"{novelty['hard']} of hosts that cannot be checked yet",
        ),
        (
            "Personal",
            f"{figures['personal']['accepted']} page given with consent; redacted on the device: {found}",
        ),
    ]


def _money_lines(figures: dict[str, Any]) -> list[tuple[str, str]]:
    epoch, sale, export, ledger = (figures[name] for name in ("epoch", "sale", "export", "ledger"))
    balance = "balances" if ledger["balanced"] else "DOES NOT BALANCE"
    same = "the same as" if epoch["root"] == epoch["onchain_root"] else "NOT the one"
    proven = "every row proven to its payout" if export["verified"] else "NOT VERIFIED"
    return [
        ("Export", f"{export['dataset']} {export['version']}, {export['rows']} rows: {proven}"),
        (
            "Sold",
            f"for {wind(sale['price_wei'])}: {wind(sale['royalties_wei'])} to the owners of its rows, "
            f"{wind(sale['burned_wei'])} burned, {wind(sale['fees_wei'])} fees",
        ),
        (
            "Paid",
            f"{wind(epoch['total_wei'])} in all by epoch {epoch['id']}; its root is {same} on chain; "
            f"the ledger {balance}; {wind(ledger['pending_wei'])} pending, {wind(ledger['bond_wei'])} as bonds",
        ),
    ]
