"""What a document is worth on average, epoch by epoch: the measure of fines and of what a node has at stake.

Rules: a fold of prices, kept in their transaction. The mean of the epoch that was priced last also stands in `meta`,
for whoever measures stakes in documents. Before anything was priced the mean is a fetch fee. What earned nothing is no
document for the mean.

Does not: price, fine.

Usage::

    pay = EpochPay(connection)
    pay.count(epoch_id=3, earned_wei=5 * 10**16)
    pay.save()
    fine = mean_documents_wei(connection, 3, documents_ppm=2_400_000, fetch_fee_wei=5 * 10**16)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from storage.state import get_meta, put_rows, set_meta
from storage.tables.pay import epoch_pay
from windrow_protocol.trust_rules import PPM

MEAN_DOCUMENT: Final = "rewards/mean_document_wei"


@dataclass
class _Fold:
    documents: int = 0
    earned: int = 0


class EpochPay:
    """The folds that one transaction changes."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._folds: dict[int, _Fold] = {}

    def count(self, epoch_id: int, earned_wei: int) -> None:
        """Count a priced document."""
        if epoch_id not in self._folds:
            self._folds[epoch_id] = _read(self._connection, epoch_id)
        fold = self._folds[epoch_id]
        fold.documents += earned_wei > 0
        fold.earned += earned_wei

    def save(self) -> None:
        """Write back what was counted."""
        for epoch_id, fold in sorted(self._folds.items()):
            put_rows(self._connection, epoch_pay, [{"epoch_id": epoch_id, **vars(fold)}])
            if fold.documents:
                set_meta(self._connection, MEAN_DOCUMENT, str(fold.earned // fold.documents))
        self._folds.clear()


def mean_documents_wei(
    connection: sa.Connection, epoch_id: int, documents_ppm: int, fetch_fee_wei: int
) -> int:
    """Return what so many millionths of an epoch's mean document are in wei; the latest mean where it has none."""
    fold = _read(connection, epoch_id)
    if fold.documents:
        return fold.earned * documents_ppm // (fold.documents * PPM)
    latest = int(get_meta(connection, MEAN_DOCUMENT) or fetch_fee_wei)
    return latest * documents_ppm // PPM


def _read(connection: sa.Connection, epoch_id: int) -> _Fold:
    row = connection.execute(sa.select(epoch_pay).where(epoch_pay.c.epoch_id == epoch_id)).one_or_none()
    return _Fold(row.documents, row.earned) if row else _Fold()
