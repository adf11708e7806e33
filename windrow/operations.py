"""What an operator can have done: the few operations that write, the same online and offline.

Rules: `OPERATIONS` names them all; those of the lake are in `lake_operations`, those about hosts in `host_operations`,
those on chain in `chain_operations`, those about the console in `console.site`.
Each catches up with the logs before it decides. Blocking work runs in a thread.

Does not: listen (see `operator_socket`) or format answers.

Usage::

    async with offline_operations(settings) as operations:
        await operations.run("epoch_close", {})
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aggregator.assignment.frontier import add_urls
from aggregator.importing import Document, Importer, Origin
from aggregator.personal import Personal
from aggregator.pipeline import Pipeline
from aggregator.publish.export import publish
from aggregator.roster import trust_of
from aggregator.verification.drawing.audit_epochs import end_epoch, end_if_due
from aggregator.verification.epochs.audit_closing import close_epochs
from rewards.accountant import run_accountant
from rewards.personal.months import run_person_months
from rewards.personal.pay import run_personal_pay
from storage.backup import KEYS, LOST_WITHOUT, write_backup
from windrow.chain_link import ChainLink, open_chain
from windrow.chain_operations import ON_CHAIN, ChainOperations
from windrow.console.site import ConsoleOperations
from windrow.health import HouseHealth, health_of
from windrow.home import OpenHome, open_home
from windrow.host_operations import HostOperations
from windrow.lake_operations import LakeOperations
from windrow.settings import HouseSettings
from windrow.summary import public_figures, summarise
from windrow_protocol.errors import WindrowError

if TYPE_CHECKING:
    pass

AUDIT_POLL_S = 0.5
OPERATIONS = (
    *("frontier_add", "publish", "epoch_close", "summary", *ON_CHAIN),
    *("lake_annotate", "lake_check", "lake_compact", "lake_duplicates", "lake_stats"),
    *("host_token", "host_takedown", "host_release", "host_receipt", "host_list"),
    *("console_grant", "console_revoke", "console_list", "console_end", "console_token"),
    *("import_documents", "settle", "erase", "personal_rotate", "backup"),
)
# What brings something in, so that a home may be begun for it; all others work on what is there. A publisher's order is
# none of them: in a mistyped home its token and receipt would be those of a key that nobody knows.
BEGINNING = ("frontier_add", "import_documents", "settle", "sales", "chain")
_OF_ROOMS = ("lake", "host", "console")


class Operations:
    """The operations over one open home and its chain."""

    def __init__(self, settings: HouseSettings, home: OpenHome, chain: ChainLink) -> None:
        self._settings = settings
        self._home = home
        self.personal = Personal(home.house, home.personal, home.personal_keys)
        self.pipeline = Pipeline(home.house, home.contributions, home.lake)
        self.lake = LakeOperations(home.house, home.lake)
        self.pipeline.eraser.finish()  # what a crash left half done
        self._busy = asyncio.Lock()  # one publish, close or catching up at a time
        self.on_chain = ChainOperations(home.house, chain, self._busy, self._settle_logs)
        self._importer: Importer | None = None
        self._importing = asyncio.Lock()
        self.host = HostOperations(home.house, self.pipeline.eraser, self._quiet)
        self.console = ConsoleOperations(home.house, chain.operator.address)

    async def run(self, name: str, arguments: dict[str, Any]) -> Any:
        """Run one operation. Raises WindrowError `not_found`, `wrong_schema` or its own refusal."""
        if name not in OPERATIONS:
            raise WindrowError("not_found", f"no operation `{name}`")
        room, _, of_room = name.partition("_")
        if room in _OF_ROOMS:
            operation = getattr(getattr(self, room), of_room)
        else:
            operation = getattr(self.on_chain if name in ON_CHAIN else self, name)
        try:
            return await operation(**arguments)
        except TypeError as error:
            if "argument" in str(error) and operation.__name__ in str(error):
                raise WindrowError("wrong_schema", str(error)) from error
            raise

    async def frontier_add(self, urls: list[list[str]]) -> dict[str, int]:
        """Add [URL, render] pairs."""
        house = self._home.house
        with house.state.write() as connection:
            added, known = add_urls(connection, [(url, render) for url, render in urls], house.now_ms())
        return {"added": added, "known": known}

    async def publish(self, dataset: str, dry_run: bool = False, since: str = "") -> dict[str, Any]:
        """Publish a dataset's next version, or what changed since one, and list it for sale on chain.

        The audit epoch is closed first: what is sold is told by then, and nothing of an epoch under way can be.
        """
        house = self._home.house
        if not dry_run:
            await self._close_audit_epoch()
        async with self._busy:
            await self._settle_logs()
            recipes = Path(self._settings.recipes)
            export = await asyncio.to_thread(
                publish,
                house,
                recipes,
                dataset,
                since=since,
                dry_run=dry_run,
                read=self.personal.vault.read,
            )
            if not dry_run:
                await self.on_chain.offer()
        return {
            "dataset": export.dataset,
            "version": export.version,
            "rows": export.rows,
            "tokens": export.tokens,
            "price_wei": str(export.price),
            "asset": export.asset,
            "prices": export.prices,
            "splits": export.splits,
            "shards": export.shards,
            "path": house.env.disk.place(export.path) if export.path else "",
            "state": export.state,
            "failures": [str(failure) for failure in export.failures],
            "dropped_rows": export.dropped.rows,
            "dropped": export.dropped.table(),
        }

    async def epoch_close(self) -> dict[str, Any]:
        """Close the epoch: first that of the audits, then the ledger's on chain, with everything sold and verified.

        Validators that were heard of lately are waited for until they revealed, never for longer than
        `rules.reveal_wait_ms`. Claims that are large enough are sent then (`Economics.relay_due_min`). After a kill
        anywhere the next call goes on.
        """
        await self._close_audit_epoch()
        await self.on_chain.sales()
        await self.history()
        async with self._busy:
            closed = await self.on_chain.close_each()
        told = [
            {
                "epoch_id": epoch.epoch_id,
                "asset": epoch.asset,
                "root": epoch.root,
                "total_wei": str(epoch.total),
                "state": epoch.state,
            }
            for epoch in closed
        ]
        return {**told[0], "epochs": told}

    async def _close_audit_epoch(self) -> None:
        house = self._home.house
        async with self._busy:
            await self._settle_logs()
            await asyncio.to_thread(end_epoch, house)
        while await self._publish_audits(house.rules.draw_wait_ms):
            await self.work()
            await house.env.clock.sleep(AUDIT_POLL_S)

    async def _publish_audits(self, patience_ms: int) -> int:
        """Close what audit epochs can be closed and return how many wait."""
        async with self._busy:
            return await asyncio.to_thread(
                close_epochs, self._home.house, self._home.contributions, patience_ms
            )

    async def summary(self) -> dict[str, Any]:
        """Count everything."""
        return await asyncio.to_thread(self._summary)

    def _summary(self) -> dict[str, Any]:
        with self._home.house.state.read() as connection:
            return {**summarise(connection), "trust": trust_of(self._home.house, connection)}

    async def health(self) -> HouseHealth:
        """Count how the house is doing."""
        return await asyncio.to_thread(health_of, self._home.house)

    async def public_figures(self) -> dict[str, Any]:
        """Count what everybody may see."""
        return await asyncio.to_thread(self._public_figures)

    def _public_figures(self) -> dict[str, Any]:
        with self._home.house.state.read() as connection:
            return {**public_figures(connection), "trust": trust_of(self._home.house, connection)}

    async def import_documents(self, origin: dict[str, Any], documents: list[Any]) -> dict[str, int]:
        """Store documents of an archive, as values of `aggregator.importing`."""
        try:
            of, found = msgspec.convert(origin, Origin), msgspec.convert(documents, list[Document])
        except msgspec.ValidationError as error:
            raise WindrowError("wrong_schema", str(error)[:300]) from error
        async with self._importing:
            if self._importer is None:
                self._importer = Importer(self._home.house)
            return await asyncio.to_thread(self._importer.accept, of, found)

    async def erase(self, contribution_id: str, reason: str, copies: bool = False) -> dict[str, Any]:
        """Erase a document, and with `copies` its whole cluster."""
        async with self._quiet():
            return await asyncio.to_thread(self.pipeline.eraser.erase, contribution_id, reason, copies)

    @asynccontextmanager
    async def _quiet(self) -> AsyncIterator[None]:
        """Hold up whatever publishes or rewrites the lake, so that a text can go."""
        async with self._busy, self.lake.merging:
            self.lake.stop_merging()
            yield

    async def personal_rotate(self) -> dict[str, int]:
        """Wrap every contributor's key under a new key of the operator, and destroy the older ones."""
        return {"keys": await asyncio.to_thread(self.personal.vault.rotate)}

    async def backup(self, target: str) -> dict[str, Any]:
        """Copy the home, all but its keys, into a new folder; the pipeline waits meanwhile, ingest does not."""
        home = self._home.house.home
        async with self._busy, self.lake.merging:
            made = await asyncio.to_thread(write_backup, self._home.house, Path(target))
        facts = {"path": target, "files": len(made.files), "bytes": made.bytes}
        return {**facts, "keys": str(home / KEYS), "lost_without": LOST_WITHOUT}

    async def retention(self) -> int:
        """Take out the personal data whose time is over, and what is left of hosts that were taken down."""
        expired = await asyncio.to_thread(self.personal.withdrawals.expire)
        return expired + await self.host.sweep()

    async def history(self) -> int:
        """Judge the months of history that are due, and pay, release and take back what is."""
        house = self._home.house
        try:
            judged = await asyncio.to_thread(run_person_months, house, self.personal.vault.read)
        finally:  # what is due needs no key: a store that does not answer keeps nobody's pay
            paid = await asyncio.to_thread(run_personal_pay, house)
        return judged + paid

    async def settle(self) -> dict[str, int]:
        """Take everything that is stored through the pipeline now."""
        async with self._busy:
            return {"done": await self._settle_logs()}

    async def work(self) -> int:
        """Do one round of the pipeline and the accountant; returns how much was done."""
        house = self._home.house
        async with self._busy:
            done = await self._settle_logs(rounds=1)
            await asyncio.to_thread(end_if_due, house)
        await self._publish_audits(house.rules.reveal_wait_ms)
        return done

    async def _settle_logs(self, rounds: int = 1_000_000) -> int:
        """Take the logs through pipeline and accountant, until nothing is left or `rounds` are done."""
        total = 0
        for _ in range(rounds):
            self.pipeline.housekeeping()
            done = await asyncio.to_thread(self.pipeline.step)
            done += await asyncio.to_thread(run_accountant, self._home.house)
            total += done
            if not done:
                break
        return total


@asynccontextmanager
async def offline_operations(settings: HouseSettings) -> AsyncIterator[Operations]:
    """Open the home, and its chain, for one command while no house runs."""
    with open_home(settings) as home:
        async with open_chain(settings, home.house.state) as chain:
            yield Operations(settings, home, chain)
