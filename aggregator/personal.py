"""Receives opted-in personal data: checks consent and redaction, keeps it durably, answers with a receipt.

Rules: no record without a consent receipt signed by the same node that names exactly these items; redaction is done
on the device and checked again here; the same donation again gets the same receipt.

Does not: publish, price or read the text further; personal data earns no emission.

Usage: `answer = Personal(house, segments).accept(caller, body)`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.requests import Caller, spend
from extension_bridge.donation import check_donation
from storage.house import House
from storage.segments import Segments
from storage.tables import consents
from windrow_protocol.errors import WindrowError
from windrow_protocol.messages import PersonalContribution, decode_json


class Personal:
    """The one writer of the personal segments and of the consents log."""

    def __init__(self, house: House, segments: Segments) -> None:
        self._house = house
        self._segments = segments

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
        with self._house.state.read() as connection:
            known = _known_receipt(connection, donation.contribution_id)
        if known:
            return {"contribution_id": donation.contribution_id, "receipt": known}
        place = self._segments.append(body)
        self._segments.sync()
        with self._house.state.write() as connection:
            spend(connection, caller)
            receipt = self._house.sign(
                "personal_receipt",
                caller.node_id,
                {
                    "contribution_id": donation.contribution_id,
                    "consent_receipt_id": donation.consent_receipt_id,
                    "items": len(donation.records),
                },
            )
            connection.execute(
                sa.insert(consents).values(
                    consent_receipt_id=donation.consent_receipt_id,
                    contribution_id=donation.contribution_id,
                    node_id=caller.node_id,
                    source=donation.source,
                    purpose=consent.purpose,
                    items=len(donation.records),
                    given_at_ms=consent.given_at_ms,
                    received_at_ms=self._house.now_ms(),
                    segment=place.segment,
                    offset=place.offset,
                    length=place.length,
                    consent_jws=donation.consent_jws,
                    receipt=receipt,
                )
            )
            self._segments.commit(connection)
        return {"contribution_id": donation.contribution_id, "receipt": receipt}


def _known_receipt(connection: sa.Connection, contribution_id: str) -> str:
    known = sa.select(consents.c.receipt).where(consents.c.contribution_id == contribution_id)
    return connection.execute(known).scalar() or ""
