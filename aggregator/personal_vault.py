"""Where donations lie: each sealed under a key of its own, that under its contributor's, that under the operator's.

    body ── AES-256-GCM ── its key ── wrapped by ── the contributor's data key ── wrapped by ── the operator's key

Rules: a body is ciphertext before it reaches a segment. Taking one out destroys its key and the contributor's data key:
what the person leaves is wrapped anew under a new one, so that no older copy of any key opens what went. Then the bytes
are overwritten where they lie. Every step that a crash may cut is a row whose state is `wanted`.

Does not: check consent, or know who asks (see `personal` and `withdrawals`).

Usage::

    place = vault.put(connection, sealed)        # inside the transaction that acknowledges
    body = vault.read(contribution_id)
    vault.shred(connection, node_id, [contribution_id]); vault.finish()
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog
import zstandard

from storage.house import House
from storage.segments import Place, Segments
from storage.tables.contributions import consents
from storage.tables.person_months import personal_months
from storage.tables.personal import personal_bodies, personal_keys, personal_tombs, withdrawals
from storage.wrapping_keys import KEY_BYTES, FileKeys, WrappingKeys, seal, unseal
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import PERSONAL_BYTES_MAX

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Sealed:
    """A body that lies in the segments and has still to be vouched for: where, and the key it lies under."""

    place: Place
    key: bytes


class Vault:
    """The sealed bodies of one house. `keys` is the operator's key, by default a file in the home."""

    def __init__(self, house: House, segments: Segments, keys: WrappingKeys | None = None) -> None:
        self._house, self._segments = house, segments
        self._tokens = house.env.randomness.token
        self._keys = keys or FileKeys(house.home / "keys" / "personal.json", self._tokens)

    def append(self, contribution_id: str, body: bytes) -> Sealed:
        """Write a body sealed under a new key and bring it to the disk."""
        key = self._tokens(KEY_BYTES)
        place = self._segments.append(
            seal(key, zstandard.compress(body), contribution_id.encode(), self._tokens)
        )
        self._segments.sync()
        return Sealed(place, key)

    def vouch(
        self, connection: sa.Connection, sealed: Sealed, node_id: str, row: dict[str, str | int]
    ) -> None:
        """Keep a body's key within the transaction that acknowledges it; `row` completes `personal_bodies`."""
        contributor = self._contributor_key(connection, node_id) or self._new_key(connection, node_id)
        owner = str(row["contribution_id"]).encode()
        wrapped = _text(seal(contributor, sealed.key, owner, self._tokens))
        connection.execute(sa.insert(personal_bodies).values(node_id=node_id, wrapped=wrapped, **row))
        self._segments.commit(connection)

    def read(self, contribution_id: str) -> bytes:
        """Return a donation as it was handed in. Raises WindrowError `not_found`, `key_gone` or `key_store_failed`."""
        with self._house.state.read() as connection:
            found = connection.execute(
                sa.select(personal_bodies, consents.c.segment, consents.c.offset, consents.c.length)
                .join(consents, consents.c.contribution_id == personal_bodies.c.contribution_id)
                .where(personal_bodies.c.contribution_id == contribution_id)
            ).first()
            contributor = self._contributor_key(connection, found.node_id) if found else None
        if found is None or contributor is None:
            raise WindrowError("not_found", f"no donation {contribution_id[:32]}")
        key = unseal(contributor, _bytes(found.wrapped), contribution_id.encode())
        sealed = self._segments.read(Place(found.segment, found.offset, found.length))
        packed = unseal(key, sealed, contribution_id.encode())
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=PERSONAL_BYTES_MAX)

    def held(self, node_id: str) -> list[str]:
        """Return the ids of a contributor's donations that can be read."""
        with self._house.state.read() as connection:
            statement = sa.select(personal_bodies.c.contribution_id).where(
                personal_bodies.c.node_id == node_id
            )
            return sorted(connection.execute(statement).scalars())

    def shred(self, connection: sa.Connection, node_id: str, contribution_ids: Sequence[str]) -> None:
        """Destroy the keys of some donations and the contributor's own; the rest goes on under a new one."""
        old = self._contributor_key(connection, node_id)
        gone = personal_bodies.c.contribution_id.in_(contribution_ids)
        connection.execute(sa.delete(personal_bodies).where(gone))
        months = personal_months.c.contribution_id.in_(contribution_ids)
        connection.execute(sa.delete(personal_months).where(months))
        if old is None:
            return
        connection.execute(sa.delete(personal_keys).where(personal_keys.c.node_id == node_id))
        rest = connection.execute(
            sa.select(personal_bodies).where(personal_bodies.c.node_id == node_id)
        ).all()
        if not rest:
            return
        new = self._new_key(connection, node_id)
        for row in rest:
            owner = row.contribution_id.encode()
            wrapped = seal(new, unseal(old, _bytes(row.wrapped), owner), owner, self._tokens)
            connection.execute(
                sa.update(personal_bodies)
                .where(personal_bodies.c.contribution_id == row.contribution_id)
                .values(wrapped=_text(wrapped))
            )

    def finish(self) -> int:
        """Overwrite the bytes of everything that was taken out, and return how many there were. Raises OSError."""
        with self._house.state.read() as connection:
            wanted = connection.execute(
                sa.select(
                    withdrawals.c.contribution_id, consents.c.segment, consents.c.offset, consents.c.length
                )
                .outerjoin(consents, consents.c.contribution_id == withdrawals.c.contribution_id)
                .where(withdrawals.c.state == "wanted")
            ).all()
        for row in wanted:
            if row.segment is not None:
                self._segments.wipe(Place(row.segment, row.offset, row.length))
        self._wipe_tombs()
        if wanted:
            self._house.state.forget_bytes()
            ids = [row.contribution_id for row in wanted]
            done = sa.update(withdrawals).where(withdrawals.c.contribution_id.in_(ids)).values(state="done")
            with self._house.state.write() as connection:
                connection.execute(done)
        return len(wanted)

    def unsealed(self) -> list[tuple[Place, sa.Row[Any]]]:
        """Return what an earlier version kept in the clear: its place, and its row of `consents`."""
        sealed = sa.exists().where(personal_bodies.c.contribution_id == consents.c.contribution_id)
        gone = sa.exists().where(withdrawals.c.contribution_id == consents.c.contribution_id)
        with self._house.state.read() as connection:
            rows = connection.execute(sa.select(consents).where(~sealed, ~gone)).all()
        return [(Place(row.segment, row.offset, row.length), row) for row in rows]

    def unindexed(self) -> list[str]:
        """Return the donations that can be read and of which nobody wrote down whose months they hold."""
        indexed = sa.exists().where(personal_months.c.contribution_id == personal_bodies.c.contribution_id)
        with self._house.state.read() as connection:
            statement = sa.select(personal_bodies.c.contribution_id).where(~indexed)
            return sorted(connection.execute(statement).scalars())

    def read_unsealed(self, place: Place) -> bytes:
        """Return a body that lies in the clear. Raises OSError."""
        return self._segments.read(place)

    def bury(self, connection: sa.Connection, contribution_id: str, old: Place, new: Place) -> None:
        """Have a donation's row name its sealed body, and its old place overwritten by `finish`."""
        place = {"segment": new.segment, "offset": new.offset, "length": new.length}
        of_it = consents.c.contribution_id == contribution_id
        connection.execute(sa.update(consents).where(of_it).values(place))
        tomb = {"segment": old.segment, "offset": old.offset, "length": old.length}
        connection.execute(sa.insert(personal_tombs).values(tomb))

    def rotate(self) -> int:
        """Wrap every contributor's key under a new operator's key, destroy the old ones; return how many there were.

        After that no backup made before can be opened with what this house still holds. Raises WindrowError
        `key_store_failed` before anything is made where the store does not hold this house's key.
        """
        with self._house.state.read() as connection:
            self._require_own_keys(connection)
        self._keys.rotate()
        return self._wrap_anew()

    def finish_rotation(self) -> int:
        """Finish a rotation that a crash cut, so that no key it was to destroy stays; return how many it wrapped.

        Where a contributor's key cannot be unwrapped any more nothing is destroyed, and the log says so.
        """
        if not self._keys.has_older():
            return 0
        try:
            return self._wrap_anew()
        except WindrowError as error:
            log.error("rotation_not_finished", reason=error.code, detail=error.detail)
            return 0

    def _wrap_anew(self) -> int:
        with self._house.state.write() as connection:
            rows = connection.execute(sa.select(personal_keys)).all()
            for row in rows:
                owner = row.node_id.encode()
                secret = self._keys.unwrap(row.operator_key_id, _bytes(row.wrapped), owner)
                key_id, wrapped = self._keys.wrap(secret, owner)
                connection.execute(
                    sa.update(personal_keys)
                    .where(personal_keys.c.node_id == row.node_id)
                    .values(operator_key_id=key_id, wrapped=_text(wrapped))
                )
        self._house.state.forget_bytes()
        self._keys.retire()
        return len(rows)

    def _wipe_tombs(self) -> None:
        with self._house.state.read() as connection:
            tombs = connection.execute(sa.select(personal_tombs)).all()
        for tomb in tombs:
            self._segments.wipe(Place(tomb.segment, tomb.offset, tomb.length))
        if tombs:
            with self._house.state.write() as connection:
                connection.execute(sa.delete(personal_tombs))

    def _contributor_key(self, connection: sa.Connection, node_id: str) -> bytes | None:
        row = connection.execute(sa.select(personal_keys).where(personal_keys.c.node_id == node_id)).first()
        if row is None:
            return None
        return self._keys.unwrap(row.operator_key_id, _bytes(row.wrapped), node_id.encode())

    def _require_own_keys(self, connection: sa.Connection) -> None:
        """Let nothing new be made in a store that is another house's, or was emptied. Raises what `unwrap` raises."""
        row = connection.execute(sa.select(personal_keys).limit(1)).first()
        if row is not None:
            self._keys.unwrap(row.operator_key_id, _bytes(row.wrapped), row.node_id.encode())

    def _new_key(self, connection: sa.Connection, node_id: str) -> bytes:
        self._require_own_keys(connection)
        key = self._tokens(KEY_BYTES)
        key_id, wrapped = self._keys.wrap(key, node_id.encode())
        connection.execute(
            sa.insert(personal_keys).values(
                node_id=node_id,
                wrapped=_text(wrapped),
                operator_key_id=key_id,
                made_at_ms=self._house.now_ms(),
            )
        )
        return key


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
