"""`windrow doctor`: what of this machine and this home would not work, and what to do about it.

Rules: checks are a list of functions; each says *passed*, *failed* or *not checked*, and never claims what it did
not do.

Does not: change anything. Usage: `for finding in examine(settings): ...`
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa

from aggregator.verification.audits.without_browser import browserless
from contributor_node.crawling.chromium import find_chromium
from rewards.ledger_checks import verify_ledger
from storage.postgresql import described
from windrow.home import database_url, disk_of, reading_state, usable_database, usable_files
from windrow.ports import port_problem
from windrow.publishers_page import publishers_url_of
from windrow.settings import HouseSettings, load_ranked_domains
from windrow_protocol.addresses import parse_host_literal
from windrow_protocol.errors import WindrowError

State3 = Literal["passed", "failed", "not checked"]
DISK_FREE_BYTES_MIN: Final = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    name: str
    state: State3
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def examine(settings: HouseSettings) -> list[Finding]:
    """Run every check and return what was found."""
    return [finding for check in CHECKS for finding in check(settings)]


def check_python(_settings: HouseSettings) -> Iterator[Finding]:
    """Python 3.11 to 3.13."""
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", "passed" if fits else "failed", sys.version.split()[0])


def check_home(settings: HouseSettings) -> Iterator[Finding]:
    """The home can be written and the disk has room."""
    home = Path(settings.home)
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        tempfile.TemporaryFile(dir=place).close()  # root may write where access(2) and modes say nothing
    except OSError as error:
        yield Finding("home", "failed", str(WindrowError("home_unwritable", f"{home}: {error.strerror}")))
        return
    yield Finding("home", "passed", f"{home} can be written")
    free = shutil.disk_usage(place).free
    yield Finding("disk", "passed" if free >= DISK_FREE_BYTES_MIN else "failed", f"{free // 10**6} MB free")


def check_chromium(_settings: HouseSettings) -> Iterator[Finding]:
    """A browser for pages that only JavaScript can show: a house has no use for it, nodes and the demo have."""
    named = os.environ.get("WINDROW_CHROMIUM", "")
    try:
        yield Finding("chromium", "passed", find_chromium("", os.environ))
    except WindrowError as error:
        if named:
            yield Finding("chromium", "failed", str(error))
        else:
            yield Finding(
                "chromium", "not checked", f"a house needs none, nodes and `windrow demo` do: {error}"
            )


def check_ports(settings: HouseSettings) -> Iterator[Finding]:
    """The ports `windrow up` would take are free, or something listens there already."""
    wanted = [("port", settings.host, settings.port)]
    if not settings.rpc_url:
        wanted.append(("devnet port", "127.0.0.1", settings.devnet_port))
    for name, host, port in wanted:
        problem = port_problem(host, port)
        if problem:
            yield Finding(name, "not checked", f"{problem}; a running `windrow up` is no fault")
        else:
            yield Finding(name, "passed", f"{host}:{port} is free")


def check_chain(settings: HouseSettings) -> Iterator[Finding]:
    """The configured RPC answers and serves the configured chain."""
    if not settings.rpc_url:
        yield Finding("chain", "not checked", "the embedded devnet starts with `windrow up`")
        return
    from chain.client import ChainClient

    try:
        ChainClient.connect(settings.rpc_url, settings.chain_id, patience_s=2.0)
    except WindrowError as error:
        yield Finding("chain", "failed", str(error))
    else:
        yield Finding("chain", "passed", f"{settings.rpc_url} serves chain {settings.chain_id}")


def check_database(settings: HouseSettings) -> Iterator[Finding]:
    """The engine that holds the state, and whether it is one that a house may rely on."""
    engine = sa.make_url(database_url(settings)).get_backend_name()
    if engine == "sqlite":
        yield Finding("database", "passed", "SQLite, a file")
        return
    try:
        with usable_database():
            yield Finding("database", "passed", described(sa.make_url(settings.database_url)))
    except WindrowError as error:
        yield Finding("database", "failed", str(error))


def check_files(settings: HouseSettings) -> Iterator[Finding]:
    """The place for segments, lake and exports answers, and is this home's to write."""
    if not settings.files:
        yield Finding("files", "passed", "in the home")
        return
    try:
        with usable_files(settings):
            names = disk_of(settings).names(Path(settings.home) / "lake")
    except WindrowError as error:
        yield Finding("files", "failed", str(error))
    else:
        yield Finding("files", "passed", f"{settings.files} answers, {len(names)} files of the lake")


def check_ledger(settings: HouseSettings) -> Iterator[Finding]:
    """Debits equal credits, nothing is overdrawn, and the chain of entries is whole."""
    yield from _of_state(settings, "ledger", _ledger_findings)


def _ledger_findings(connection: sa.Connection) -> Iterator[Finding]:
    problems = verify_ledger(connection)
    if not problems:
        yield Finding("ledger", "passed", "it balances")
    for problem in problems:
        yield Finding("ledger", "failed", str(problem))


def check_validators_browsers(settings: HouseSettings) -> Iterator[Finding]:
    """A validator has the browser that audits wait for."""
    yield from _of_state(settings, "validators' browsers", _browser_findings)


def _browser_findings(connection: sa.Connection) -> Iterator[Finding]:
    name, found = "validators' browsers", browserless(connection)
    if not found.since_ms:
        yield Finding(name, "passed", f"{found.waiting} audits wait for one, and none is missing")
        return
    since = datetime.fromtimestamp(found.since_ms / 1000, UTC).isoformat(timespec="seconds")
    said = f"none since {since}: {found.waiting} audits wait, and pages that need one are not leased"
    yield Finding(name, "failed", f"{said}; put Chromium on a validator (`windrow node doctor` there)")


def _of_state(
    settings: HouseSettings, name: str, look: Callable[[sa.Connection], Iterator[Finding]]
) -> list[Finding]:
    """Return what is found in the home's database, or why it cannot be read."""
    try:
        with reading_state(settings) as connection:
            return list(look(connection))
    except WindrowError as error:
        if error.code == "no_house":
            return [Finding(name, "not checked", "this home has no state yet")]
        return [Finding(name, "failed", str(error))]


def check_ranked_domains(settings: HouseSettings) -> Iterator[Finding]:
    """There is a list of known domains, so that somebody's own sites cannot earn without end."""
    try:
        ranked = load_ranked_domains(settings.ranked_domains)
    except WindrowError as error:
        yield Finding("ranked domains", "failed", str(error))
        return
    if ranked is None:
        advice = "no list: every domain counts as known; set `ranked_domains` where strangers may own sites"
        yield Finding("ranked domains", "not checked", advice)
    else:
        yield Finding("ranked domains", "passed", f"{len(ranked)} domains, digest {ranked.sha256[:16]}")


def check_publishers(settings: HouseSettings) -> Iterator[Finding]:
    """The page that nodes name to sites can be reached by those who run these sites."""
    name, url = "publishers", publishers_url_of(settings)
    if settings.publishers_url:
        yield Finding(name, "passed", f"nodes point to {url}; that it can be reached was not tried")
    elif url and not _is_loopback(settings.host):
        yield Finding(name, "passed", f"nodes point to {url}")
    else:
        said = f"{url}, which only this machine reaches" if url else "no page"
        advice = "set `publishers_url` before nodes visit sites of others"
        yield Finding(name, "not checked", f"nodes point publishers to {said}; {advice}")


def _is_loopback(host: str) -> bool:
    literal = parse_host_literal(host)
    return host == "localhost" if literal is None else literal.is_loopback


CHECKS: Final[tuple[Callable[[HouseSettings], Iterator[Finding]], ...]] = (
    check_python,
    check_home,
    check_chromium,
    check_ports,
    check_chain,
    check_database,
    check_files,
    check_ledger,
    check_validators_browsers,
    check_ranked_domains,
    check_publishers,
)
