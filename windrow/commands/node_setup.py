"""Commands to begin with and to keep safe: `node setup`, `doctor`, `backup`, `restore` and `earnings`.

Rules: `setup` asks what a flag does not say, and asks nothing where there is no terminal or with `--yes`. Passphrases
are read from the terminal or a file, never from a flag, which other programs could see.

Does not: hold logic (`contributor_node.setup.onboarding`, `node_doctor`, `key_backup`, `earnings_table`).

Usage: `windrow node setup`, or `windrow node setup --payout 0x… --consent pages --yes`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from windrow.commands.node_trust import AsJson, Coordinator, NodeHome
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    from contributor_node.coordinator.facts import FactsDesk
    from contributor_node.owner.settings import NodeSettings

PassphraseFile = Annotated[Path | None, typer.Option(help="file whose first line is the passphrase")]
Payout = Annotated[str, typer.Option(help="EVM address that rewards go to")]
NewWallet = Annotated[
    Path | None, typer.Option(help="make an encrypted wallet at this path and be paid there")
]
Consent = Annotated[
    list[str] | None, typer.Option(help="what you agree to: pages (needed), rendered; may be given twice")
]
DayMb = Annotated[int | None, typer.Option(help="megabytes a day, both directions")]
MonthGb = Annotated[int | None, typer.Option(help="gigabytes a month, both directions")]
DownKbS = Annotated[int | None, typer.Option(help="kilobytes a second from the web, 0 for no cap")]
UpKbS = Annotated[int | None, typer.Option(help="kilobytes a second to the web, 0 for no cap")]
Hours = Annotated[
    str | None, typer.Option("--schedule", help="such as `mon-fri 22:00-07:00; sat,sun 00:00-24:00`")
]
_QUESTIONS = {
    "day_mb_max": "Megabytes a day, at most",
    "month_gb_max": "Gigabytes a month, at most",
    "schedule": "Hours, such as mon-fri 22:00-07:00 (nothing: always)",
}
Yes = Annotated[bool, typer.Option("--yes", help="ask nothing; what no flag says keeps its default")]


def node_setup(
    payout: Payout = "",
    new_wallet: NewWallet = None,
    passphrase_file: PassphraseFile = None,
    consent: Consent = None,
    day_mb_max: DayMb = None,
    month_gb_max: MonthGb = None,
    down_kb_s_max: DownKbS = None,
    up_kb_s_max: UpKbS = None,
    schedule: Hours = None,
    coordinator: Coordinator = None,
    home: NodeHome = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Set this machine up as a node: where you are paid, how much of your line, when, and what you agree to."""
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.onboarding import Choices, expectation, write_choices

    asking = not yes and sys.stdin.isatty()
    before = load_settings({"home": home}).values
    address = _payout(payout, new_wallet, passphrase_file, Path(before.home), asking)
    agreed = tuple(consent or (_ask_consent() if asking else ()))
    settings = {
        "day_mb_max": day_mb_max,
        "month_gb_max": month_gb_max,
        "down_kb_s_max": down_kb_s_max,
        "up_kb_s_max": up_kb_s_max,
        "schedule": schedule,
    }
    if asking:
        settings |= {
            name: _ask_setting(name, words, getattr(before, name))
            for name, words in _QUESTIONS.items()
            if settings[name] is None
        }
    path = write_choices(Path(before.home), Choices(address, agreed, coordinator or "", settings))
    now = load_settings({"home": home}).values
    with _facts_desk(now) as desk:
        expected = expectation(desk, now.month_gb_max)
    if as_json:
        print(json.dumps({"settings": str(path), "payout": address, "wei_per_gb": expected.wei_per_gb}))
        return
    print(f"Written: {path}\n{_paid_to(address, before.payout, payout)}\n{expected.sentence}")
    print("Next: `windrow node doctor`, then `windrow node install` (a service) or `windrow node run`.")


def node_doctor(home: NodeHome = None, coordinator: Coordinator = None, as_json: AsJson = False) -> None:
    """Check this node and say whether it would earn anything, and if not, why."""
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.doctor import Finding, because, examine

    settings = load_settings({"home": home, "coordinator": coordinator}).values
    try:
        with _facts_desk(settings) as desk:
            findings = examine(settings, desk)
    except WindrowError as error:
        findings = [Finding("line log", "failed", str(error))]
    verdict = because(findings)
    failed = any(finding.state == "failed" for finding in findings)
    if as_json:
        print(
            json.dumps(
                {"earns": not failed, "verdict": verdict, "checks": [asdict(each) for each in findings]}
            )
        )
    else:
        for finding in findings:
            print(f"{finding.state:<12} {finding.name:<12} {finding.detail}")
        print(verdict)
    if failed:
        raise typer.Exit(1)


def node_backup(
    file: Annotated[Path, typer.Argument(help="file to write; it must not exist")],
    passphrase_file: PassphraseFile = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="do not encrypt; readable by you alone (0600)")
    ] = False,
    home: NodeHome = None,
) -> None:
    """Back up the node's key, which its standing hangs on. The key of your money is in your wallet, not here."""
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.key_backup import backup_key

    passphrase = "" if plain else _passphrase(passphrase_file, confirm=True)
    node_id = backup_key(Path(load_settings({"home": home}).values.home), file, passphrase)
    print(f"{file}: the key of node {node_id[:16]}…, {'readable by you alone' if plain else 'encrypted'}.")


def node_restore(
    file: Annotated[Path, typer.Argument(help="a file that `node backup` wrote")],
    passphrase_file: PassphraseFile = None,
    plain: Annotated[bool, typer.Option("--plain", help="the file is not encrypted")] = False,
    home: NodeHome = None,
) -> None:
    """Put a backed-up key into this home; a home with another node's key is refused."""
    from contributor_node.owner.settings import load_settings
    from contributor_node.setup.key_backup import restore_key

    passphrase = "" if plain else _passphrase(passphrase_file, confirm=False)
    node_id = restore_key(Path(load_settings({"home": home}).values.home), file, passphrase)
    print(f"This home is node {node_id[:16]}… now. Run it on one machine only.")


def node_earnings(
    as_csv: Annotated[bool, typer.Option("--csv", help="print every row as CSV")] = False,
    payout: Payout = "",
    home: NodeHome = None,
    coordinator: Coordinator = None,
    as_json: AsJson = False,
) -> None:
    """Show what this node's payout address earned, row by row, with the reason of each."""
    from contributor_node.coordinator.earnings_table import decimals_in, tokens, write_earnings
    from contributor_node.owner.payout import read_payout
    from contributor_node.owner.settings import load_settings, require_payout

    flags = {"home": home, "coordinator": coordinator, "payout": payout or None}
    settings = load_settings(flags).values
    require_payout(settings)
    address = read_payout(settings.payout).address
    with _facts_desk(settings) as desk:
        if as_csv:
            write_earnings(desk, address, sys.stdout)
            return
        own = desk.account(address)
        pages = [own, *(desk.account(address, asset=asset) for asset in own.others)]
    if as_json:
        of_each = {page.asset: page.totals | {"decimals": decimals_in(page, page.asset)} for page in pages}
        print(json.dumps({"account": address, **own.totals, "assets": of_each}))
        return
    print(f"{address}, as the coordinator's ledger has it (`windrow claim` checks the proof):")
    for page in pages:
        decimals = decimals_in(page, page.asset)
        print(page.asset if decimals is not None else f"{page.asset}, in its smallest unit")
        for name in ("pending", "bond", "held", "posted", "claimed", "earned"):
            amount = int(page.totals.get(f"{name}_wei", 0))
            print(f"  {name:<8} {tokens(amount, decimals) or amount}")


def add_to(node: typer.Typer) -> None:
    """Add these commands to `windrow node`."""
    node.command("setup")(node_setup)
    node.command("doctor")(node_doctor)
    node.command("backup")(node_backup)
    node.command("restore")(node_restore)
    node.command("earnings")(node_earnings)


@contextmanager
def _facts_desk(settings: NodeSettings) -> Iterator[FactsDesk]:
    from contributor_node.coordinator.facts import FactsDesk, now_ms
    from contributor_node.egress.line_log import LineLog

    line_log = LineLog(Path(settings.home) / "line_log.ndjson", now_ms)
    try:
        yield FactsDesk(settings, line_log)
    finally:
        line_log.close()


def _paid_to(address: str, before: str, typed: str) -> str:
    """Say where money goes, what nobody could check of it, and what it replaces."""
    from contributor_node.owner.payout import read_payout

    said = f"Paid to: {address}"
    if typed and not read_payout(typed).checked:
        said += " (typed without a checksum: compare it with your wallet)"
    if before and before.lower() != address.lower():
        said += f"\n         until now {before}"
    return said


def _payout(
    given: str, new_wallet: Path | None, passphrase_file: Path | None, node_home: Path, asking: bool
) -> str:
    from contributor_node.owner.payout import read_payout
    from contributor_node.setup.wallet_file import make_wallet

    if new_wallet is None and not given and asking:
        question = "Payout address (0x…; nothing: make a wallet)"
        given = _ask(question, "", lambda text: text and read_payout(text) and text)
        if not given:
            new_wallet = Path(
                typer.prompt("Where should the wallet's file be", default="~/windrow-wallet.json", err=True)
            )
    if new_wallet is not None:
        address = make_wallet(new_wallet, _passphrase(passphrase_file, confirm=True), node_home)
        print(
            f"A wallet was made at {new_wallet}. Keep the file and its passphrase: nobody can replace them."
        )
        return address
    if not given:
        raise WindrowError("bad_usage", "give --payout 0x… or --new-wallet FILE")
    payout = read_payout(given)
    if not payout.checked and asking:
        shown = f"It has no checksum. With it, it is {payout.address}: is that your wallet's address?"
        typer.confirm(shown, abort=True, err=True)
    return payout.address


def _ask_consent() -> list[str]:
    """Ask for each purpose; who refuses the one that is needed is asked nothing more."""
    from contributor_node.setup.onboarding import PURPOSES, require_consent

    agreed: list[str] = []
    for name, words in PURPOSES.items():
        agreed += [name] if typer.confirm(f"May this node {words}?", err=True) else []
        require_consent(agreed)
    return agreed


def _ask_setting(name: str, question: str, default: Any) -> Any:
    from contributor_node.owner.settings import check_settings

    return _ask(
        question, default, lambda text: getattr(check_settings([("this answer", {name: text})]).values, name)
    )


def _ask(question: str, default: Any, read: Callable[[Any], Any]) -> Any:
    """Ask until an answer can be read: a slip of the finger costs one answer, not all before it."""

    def readable(answer: Any) -> Any:
        try:
            return read(answer)
        except WindrowError as error:
            raise typer.BadParameter(str(error)) from error

    return typer.prompt(question, default=default, show_default=default != "", value_proc=readable, err=True)


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        lines = file.read_text(encoding="utf-8").splitlines()
        passphrase = lines[0] if lines else ""
    elif sys.stdin.isatty():
        passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    else:
        raise WindrowError("bad_usage", "give --passphrase-file, or run it in a terminal")
    if not passphrase:
        raise WindrowError("bad_usage", "the passphrase is empty")
    return str(passphrase)
