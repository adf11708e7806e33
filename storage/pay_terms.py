"""Which economic parameters held when: a numbered log of terms, one of them noted with each audit epoch.

Rules: an epoch's terms are noted when it is opened and never change; the next epoch gets what the house was started
with by then. A row is written when parameters change or rates halve, so a version names one set of rates for good, and
every ledger entry names its version. Versions 1 and 2 are from before there were parameters (`BEFORE`).

Does not: price (`rewards/rates.py`), open epochs, or read files.

Usage::

    version = note_terms(connection, house.economics, epoch_id=7)
    terms = terms_of_epoch(connection, house, 7)

Source: docs/protocol.md, "Pay".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from storage.house import House
from storage.tables.pay import pay_terms
from storage.tables.trust import audit_epochs
from windrow_protocol.economics import BEFORE, Economics, canonical, economics_of, sha256_of
from windrow_protocol.errors import WindrowError

FIRST: Final = 3  # the first version that stands in the log
UNNOTED: Final = 0  # of an epoch that no clock has seen yet
_PACKAGED: Final = Economics()


@dataclass(frozen=True, slots=True)
class PayTerms:
    """One version: the parameters, the audit epoch it began with, and how many halvings that came after."""

    version: int
    first_epoch: int
    halvings: int
    economics: Economics
    sha256: str  # of the published parameters

    def halved(self, rate_wei: int) -> int:
        """Return a rate of minted pay under these terms."""
        return self.economics.halved(rate_wei, self.first_epoch)

    def published(self) -> dict[str, Any]:
        """Return the terms as everybody reads them."""
        own = {name: getattr(self, name) for name in ("version", "first_epoch", "halvings", "sha256")}
        return {**own, "parameters": self.economics.published()}


def first_terms(economics: Economics = _PACKAGED) -> PayTerms:
    """Return the terms that a network begins with, which by default sets nothing of its own."""
    return PayTerms(FIRST, 1, 0, economics, sha256_of(economics.published()))


def note_terms(connection: sa.Connection, economics: Economics, epoch_id: int) -> int:
    """Return the version of an epoch that begins under these parameters, new if they or the rates are."""
    newest = connection.execute(sa.select(pay_terms).order_by(pay_terms.c.version.desc()).limit(1))
    last = newest.one_or_none()
    told, halvings = canonical(economics.published()), economics.halvings(epoch_id)
    if last is not None and (last.parameters, last.halvings) == (told, halvings):
        return int(last.version)
    version = last.version + 1 if last is not None else FIRST
    connection.execute(
        sa.insert(pay_terms).values(version=version, first_epoch=epoch_id, halvings=halvings, parameters=told)
    )
    return version


def terms_of_epoch(connection: sa.Connection, house: House, epoch_id: int) -> PayTerms:
    """Return an audit epoch's terms; the house's own where none were noted. In a writing transaction."""
    noted = sa.select(audit_epochs.c.terms_version).where(audit_epochs.c.epoch_id == epoch_id)
    version = connection.execute(noted).scalar() or note_terms(connection, house.economics, epoch_id)
    return terms_of_version(connection, version)


def terms_at(connection: sa.Connection, house: House, at_ms: int) -> PayTerms:
    """Return the terms of the audit epoch that was open at a time, or of the first. In a writing transaction."""
    version = _version_at(connection, at_ms) or note_terms(connection, house.economics, 1)
    return terms_of_version(connection, version)


def terms_now(connection: sa.Connection, house: House) -> PayTerms:
    """Return the terms of the epoch under way, or those that the first one will have."""
    version = _version_at(connection, house.now_ms())
    return terms_of_version(connection, version) if version else first_terms(house.economics)


def _version_at(connection: sa.Connection, at_ms: int) -> int:
    noted = sa.select(audit_epochs.c.terms_version).where(audit_epochs.c.terms_version != UNNOTED)
    newest = noted.where(audit_epochs.c.opened_at_ms <= at_ms).order_by(audit_epochs.c.epoch_id.desc())
    found = connection.execute(newest.limit(1)).scalar()
    return found or connection.execute(noted.order_by(audit_epochs.c.epoch_id).limit(1)).scalar() or 0


def terms_of_version(connection: sa.Connection, version: int) -> PayTerms:
    """Return one version of the terms. Raises WindrowError `not_found`."""
    if 0 < version < FIRST:
        return PayTerms(version, 0, 0, BEFORE, sha256_of(BEFORE.published()))
    row = connection.execute(sa.select(pay_terms).where(pay_terms.c.version == version)).one_or_none()
    if row is None:
        raise WindrowError("not_found", f"no terms of pay have the version {version}")
    return _terms(row)


def terms_upto(connection: sa.Connection, version: int) -> list[PayTerms]:
    """Return every version up to one, those from before the log included."""
    rows = sa.select(pay_terms).where(pay_terms.c.version <= version).order_by(pay_terms.c.version)
    old = [terms_of_version(connection, each) for each in range(1, FIRST)]
    return [*old, *(_terms(row) for row in connection.execute(rows))]


def _terms(row: Any) -> PayTerms:
    told = json.loads(row.parameters)
    return PayTerms(row.version, row.first_epoch, row.halvings, economics_of(told), sha256_of(told))
