"""A validator's own part: commit to a secret, draw from the log by it, say what was drawn, reveal it in the end.

What is drawn comes back as leases like any other: fetching and handing in is the ordinary work cycle.

Rules: a secret lies durably in the node's home, for its owner alone, before anybody hears of its commitment, and stays
until its epoch is closed; so a node that is killed anywhere goes on with the same secret, and saying something again
changes nothing. Entries are taken in the log's order from the commitment's place on, and every one goes into the digest
that is signed with the reveal. A secret is revealed only for an epoch that has ended and after all of it was drawn.

Does not: choose what is audited (the secret does), know whose an entry is, or compare texts.

Usage: `await Validator(home, client, poll_s=30.0).run(stop)`.

Source: docs/protocol.md, "Audit".
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path

import msgspec

from contributor_node.coordinator.client import CoordinatorClient
from contributor_node.identity import write_whole
from contributor_node.stopping import unless_stopped
from windrow_protocol.audit_draw import NO_LOG, SECRET_BYTES, commitment_of, is_drawn, next_log_digest
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAW_ENTRIES_MAX
from windrow_protocol.messages import (
    AuditCommitment,
    AuditDraws,
    AuditEntry,
    AuditEpoch,
    AuditLog,
    AuditLogRequest,
    AuditReveal,
)

log = logging.getLogger(__name__)
SECRETS_FILE = "validator_secrets.json"


class EpochSecret(msgspec.Struct):
    """One epoch's secret, where its commitment counts from, and what was seen of the log since then.

    `from_seq` is None until the commitment was acknowledged; `lost` when another secret was committed to.
    """

    secret: str
    from_seq: int | None = None
    log_sha256: str = NO_LOG
    drawn_seq: int = 0
    lost: bool = False


class Secrets(msgspec.Struct):
    """What a validator keeps: how far it has read, the log's head it was told there, and its secrets by epoch."""

    after_seq: int = 0
    head: str = ""
    epochs: dict[int, EpochSecret] = msgspec.field(default_factory=dict)


class Acknowledged(msgspec.Struct, frozen=True):
    """The answer to a commitment."""

    from_seq: int


class Validator:
    """A node's drawing, beside its work."""

    def __init__(self, home: Path, client: CoordinatorClient, poll_s: float) -> None:
        """Load what is kept. Raises WindrowError `bad_config` for a file that is not ours any more."""
        self._path = home / SECRETS_FILE
        self._client = client
        self._poll_s = poll_s
        self._kept = _read(self._path)

    async def run(self, stop: asyncio.Event) -> None:
        """Draw until `stop` is set; what fails is tried again."""
        while not stop.is_set():
            more = False
            try:
                more = bool(await unless_stopped(stop, self.round()))
            except WindrowError as error:
                log.warning("draws will be tried again", extra={"reason": error.code, "error": str(error)})
            if not more:
                await _wait(stop, self._poll_s)

    async def round(self) -> bool:
        """Read a page of the log and do what is due; say whether there is more at once. Raises WindrowError."""
        page = await self._page(self._kept.after_seq)
        if await self._commit(page):
            return True  # what was read before is not drawn with a secret that counts only from now on
        await self._draw(page)
        await self._reveal(page)
        self._forget(page)
        return len(page.entries) == DRAW_ENTRIES_MAX

    async def _page(self, after_seq: int) -> AuditLog:
        wish = AuditLogRequest(after_seq=after_seq)
        return await self._client.ask("/v1/audit/log", "audit_log", wish, AuditLog)

    async def _commit(self, page: AuditLog) -> bool:
        """Commit for the open epoch and the next one where that is not done; say whether the open one was new."""
        current = next((epoch.epoch_id for epoch in page.epochs if epoch.state == "open"), None)
        if current is None:
            raise WindrowError("bad_coordinator_answer", "no audit epoch is open")
        joined = False
        for epoch_id in (current, current + 1):
            own = self._kept.epochs.get(epoch_id)
            if own is None:
                own = self._kept.epochs[epoch_id] = EpochSecret(secrets.token_hex(SECRET_BYTES))
                self._keep()
            if own.from_seq is None and not own.lost:
                await self._say_commitment(epoch_id, own)
                joined = joined or epoch_id == current
        return joined

    async def _say_commitment(self, epoch_id: int, own: EpochSecret) -> None:
        wish = AuditCommitment(epoch_id, commitment_of(bytes.fromhex(own.secret)))
        try:
            said = await self._client.ask("/v1/audit/commitments", "audit_commitment", wish, Acknowledged)
        except WindrowError as error:
            if error.code != "commitment_fixed":
                raise
            own.lost = True
            log.error("the secret of an epoch is lost: nothing is drawn in it", extra={"epoch": epoch_id})
        else:
            own.from_seq = said.from_seq
        self._keep()

    async def _draw(self, page: AuditLog) -> None:
        """Draw what is new, say so, and remember how far it went."""
        for epoch in page.epochs:
            own = self._kept.epochs.get(epoch.epoch_id)
            if own is None or own.from_seq is None or epoch.revealed:
                continue
            entries = [
                entry
                for entry in page.entries
                if entry.epoch_id == epoch.epoch_id and entry.seq > max(own.from_seq, own.drawn_seq)
            ]
            upto_seq = min(page.upto_seq, epoch.last_seq) if epoch.state == "revealing" else page.upto_seq
            if entries or (epoch.state == "revealing" and upto_seq > own.drawn_seq):
                await self._say_draws(epoch, own, entries, upto_seq)
        if page.upto_seq > self._kept.after_seq:
            self._kept.after_seq, self._kept.head = page.upto_seq, page.head
            self._keep()

    async def _say_draws(
        self, epoch: AuditEpoch, own: EpochSecret, entries: list[AuditEntry], upto_seq: int
    ) -> None:
        secret, digest = bytes.fromhex(own.secret), own.log_sha256
        drawn: list[str] = []
        doubled: list[str] = []
        for entry in entries:
            digest = next_log_digest(digest, entry.seq, entry.lease_id, entry.content_sha256, entry.share_ppm)
            if is_drawn(secret, entry.lease_id, entry.content_sha256, entry.share_ppm):
                drawn.append(entry.lease_id)
                if is_drawn(secret, entry.lease_id, entry.content_sha256, epoch.doubled_ppm, "double"):
                    doubled.append(entry.lease_id)
        said = AuditDraws(epoch.epoch_id, upto_seq, drawn, doubled)
        await self._client.ask("/v1/audit/draws", "audit_draws", said, msgspec.Raw)
        own.log_sha256, own.drawn_seq = digest, upto_seq

    async def _reveal(self, page: AuditLog) -> None:
        for epoch in page.epochs:
            own = self._kept.epochs.get(epoch.epoch_id)
            if epoch.state != "revealing" or epoch.revealed or own is None or own.from_seq is None:
                continue
            if own.drawn_seq < epoch.last_seq:
                continue
            said = AuditReveal(epoch.epoch_id, own.secret, epoch.last_seq, epoch.last_head, own.log_sha256)
            try:
                await self._client.ask("/v1/audit/reveals", "audit_reveal", said, msgspec.Raw)
            except WindrowError as error:
                if error.code != "wrong_log":
                    raise
                self._read_again(epoch, own)
                raise

    def _read_again(self, epoch: AuditEpoch, own: EpochSecret) -> None:
        """Begin an epoch's digest anew: it is told what the coordinator shows, or the reveal is refused again."""
        assert own.from_seq is not None
        own.log_sha256, own.drawn_seq = NO_LOG, 0
        self._kept.after_seq = min(self._kept.after_seq, max(own.from_seq, epoch.first_seq - 1))
        self._keep()

    def _forget(self, page: AuditLog) -> None:
        """Drop the secrets of epochs that are closed."""
        oldest = min(epoch.epoch_id for epoch in page.epochs)
        closed = [epoch_id for epoch_id in self._kept.epochs if epoch_id < oldest]
        for epoch_id in closed:
            del self._kept.epochs[epoch_id]
        if closed:
            self._keep()

    def _keep(self) -> None:
        write_whole(self._path, msgspec.json.encode(self._kept))


def _read(path: Path) -> Secrets:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Secrets)
    except FileNotFoundError:
        return Secrets()
    except OSError as error:
        raise WindrowError("home_unwritable", f"{path}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise WindrowError("bad_config", f"{path}: {error}; restore it from your backup") from error


async def _wait(stop: asyncio.Event, wait_s: float) -> None:
    try:
        async with asyncio.timeout(wait_s):
            await stop.wait()
    except TimeoutError:
        return
