"""The signed list of what earlier versions of a dataset sold and that nobody should go on using.

Rules: a row is on it when its text was replaced or erased after it was sold; buyers' terms oblige them to apply it.

Does not: decide what is withdrawn (`sellable` reads that), or write files.

Usage: `content = removed_ids(house, "web_text/0.2.0", "web_text")`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aggregator.publish.sellable import withdrawn
from storage.house import House
from storage.published import published_files
from storage.tables.contributions import exports
from storage.tables.person_months import export_donations
from storage.tables.personal import withdrawals
from windrow_protocol.exports import PROVENANCE_NAME, REMOVED_PURPOSE, ids_sha256


def removed_ids(house: House, subject: str, dataset: str) -> dict[str, Any]:
    """Return the content of `removed_ids.json` for one version (`subject`), of all that `dataset` ever sold."""
    ids = _sold_and_withdrawn(house, dataset)
    content = {"count": len(ids), "ids_sha256": ids_sha256(ids)}
    return {"subject": subject, "ids": ids, "jws": house.sign(REMOVED_PURPOSE, subject, content)}


def _sold_and_withdrawn(house: House, dataset: str) -> list[str]:
    """Return the ids that earlier versions sold and that nobody should go on using."""
    with house.state.read() as connection:
        taken_back = _rows_taken_back(connection, dataset)
        if taken_back:
            return taken_back
        gone = set(withdrawn(connection))
        of_it = (exports.c.dataset == dataset) & (exports.c.retired == "")
        versions = connection.execute(sa.select(exports.c.version).where(of_it))
        sold = [
            published_files(house.env.disk, house.home, dataset, version) for version in versions.scalars()
        ]
    if not gone:
        return []
    ids = (files.table(PROVENANCE_NAME, ["id"])["id"].to_pylist() for files in sold)
    return sorted(gone & set().union(*ids))


def _rows_taken_back(connection: sa.Connection, dataset: str) -> list[str]:
    """Return the rows of an export about people, by the names they have in it, whose donations were taken back."""
    taken_back = sa.exists().where(withdrawals.c.contribution_id == export_donations.c.contribution_id)
    statement = sa.select(export_donations.c.row_id).where(export_donations.c.dataset == dataset, taken_back)
    return sorted(set(connection.execute(statement).scalars()))
