"""Appeals: a node asks once for a mismatch to be looked at again; stored evidence first, then a fresh fetch.

    state     event              next      what follows
    waiting   evidence_fails     granted   the same comparison of the same texts no longer rejects it
    waiting   evidence_stands    fetching  three fresh truths are asked for (`second_looks`)
    waiting   nothing_to_fetch   denied    a control page's text of that minute cannot be fetched again
    fetching  restored           granted   the text is the page's: it counts as accepted and is paid
    fetching  voided             granted   the page changed, or nobody could look: nobody is to blame
    fetching  stands             denied    costs three fetch fees

Rules: one appeal for each mismatch, only by its node, only once it was disclosed, and a bounded number at a time. The
doubt is the contributor's, but one validator alone can decide nothing (`reconsidering`). A page that changed has
everything taken back that the mismatch cost; its document stays unpaid, as without evidence, or else whoever invents
pages that change fast would be paid for it. It also counts as a trouble of the host.

Does not: move money (`rewards` reads `consequences`).

Usage: `state = receive_appeal(house, connection, node_id, appeal)`, then `decide_appeals(house, segments)` as a stage.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from aggregator.ingest import read_text
from aggregator.verification.audits.canaries import AnsweredAt, judge_canary
from aggregator.verification.audits.second_looks import (
    Seen,
    completed,
    conclude,
    look_again,
    neighbour_looked_at,
    stored_evidence,
)
from aggregator.verification.comparing.comparison import decide
from aggregator.verification.comparing.reconsidering import Result, weigh_again
from aggregator.verification.consequences.consequence_log import ConsequenceLog
from aggregator.verification.consequences.second_thoughts import restore, void
from aggregator.verification.drawing.audit_epochs import noting_epoch
from aggregator.verification.standings.hosts import HostEvent, observe_host
from aggregator.verification.standings.standing_rows import host_standing_of, keep_host_standing
from storage.house import House
from storage.segments import Segments
from storage.tables.contributions import contributions, leases
from storage.tables.trust import appeals, audit_outcomes, audits
from storage.told import is_told
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import APPEALS_OPEN_MAX, SECOND_LOOK_MS, TRUTHS_PER_AUDIT_MAX
from windrow_protocol.messages import Appeal
from windrow_protocol.trust_rules import PPM

STEPS: dict[tuple[str, str], str] = {
    ("waiting", "evidence_fails"): "granted",
    ("waiting", "evidence_stands"): "fetching",
    ("waiting", "nothing_to_fetch"): "denied",
    ("fetching", "restored"): "granted",
    ("fetching", "voided"): "granted",
    ("fetching", "stands"): "denied",
}
OPEN = ("waiting", "fetching")
Evidence = Literal["evidence_fails", "evidence_stands", "nothing_to_fetch"]


def receive_appeal(house: House, connection: sa.Connection, node_id: str, appeal: Appeal) -> str:
    """Take an appeal and return its state; the same again is the same.

    Raises WindrowError `not_appealable` or `too_many_appeals`.
    """
    mine = appeals.c.node_id == node_id
    known = connection.execute(
        sa.select(appeals.c.state).where(mine, appeals.c.contribution_id == appeal.contribution_id)
    ).scalar()
    if known is not None:
        return str(known)
    outcome = sa.select(audit_outcomes.c.contribution_id).where(
        audit_outcomes.c.contribution_id == appeal.contribution_id,
        audit_outcomes.c.node_id == node_id,
        audit_outcomes.c.kind == "mismatch",
        is_told(audit_outcomes.c.epoch_id),
    )
    if connection.execute(outcome).first() is None:
        raise WindrowError("not_appealable", appeal.contribution_id)
    count = sa.select(sa.func.count()).select_from(appeals).where(mine, appeals.c.state.in_(OPEN))
    if connection.execute(count).scalar_one() >= APPEALS_OPEN_MAX:
        raise WindrowError("too_many_appeals", f"{APPEALS_OPEN_MAX} are open")
    connection.execute(
        sa.insert(appeals).values(
            contribution_id=appeal.contribution_id,
            node_id=node_id,
            state="waiting",
            reason=appeal.reason,
            received_at_ms=house.now_ms(),
        )
    )
    return "waiting"


def decide_appeals(house: House, segments: Segments, batch: int = 20) -> int:
    """Take appeals as far as they now come and return how many were moved."""
    with house.state.read() as connection:
        waiting = sa.select(appeals).where(appeals.c.state == "waiting")
        rows = connection.execute(waiting.order_by(appeals.c.received_at_ms).limit(batch)).all()
        weighed = [(row, _evidence(house, connection, segments, row.contribution_id)) for row in rows]
    complete, asked = completed(house, segments, "appeal", batch)
    looks = [(seen, _weigh(seen)) for seen in complete]
    if not weighed and not looks:
        return asked
    with house.state.write() as connection:
        for row, evidence in weighed:
            _begin(house, connection, row, evidence)
        for seen, result in looks:
            _end(house, connection, seen, result)
    return len(weighed) + len(looks) + asked


def _evidence(house: House, connection: sa.Connection, segments: Segments, contribution_id: str) -> Evidence:
    """Compare what is stored once more, by the rules of now."""
    control = connection.execute(_control_page(contribution_id)).one_or_none()
    if control is not None:
        text = read_text(connection, segments, control.seq)
        ruling = judge_canary(house, control, text, AnsweredAt(control.fetched_at_ms, control.received_at_ms))
        return "nothing_to_fetch" if ruling.verdict == "rejected" else "evidence_fails"
    claimed, truths, earlier = stored_evidence(connection, segments, contribution_id)
    if claimed is None:
        return "evidence_stands"
    texts = [text for _, text in truths][:TRUTHS_PER_AUDIT_MAX]
    neighbour = neighbour_looked_at(connection, segments, contribution_id)
    decided = decide(claimed, texts, earlier, neighbour).kind
    return "evidence_fails" if decided in ("match", "no_evidence") else "evidence_stands"


def _control_page(contribution_id: str) -> sa.Select[Any]:
    """The answer to a lease of a control page, if it is one."""
    return (
        sa.select(
            contributions.c.seq,
            contributions.c.fetched_at_ms,
            contributions.c.received_at_ms,
            leases.c.url,
            leases.c.issued_at_ms,
        )
        .join(leases, leases.c.lease_id == contributions.c.lease_id)
        .where(contributions.c.contribution_id == contribution_id, contributions.c.kind == "canary")
    )


def _weigh(seen: Seen) -> Result:
    if seen.claimed is None:  # a refusal: whoever is refused as well bears it out
        return "stands" if seen.fresh and not seen.refused else "voided"
    return weigh_again(
        seen.claimed,
        stored=[text for _, text in seen.stored],
        fresh=seen.fresh,
        operators=seen.operators,
        earlier=seen.earlier,
        neighbour=seen.neighbour,
    )


def _begin(house: House, connection: sa.Connection, row: Any, evidence: Evidence) -> None:
    if evidence == "evidence_stands":
        audit = audits.c.contribution_id == row.contribution_id
        rate_ppm = connection.execute(sa.select(audits.c.rate_ppm).where(audit)).scalar() or PPM
        give_up_at_ms = house.now_ms() + SECOND_LOOK_MS
        look_again(house, connection, row.contribution_id, row.node_id, "appeal", rate_ppm, give_up_at_ms)
    elif evidence == "evidence_fails":
        void(house, connection, row.contribution_id, noting_epoch(connection))
    else:
        _deny(house, connection, row.node_id, row.contribution_id)
    _move(house, connection, row.contribution_id, row.state, evidence)


def _end(house: House, connection: sa.Connection, seen: Seen, result: Result) -> None:
    contribution_id, epoch_id = seen.row.contribution_id, noting_epoch(connection)
    conclude(connection, seen, result)
    if result == "restored":
        restore(house, connection, contribution_id, epoch_id)
    elif result == "voided":
        void(house, connection, contribution_id, epoch_id)
        if seen.fresh:
            _trouble(house, connection, contribution_id, epoch_id)
    else:
        _deny(house, connection, seen.row.node_id, contribution_id)
    _move(house, connection, contribution_id, "fetching", result)


def _trouble(house: House, connection: sa.Connection, contribution_id: str, epoch_id: int) -> None:
    """A page that differs from itself is hard to check: its host is one step nearer to being hard."""
    where = sa.select(audit_outcomes.c.host_key).where(audit_outcomes.c.contribution_id == contribution_id)
    key = connection.execute(where).scalar_one()
    host, _ = observe_host(host_standing_of(connection, key), HostEvent("disagree", epoch_id))
    if house.rules.on("hard_hosts"):
        keep_host_standing(connection, key, host, house.now_ms())


def _deny(house: House, connection: sa.Connection, node_id: str, contribution_id: str) -> None:
    log = ConsequenceLog(house, connection, noting_epoch(connection))
    log.note(node_id, "appeal_denied", contribution_id)


def _move(
    house: House, connection: sa.Connection, contribution_id: str, state: str, event: Evidence | Result
) -> None:
    following = STEPS[state, event]
    decided_at_ms = None if following in OPEN else house.now_ms()
    connection.execute(
        sa.update(appeals)
        .where(appeals.c.contribution_id == contribution_id)
        .values(state=following, decided_at_ms=decided_at_ms)
    )
