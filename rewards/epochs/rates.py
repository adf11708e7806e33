"""The rates of audit epochs, looked up once for each in a transaction.

Rules: an epoch's rates follow from the terms that were noted when it was opened, never from today's.

Does not: price. Usage: `rates = EpochRates(connection, house).of(epoch_id=7)`.
"""

from __future__ import annotations

import sqlalchemy as sa

from rewards.rates import Rates, rates_of
from storage.house import House
from storage.pay_terms import terms_of_epoch, terms_of_version


class EpochRates:
    """What work earned in some epochs. In a writing transaction."""

    def __init__(self, connection: sa.Connection, house: House) -> None:
        self._connection = connection
        self._house = house
        self._known: dict[int, Rates] = {}

    def of(self, epoch_id: int) -> Rates:
        """Return an audit epoch's rates."""
        if epoch_id not in self._known:
            self._known[epoch_id] = rates_of(terms_of_epoch(self._connection, self._house, epoch_id))
        return self._known[epoch_id]

    def of_version(self, version: int) -> Rates:
        """Return the rates that an entry names. Raises WindrowError `not_found`."""
        return rates_of(terms_of_version(self._connection, version))
