"""The `windrow` command.

Rules: every refusal is one sentence with its remedy on stderr and a non-zero exit; what a script may read has `--json`.
Heavy rooms are imported inside the command that needs them, so that `windrow node run` stays small.

Does not: hold logic; each command calls one function. Usage: `windrow --help`.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from windrow.commands import (
    agent,
    audit,
    backup,
    buyer,
    consent,
    console,
    host,
    house,
    lake,
    ledger,
    network,
    node,
    operator,
    redteam,
    standing,
)
from windrow_protocol.errors import WindrowError

OUR_ROOMS = frozenset(
    {
        *("windrow", "windrow_protocol", "storage", "chain", "contributor_node"),
        *("aggregator", "rewards", "marketplace", "extension_bridge"),
    }
)
app = typer.Typer(
    name="windrow",
    help="An open network that turns idle bandwidth and opted-in personal data into training sets.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for room in (
    house,
    node,
    consent,
    operator,
    console,
    host,
    backup,
    lake,
    audit,
    buyer,
    agent,
    standing,
    ledger,
    network,
    redteam,
):
    room.register(app)


def main() -> None:
    """Run the command line; a refusal prints its sentence and sets the exit code."""
    with saying_refusals():
        sys.exit(app(standalone_mode=False) or 0)


@contextmanager
def saying_refusals() -> Iterator[None]:
    """Keep stdout for answers; what a block refuses is one sentence on stderr, and the exit code."""
    _log_to_stderr()
    try:
        yield
    except WindrowError as error:
        _refuse(error)
    except TyperException as error:
        if not error.format_message():  # no argument was given, so the help is on the screen already
            sys.exit(error.exit_code)
        _refuse(WindrowError("bad_usage", error.format_message().rstrip(".")))
    except typer.Abort:
        _refuse(WindrowError("not_confirmed"))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in OUR_ROOMS:
            raise
        _refuse(WindrowError("part_missing", str(error.name)))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        _refuse(WindrowError("disk_failed", f"{error.filename or 'this machine'}: {error.strerror or error}"))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        outage = _outage(error)
        if outage is None:
            raise
        _refuse(outage)


def _outage(error: Exception) -> WindrowError | None:
    """Return what a database or a store that cannot be used now means to whoever gave a command, None for all else.

    A contributor's install has neither, and is not made to read them.
    """
    if "sqlalchemy" not in sys.modules:
        return None
    from storage.outages import is_of_the_disk, refusal_of

    refusal = refusal_of(error)
    if refusal is not None and is_of_the_disk(error):
        return WindrowError("disk_failed", f"the home's database: {refusal.detail}")
    return refusal


def _log_to_stderr() -> None:
    """Keep stdout for answers; a contributor's install has no structlog, and needs none.

    A failure is told by its lines of code alone: the usual form also prints messages and the values of variables, and
    among those are passwords of databases and people's texts.
    """
    if importlib.util.find_spec("structlog"):
        import structlog

        from windrow.failure_lines import told_by_lines

        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
        structlog.dev.ConsoleRenderer.get_active().exception_formatter = told_by_lines


def _refuse(error: WindrowError) -> NoReturn:
    print(f"windrow: {error}", file=sys.stderr)
    sys.exit(error.reason.exit_code)


if __name__ == "__main__":
    main()
