"""Receives opted-in personal data: checks consent and redaction, keeps it durably, answers with a receipt.

Rules: a donation is ciphertext before it reaches the disk; what its person took back is not taken again. No record
without a consent receipt signed by the same node that names exactly these items; redaction is done on the device and
checked again here; the same donation again gets the same receipt.

Beside the ciphertext lies only which calendar months a donation holds, and how many items of each.

Does not: publish, price or read the text further; personal data earns no emission.

Usage: `answer = Personal(house, segments).accept(caller, body)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.personal_vault import Vault
from aggregator.publish.retiring import clear_unfinished, retire
from aggregator.requests import Caller, spend
from aggregator.withdrawals import Withdrawals
from extension_bridge.consent import Consent, open_consent
from extension_bridge.donation import check_donation
from storage.house import House
from storage.segments import Segments
from storage.tables.contributions import consents
from storage.tables.person_months import personal_months
from storage.tables.personal import never_came, personal_fingerprints, withdrawals
from storage.wrapping_keys import WrappingKeys
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import OWN_ITEMS_MIN, OWN_WORDS_CHARS_MIN
from windrow_protocol.messages import decode_json
from windrow_protocol.personal.messages import PersonalContribution, items_by_month


class Personal:
    """The one writer of the personal segments and of the consents log."""

    def __init__(self, house: House, segments: Segments, keys: WrappingKeys | None = None) -> None:
        """Open it; `keys` is the operator's key, by default a file in the home. Finishes what a crash cut."""
        self._house = house
        self.vault = Vault(house, segments, keys)
        self.withdrawals = Withdrawals(house, self.vault)
        self._seal_older()
        self.vault.finish_rotation()
        self.vault.finish()
        clear_unfinished(house)
        retire(house)
        self._index_older()

    def _seal_older(self) -> None:
        """Seal what an earlier version kept in the clear; `finish` then overwrites where it lay."""
        for old, row in self.vault.unsealed():
            body = self.vault.read_unsealed(old)
            donation = decode_json(body, PersonalContribution)
            consent = open_consent(
                donation.consent_jws,
                receipt_id=donation.consent_receipt_id,
                node_id=donation.node_id,
                network=self._house.network,
                now_ms=row.received_at_ms,
            )
            sealed = self.vault.append(donation.contribution_id, body)
            with self._house.state.write() as connection:
                self.vault.bury(connection, donation.contribution_id, old, sealed.place)
                self.vault.vouch(
                    connection, sealed, donation.node_id, self._bound(donation, consent.expires_at_ms)
                )

    def _index_older(self) -> None:
        """Write down which months the donations hold that an earlier version took on."""
        for contribution_id in self.vault.unindexed():
            donation = decode_json(self.vault.read(contribution_id), PersonalContribution)
            with self._house.state.write() as connection:
                of_it = consents.c.contribution_id == contribution_id
                received = connection.execute(sa.select(consents.c.received_at_ms).where(of_it)).scalar_one()
                index_months(connection, donation, received)

    def accept(self, caller: Caller, body: bytes) -> dict[str, Any]:
        """Make a donation durable and return `{contribution_id, receipt}`.

        Raises WindrowError as `check_donation` does, `wrong_schema`, `bad_consent` or `replayed`.
        """
        donation = decode_json(body, PersonalContribution)
        if donation.node_id != caller.node_id:
            raise WindrowError("bad_consent", "the donation is another node's")
        consent = check_donation(
            donation,
            network=self._house.network,
            now_ms=self._house.now_ms(),
            controller_id=self._house.coordinator_id,
        )
        mark = fingerprint(self._house, donation)
        with self._house.state.read() as connection:
            known = _known_receipt(connection, donation.contribution_id)
            _require_not_withdrawn(connection, donation, mark)
        if known:
            return {"contribution_id": donation.contribution_id, "receipt": known}
        sealed = self.vault.append(donation.contribution_id, body)
        with self._house.state.write() as connection:
            spend(connection, caller)
            _require_not_withdrawn(connection, donation, mark)  # again: its person may have been quicker
            receipt = self._receipt(donation)
            row = _consent_row(donation, consent, receipt, self._house.now_ms())
            place = {
                "segment": sealed.place.segment,
                "offset": sealed.place.offset,
                "length": sealed.place.length,
            }
            connection.execute(sa.insert(consents).values(**row, **place))
            bound = self._bound(donation, consent.expires_at_ms)
            self.vault.vouch(connection, sealed, donation.node_id, bound)
            index_months(connection, donation, row["received_at_ms"])
        return {"contribution_id": donation.contribution_id, "receipt": receipt}

    def spend(self, caller: Caller) -> None:
        """Use up the nonce of a request that changes nothing. Raises WindrowError `replayed`."""
        with self._house.state.write() as connection:
            spend(connection, caller)

    def _bound(self, donation: PersonalContribution, expires_at_ms: int) -> dict[str, str | int]:
        mark = fingerprint(self._house, donation)
        return {
            "contribution_id": donation.contribution_id,
            "fingerprint": mark,
            "expires_at_ms": expires_at_ms,
        }

    def _receipt(self, donation: PersonalContribution) -> str:
        return self._house.sign(
            "personal_receipt",
            donation.node_id,
            {
                "contribution_id": donation.contribution_id,
                "consent_receipt_id": donation.consent_receipt_id,
                "items": len(donation.records),
            },
        )


def index_months(connection: sa.Connection, donation: PersonalContribution, received_at_ms: int) -> None:
    """Write down how many items of each calendar month a donation holds; of one without times, that there are none."""
    months = items_by_month(donation) or {"": 0}
    rows = [
        {
            "contribution_id": donation.contribution_id,
            "month": month,
            "node_id": donation.node_id,
            "items": items,
            "received_at_ms": received_at_ms,
        }
        for month, items in sorted(months.items())
    ]
    connection.execute(sa.insert(personal_months), rows)


def fingerprint(house: House, donation: PersonalContribution) -> str:
    """Return a keyed digest of what a donation says, the same whoever gives it where it can be only one person's.

    What many people say, do or read alike (a visit, a page, a search, a song, "ok") is marked for its giver: who takes
    theirs back must not keep everybody else from giving the same, nor tell them that somebody did (ADR 0093).
    """
    said = sorted(
        f"{each.text_sha256} {'' if each.text else each.url + each.title}" for each in donation.records
    )
    has_own_words = donation.source != "browser_page" and any(
        len(each.text) >= OWN_WORDS_CHARS_MIN for each in donation.records
    )
    is_own = has_own_words or len(donation.records) >= OWN_ITEMS_MIN
    return house.keyed("personal_fingerprint", *said, *([] if is_own else [donation.node_id])).hex()


def _consent_row(
    donation: PersonalContribution, consent: Consent, receipt: str, now_ms: int
) -> dict[str, Any]:
    return {
        "consent_receipt_id": donation.consent_receipt_id,
        "contribution_id": donation.contribution_id,
        "node_id": donation.node_id,
        "source": donation.source,
        "purpose": consent.purpose,
        "items": len(donation.records),
        "given_at_ms": consent.given_at_ms,
        "received_at_ms": now_ms,
        "consent_jws": donation.consent_jws,
        "receipt": receipt,
    }


def _require_not_withdrawn(connection: sa.Connection, donation: PersonalContribution, mark: str) -> None:
    """Refuse what was taken back: this donation by its id, and the same content from anybody else for a year."""
    contribution_id = donation.contribution_id
    refusals = (
        sa.select(withdrawals.c.state).where(withdrawals.c.contribution_id == contribution_id),
        sa.select(never_came.c.receipt).where(
            never_came.c.node_id == donation.node_id, never_came.c.contribution_id == contribution_id
        ),
        sa.select(personal_fingerprints.c.node_id).where(
            personal_fingerprints.c.fingerprint == mark, personal_fingerprints.c.node_id != donation.node_id
        ),
    )
    if any(connection.execute(each).first() for each in refusals):
        raise WindrowError("withdrawn", contribution_id)


def _known_receipt(connection: sa.Connection, contribution_id: str) -> str:
    known = sa.select(consents.c.receipt).where(consents.c.contribution_id == contribution_id)
    return connection.execute(known).scalar() or ""
