"""Taking personal data back, and being told what is held: the other half of `personal`.

    wanted ──its bytes are overwritten──▶ done

Rules: the person's signed word is enough, and the same word again is the same withdrawal; from the transaction that
takes it on, nobody reads the donation any more, because its key is gone. Its id stands on the signed list of removals,
and a keyed fingerprint keeps others from giving the same thing for twelve months. What is past its retention goes the
same way without being asked. A word about a donation that never came binds the node that gave it, and nobody else's
donation: it is kept apart, and on no list.

Does not: reach copies that were sold (their buyers are bound by the list), or backups of this machine: those open with
the operator's older keys until these are rotated.

Usage: `answer = Withdrawals(house, vault).accept(caller, body)`.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from aggregator.personal_vault import Vault
from aggregator.publish.retiring import retire
from aggregator.requests import Caller, spend
from extension_bridge.withdrawal import PURPOSE, RECEIPT_PURPOSE
from storage.house import House
from storage.tables.contributions import consents
from storage.tables.personal import never_came, personal_bodies, personal_fingerprints, withdrawals
from windrow_protocol.errors import WindrowError
from windrow_protocol.exports import REMOVED_PURPOSE, ids_sha256
from windrow_protocol.limits import FINGERPRINT_MS, PERSONAL_BYTES_MAX, PERSONAL_NEVER_CAME_MAX
from windrow_protocol.messages import decode_json
from windrow_protocol.personal.messages import PersonalExport, PersonalWithdrawal
from windrow_protocol.signing import verify

REMOVALS_SUBJECT = "personal"
# What may stand on the signed list of removals, which buyers obey: nothing but a donation's id, on one line.
_DONATION: Final = re.compile(r"p[0-9a-f]{31}")
_CONSENT: Final = re.compile(r"[0-9a-f]{64}")


class Withdrawals:
    """The one writer of the log of withdrawals."""

    def __init__(self, house: House, vault: Vault) -> None:
        self._house, self._vault = house, vault

    def accept(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Take one donation out and return `{contribution_id, receipt}`.

        Raises WindrowError as `verify` does, `wrong_schema`, `not_found` for another node's donation,
        `too_many_withdrawals` or `replayed`.
        """
        token = decode_json(body, PersonalWithdrawal).withdrawal_jws
        contribution_id, consent_id = self._opened(token, caller.node_id)
        with self._house.state.write() as connection:
            spend(connection, caller)
            receipt = self._take_back(connection, caller.node_id, contribution_id, consent_id, token)
        self._vault.finish()
        retire(self._house)
        return {"contribution_id": contribution_id, "receipt": receipt}

    def expire(self) -> int:
        """Take out everything past its retention and return how many donations that were."""
        now_ms = self._house.now_ms()
        over = sa.select(personal_bodies.c.node_id, personal_bodies.c.contribution_id).where(
            personal_bodies.c.expires_at_ms < now_ms
        )
        with self._house.state.write() as connection:
            by_node: dict[str, list[str]] = {}
            for row in connection.execute(over):
                by_node.setdefault(row.node_id, []).append(row.contribution_id)
            for node_id, ids in by_node.items():
                self._take_out(connection, node_id, ids, "expired", "", "")
            old = personal_fingerprints.c.until_ms < now_ms
            connection.execute(sa.delete(personal_fingerprints).where(old))
        self._vault.finish()
        retire(self._house)
        return sum(len(ids) for ids in by_node.values())

    def removals(self) -> dict[str, Any]:
        """Return the ids of everything taken out, with the coordinator's signature over them."""
        with self._house.state.read() as connection:
            ids = sorted(connection.execute(sa.select(withdrawals.c.contribution_id)).scalars())
        content = {"count": len(ids), "ids_sha256": ids_sha256(ids)}
        return {"ids": ids, "jws": self._house.sign(REMOVED_PURPOSE, REMOVALS_SUBJECT, content)}

    def export(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Return what is held on a node, from a place on: donations with their receipts, and withdrawals."""
        after = decode_json(body, PersonalExport).after
        with self._house.state.write() as connection:
            spend(connection, caller)
        held = [each for each in self._vault.held(caller.node_id) if each > after]
        donations: list[dict[str, Any]] = []
        size, last = 0, ""
        for contribution_id in held:
            donation = self._vault.read(contribution_id)
            size += len(donation)
            if donations and size > PERSONAL_BYTES_MAX:
                break
            donations.append({"donation": msgspec.Raw(donation), **self._receipts(contribution_id)})
            last = contribution_id
        more = bool(held) and last != held[-1]
        return {
            "donations": donations,
            "withdrawals": [] if more else self._withdrawn(caller.node_id),
            "next_after": last if more else "",
        }

    def _opened(self, token: str, node_id: str) -> tuple[str, str]:
        statement = verify(
            token,
            signer=node_id,
            network=self._house.network,
            purpose=PURPOSE,
            now_ms=self._house.now_ms(),
            subject=node_id,
        )
        content = statement.content or {}
        donation, consent = str(content.get("contribution_id")), str(content.get("consent_receipt_id"))
        if not _DONATION.fullmatch(donation) or not _CONSENT.fullmatch(consent):
            raise WindrowError(
                "wrong_schema", "a withdrawal names a personal contribution and its consent receipt"
            )
        return donation, consent

    def _take_back(
        self, connection: sa.Connection, node_id: str, contribution_id: str, consent_id: str, token: str
    ) -> str:
        came = sa.select(consents.c.node_id).where(consents.c.contribution_id == contribution_id)
        owner = connection.execute(came).scalar()
        if owner is None:
            return self._take_back_early(connection, node_id, contribution_id, consent_id, token)
        if owner != node_id:  # whose receipt would name who gave it; its id may be on the public list
            raise WindrowError("not_found", f"no donation {contribution_id}")
        its = withdrawals.c.contribution_id == contribution_id
        known = connection.execute(sa.select(withdrawals.c.receipt).where(its)).scalar()
        if known:
            return str(known)
        receipt = self._receipt(node_id, contribution_id, consent_id)
        if known is None:
            self._take_out(connection, node_id, [contribution_id], "withdrawn", token, receipt)
        else:  # it went by itself when its time was over: who asks gets the receipt all the same
            connection.execute(
                sa.update(withdrawals).where(its).values(withdrawal_jws=token, receipt=receipt)
            )
        return receipt

    def _take_back_early(
        self, connection: sa.Connection, node_id: str, contribution_id: str, consent_id: str, token: str
    ) -> str:
        """Note that what never came is refused should this node still send it: another's is another donation."""
        own = never_came.c.node_id == node_id
        its = own & (never_came.c.contribution_id == contribution_id)
        known = connection.execute(sa.select(never_came.c.receipt).where(its)).scalar()
        if known is not None:
            return str(known)
        noted = connection.execute(sa.select(sa.func.count()).where(own)).scalar_one()
        if noted >= PERSONAL_NEVER_CAME_MAX:
            raise WindrowError("too_many_withdrawals", f"{noted} of {PERSONAL_NEVER_CAME_MAX}")
        receipt = self._receipt(node_id, contribution_id, consent_id)
        connection.execute(
            sa.insert(never_came).values(
                node_id=node_id,
                contribution_id=contribution_id,
                withdrawal_jws=token,
                receipt=receipt,
                asked_at_ms=self._house.now_ms(),
            )
        )
        return receipt

    def _receipt(self, node_id: str, contribution_id: str, consent_id: str) -> str:
        content = {"contribution_id": contribution_id, "consent_receipt_id": consent_id}
        return self._house.sign(RECEIPT_PURPOSE, node_id, content)

    def _take_out(
        self,
        connection: sa.Connection,
        node_id: str,
        ids: list[str],
        reason: str,
        token: str,
        receipt: str,
    ) -> None:
        now_ms = self._house.now_ms()
        marks = sa.select(personal_bodies.c.fingerprint).where(personal_bodies.c.contribution_id.in_(ids))
        for mark in set(connection.execute(marks).scalars()):
            connection.execute(
                sa.delete(personal_fingerprints).where(personal_fingerprints.c.fingerprint == mark)
            )
            connection.execute(
                sa.insert(personal_fingerprints).values(
                    fingerprint=mark, node_id=node_id, until_ms=now_ms + FINGERPRINT_MS
                )
            )
        self._vault.shred(connection, node_id, ids)
        for contribution_id in ids:
            connection.execute(
                sa.insert(withdrawals).values(
                    contribution_id=contribution_id,
                    node_id=node_id,
                    reason=reason,
                    withdrawal_jws=token,
                    receipt=receipt,
                    state="wanted",
                    asked_at_ms=now_ms,
                )
            )

    def _receipts(self, contribution_id: str) -> dict[str, str]:
        with self._house.state.read() as connection:
            row = connection.execute(
                sa.select(consents.c.consent_jws, consents.c.receipt).where(
                    consents.c.contribution_id == contribution_id
                )
            ).one()
        return {"consent_jws": row.consent_jws, "receipt": row.receipt}

    def _withdrawn(self, node_id: str) -> list[dict[str, Any]]:
        names = ("contribution_id", "reason", "withdrawal_jws", "receipt", "state", "asked_at_ms")
        came = sa.select(*(withdrawals.c[name] for name in names)).where(withdrawals.c.node_id == node_id)
        early = sa.select(
            never_came.c.contribution_id,
            sa.literal("withdrawn"),
            never_came.c.withdrawal_jws,
            never_came.c.receipt,
            sa.literal("done"),
            never_came.c.asked_at_ms,
        ).where(never_came.c.node_id == node_id)
        with self._house.state.read() as connection:
            rows = connection.execute(came.union_all(early).order_by("contribution_id")).all()
        return [dict(zip(names, row, strict=True)) for row in rows]
