"""Departures: a node that leaves has some of its pending documents checked, gets the rest, and later its bond.

    state     event    next      what follows
    drawing   draw     settling  some pending documents are drawn and looked at (`second_looks`)
    settling  settle   settled   `left_settled`: what is still pending vests
    settled   return   returned  `bond_returned`, `rules.bond_return_ms` after the node asked; `bond_kept` of one
                                 that lost all to a fine and has passed too few audits since (`bond_comes_back`)

Rules: what is drawn follows from the secrets that validators reveal for the epoch in which the node asked, so neither
node nor coordinator can steer it and anybody can draw again; where no validator reveals any, from the coordinator's
key. `rules.vest_audits` documents are drawn, of a node that is watched `rules.escalated_audits`; all where there are
fewer. Truths come long after the work, so only a text that has nothing in common with its page is a mismatch, and its
fine counts the probability of this draw. A look that nobody could complete by the deadline is no evidence. A node
that asked gets no more leases.

Does not: pay (`rewards` reads `consequences`).

Usage: `answer = receive_departure(house, connection, node_id)`, then `settle_departures(house, segments)` as a stage.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import sqlalchemy as sa

from aggregator.verification.audits.second_looks import Seen, completed, conclude, look_again
from aggregator.verification.comparing.reconsidering import weigh_again
from aggregator.verification.consequences.consequence_log import BEGUN_AGAIN, ConsequenceLog, in_force
from aggregator.verification.consequences.folding import Finding, fold_finding
from aggregator.verification.drawing.audit_epochs import noting_epoch, open_epoch
from aggregator.verification.standings.audit_rate import bond_comes_back
from aggregator.verification.standings.exposure import passed_of
from aggregator.verification.standings.standing_rows import standing_of
from storage.house import House
from storage.segments import Segments
from storage.tables.contributions import contributions, ledger, nodes, verdicts
from storage.tables.pay import pending_pay
from storage.tables.trust import audit_secrets, audits, departures, second_looks
from storage.told import is_told
from windrow_protocol.audit_draw import leave_place
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import PPM

STEPS: dict[tuple[str, str], str] = {
    ("drawing", "draw"): "settling",
    ("settling", "settle"): "settled",
    ("settled", "return"): "returned",
}
_KINDS: dict[str, Literal["match", "mismatch", "no_evidence"]] = {
    "restored": "match",
    "stands": "mismatch",
    "voided": "no_evidence",
}


def receive_departure(house: House, connection: sa.Connection, node_id: str) -> dict[str, Any]:
    """Let a node leave and return when it is settled and paid its bond at the latest; the same again is the same.

    Raises WindrowError `node_left` for a node that its owner revoked.
    """
    known = connection.execute(sa.select(departures).where(departures.c.node_id == node_id)).one_or_none()
    if known is None:
        state = connection.execute(sa.select(nodes.c.state).where(nodes.c.node_id == node_id)).scalar()
        if state not in ("active", "queued"):
            raise WindrowError("node_left", node_id[:16])
        now = house.now_ms()
        connection.execute(
            sa.insert(departures).values(
                node_id=node_id,
                state="drawing",
                epoch_id=open_epoch(connection),
                asked_at_ms=now,
                settle_by_ms=now + house.rules.leave_settle_ms,
                bond_due_at_ms=now + house.rules.bond_return_ms,
            )
        )
        connection.execute(sa.update(nodes).where(nodes.c.node_id == node_id).values(state="leaving"))
        known = connection.execute(sa.select(departures).where(departures.c.node_id == node_id)).one()
    return {name: getattr(known, name) for name in ("state", "settle_by_ms", "bond_due_at_ms")}


def settle_departures(house: House, segments: Segments) -> int:
    """Take departures as far as they now come and return how many steps that were."""
    complete, asked = completed(house, segments, "leave")
    looks = [(seen, _weigh(seen)) for seen in complete]
    with house.state.read() as connection:
        going = connection.execute(sa.select(departures).where(departures.c.state != "returned")).all()
        due = [row for row in going if _is_due(house, connection, row)]
    if not looks and not due:
        return asked
    with house.state.write() as connection:
        for seen, kind in looks:
            _conclude(house, connection, seen, kind)
        for row in due:
            _STAGES[row.state](house, connection, row)
    return len(looks) + len(due) + asked


def _is_due(house: House, connection: sa.Connection, row: Any) -> bool:
    now = house.now_ms()
    if row.state == "settled":
        return bool(now >= row.bond_due_at_ms)
    if row.state == "settling":
        looking = sa.exists().where(
            second_looks.c.node_id == row.node_id,
            second_looks.c.purpose == "leave",
            second_looks.c.state == "fetching",
        )
        return not connection.execute(sa.select(looking)).scalar()
    half_ms = (row.settle_by_ms - row.asked_at_ms) // 2  # the other half is for the looks
    return now >= row.asked_at_ms + half_ms or _all_is_known(connection, row)


def _all_is_known(connection: sa.Connection, row: Any) -> bool:
    """Whether the epoch's secrets are out, every audit of the node is decided and all of its work is priced."""
    told = is_told(sa.literal(row.epoch_id))
    undecided = sa.exists().where(audits.c.node_id == row.node_id, audits.c.state != "decided")
    unpriced = sa.exists().where(
        verdicts.c.node_id == row.node_id,
        verdicts.c.verdict == "unaudited",
        contributions.c.contribution_id == verdicts.c.contribution_id,
        ~sa.exists().where(ledger.c.cause == verdicts.c.contribution_id),
    )
    return bool(connection.execute(sa.select(sa.and_(told, ~undecided, ~unpriced))).scalar())


def _draw(house: House, connection: sa.Connection, row: Any) -> None:
    """Choose what is looked at, by the order that the revealed secrets give."""
    pending = connection.execute(
        sa.select(audits.c.contribution_id, audits.c.lease_id, audits.c.content_sha256)
        .join(verdicts, verdicts.c.contribution_id == audits.c.contribution_id)
        .where(audits.c.node_id == row.node_id, verdicts.c.verdict == "unaudited", _is_pending())
    ).all()
    watched = standing_of(connection, row.node_id).frozen
    wanted = house.rules.escalated_audits if watched else house.rules.vest_audits
    wanted = wanted if house.rules.on("audits") else 0
    seed = _seed(house, connection, row)
    drawn = sorted(pending, key=lambda each: leave_place(seed, each.lease_id, each.content_sha256))[:wanted]
    for each in drawn:
        look_again(
            house,
            connection,
            each.contribution_id,
            row.node_id,
            "leave",
            len(drawn) * PPM // len(pending),
            row.settle_by_ms,
        )
    _move(connection, row, "draw")


def _is_pending() -> sa.ColumnElement[bool]:
    """What the ledger holds as pending, and what it has not priced yet."""
    return sa.or_(
        sa.exists().where(pending_pay.c.cause == audits.c.contribution_id),
        ~sa.exists().where(ledger.c.cause == audits.c.contribution_id),
    )


def _seed(house: House, connection: sa.Connection, row: Any) -> bytes:
    revealed = connection.execute(
        sa.select(audit_secrets.c.secret)
        .where(audit_secrets.c.epoch_id == row.epoch_id, audit_secrets.c.secret != "")
        .order_by(audit_secrets.c.validator_id)
    ).scalars()
    joined = "\n".join(revealed)
    if not joined:
        return house.keyed("leave", row.node_id, str(row.epoch_id))
    return hashlib.sha256(joined.encode()).digest()


def _settle(house: House, connection: sa.Connection, row: Any) -> None:
    _log(house, connection).note(row.node_id, "left_settled")
    left = {"state": "left", "left_at_ms": house.now_ms()}
    connection.execute(sa.update(nodes).where(nodes.c.node_id == row.node_id).values(**left))
    _move(connection, row, "settle")


def _return_bond(house: House, connection: sa.Connection, row: Any) -> None:
    again = any(each.kind == BEGUN_AGAIN for each in in_force(connection, row.node_id))
    passed = passed_of(connection, row.node_id)
    back = bond_comes_back(house.rules, passed, begun_again=again)
    _log(house, connection).note(row.node_id, "bond_returned" if back else "bond_kept")
    _move(connection, row, "return")


_STAGES = {"drawing": _draw, "settling": _settle, "settled": _return_bond}


def _weigh(seen: Seen) -> Literal["match", "mismatch", "no_evidence"]:
    if seen.claimed is None:
        return "no_evidence"
    return _KINDS[weigh_again(seen.claimed, stored=[], fresh=seen.fresh, operators=seen.operators)]


def _conclude(
    house: House, connection: sa.Connection, seen: Seen, kind: Literal["match", "mismatch", "no_evidence"]
) -> None:
    conclude(connection, seen, kind)
    about = sa.select(contributions.c.url, audits.c.value_ppm).join(
        audits, audits.c.contribution_id == contributions.c.contribution_id
    )
    facts = connection.execute(about.where(contributions.c.contribution_id == seen.row.contribution_id)).one()
    finding = Finding(
        contribution_id=seen.row.contribution_id,
        node_id=seen.row.node_id,
        kind=kind,
        url=facts.url,
        at_ms=house.now_ms(),
        epoch_id=noting_epoch(connection),
        value=facts.value_ppm / PPM,
        rate_ppm=seen.row.rate_ppm,
    )
    fold_finding(house, connection, finding)


def _log(house: House, connection: sa.Connection) -> ConsequenceLog:
    return ConsequenceLog(house, connection, noting_epoch(connection))


def _move(connection: sa.Connection, row: Any, event: str) -> None:
    connection.execute(
        sa.update(departures).where(departures.c.node_id == row.node_id).values(state=STEPS[row.state, event])
    )
