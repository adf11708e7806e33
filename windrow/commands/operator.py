"""Commands of an operator: `sql`, `trace`, `doctor`, `config show`.

Rules: they only read. Does not: hold logic. Usage: `windrow sql "SELECT count(*) FROM contributions"`.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from windrow.commands.house import AsJson, Home, settings_for
from windrow.settings import load_economics, load_settings
from windrow_protocol.errors import WindrowError


def sql(
    statement: Annotated[
        str,
        typer.Argument(help="one SELECT over the views of docs/sql.md ('-': standard input; none: a shell)"),
    ] = "",
    output: Annotated[str, typer.Option("--format", help="table, json, csv or parquet")] = "table",
    at: Annotated[
        int | None, typer.Option(help="snapshot of the lake that `documents` shows (default: the newest)")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="say how it would be answered, and do not answer it")
    ] = False,
    home: Home = None,
) -> None:
    """Ask the network a question in SQL, also while it is working."""
    from windrow.questions import FORMS, Question, ask, write_parquet

    if output not in FORMS:
        raise WindrowError("bad_config", f"--format {output}: it is table, json, csv or parquet")
    settings = settings_for(home=home)
    if not statement:
        if not sys.stdin.isatty():
            raise WindrowError("bad_usage", "a statement is missing; `-` reads it from standard input")
        from windrow.sql_shell import SqlShell

        SqlShell(settings, "table" if output == "parquet" else output, at).run()
        return
    question = Question(sys.stdin.read() if statement == "-" else statement, at, explain)
    if output == "parquet" and not explain:
        if sys.stdout.isatty():
            raise WindrowError("bad_usage", "Parquet is not for a terminal: add `> answer.parquet`")
        print(write_parquet(settings, question, sys.stdout.buffer), file=sys.stderr)
        return
    answer, note = ask(settings, question, output)
    print(answer)
    print(note, file=sys.stderr)


def trace(
    item_id: Annotated[str, typer.Argument(help="a lease, a contribution or a donation")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Tell what became of one item: lease, receipt, audit, verdict, novelty, money, sales, payout."""
    from windrow.tracing import trace as trace_of

    steps = trace_of(settings_for(home=home), item_id)
    if as_json:
        print(json.dumps([step._asdict() for step in steps]))
        return
    for step in steps:
        at = datetime.fromtimestamp(step.at_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")[:19]
        print(f"{at if step.at_ms else '':<19}  {step.name:<12}  {step.what}")


def doctor(home: Home = None, as_json: AsJson = False) -> None:
    """Check this machine and this home, and say what would not work and why."""
    from windrow.doctor import examine

    findings = examine(settings_for(home=home))
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.state:<12} {finding.name}: {finding.detail}")
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(1)


def config_show(home: Home = None, as_json: AsJson = False) -> None:
    """Show every setting and economic parameter, its value and which source won."""
    settings = load_settings({"home": home})
    rows = settings.explain(secrets=["database_url", "rpc_url"])
    parameters = load_economics(settings.values).explain()
    rows += [(f"economics.{name}", value, source) for name, value, source in parameters]
    if as_json:
        print(
            json.dumps([{"setting": name, "value": value, "source": source} for name, value, source in rows])
        )
        return
    width = max(len(name) for name, _, _ in rows)
    for name, value, source in rows:
        print(f"{name:<{width}}  {value}  ({source})")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(sql)
    app.command()(trace)
    app.command()(doctor)
    config = typer.Typer(help="Settings.", no_args_is_help=True)
    config.command("show")(config_show)
    app.add_typer(config, name="config")
