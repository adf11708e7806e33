"""The stage after verdicts: folds each audit into the standing of its node and its host, and logs what follows.

The story, for each verdict in the order of decision: what do its truths say about the host → do two unrelated nodes
now differ from the truths of one host (then neither is to blame) → what does it mean for the node → a row for each
consequence. What nobody drew says nothing and is passed over; a control page says nothing about a host.

Only nodes in good standing can show that a host differs from reader to reader, and only their audits tell how often an
honest node of a region may mismatch: a flood of fakes would otherwise excuse itself.

Rules: `verdicts.decided_seq` is the cursor, since verdicts come out of the log's order. Standings, outcomes, rows and
cursor are one transaction. What a fold saw is kept in `audit_outcomes`, so that a wrong one can be taken out again
(`second_thoughts`).

Does not: decide verdicts (`audits`), pay or fine (`rewards` reads the rows), or tell the node (`disclosures`).

Usage: `folded = fold_verdicts(house, segments)`.

Source: docs/protocol.md, "Consequences".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from aggregator.verification.audits.truth_requests import operators
from aggregator.verification.audits.turned_pages import KIND as TURNED
from aggregator.verification.consequences.consequence_log import BEGUN_AGAIN, ConsequenceLog
from aggregator.verification.consequences.host_findings import host_event_of, shut_out_event
from aggregator.verification.consequences.second_thoughts import void
from aggregator.verification.drawing.audit_epochs import verdict_epoch
from aggregator.verification.standings.exposure import begin_again, count_passed, documents_of
from aggregator.verification.standings.hosts import HostEvent, observe_host
from aggregator.verification.standings.standing import AuditOutcome, in_good_standing, observe
from aggregator.verification.standings.standing_rows import (
    WHOLE_WEB,
    count_in_region,
    fold_domain,
    honest_ppm_in,
    host_standing_of,
    keep_host_standing,
    keep_standing,
    standing_of,
)
from storage.house import House
from storage.segments import Segments
from storage.state import get_cursor, set_cursor
from storage.tables.contributions import contributions, leases, nodes, verdicts
from storage.tables.trust import audit_outcomes, audits
from windrow_protocol.domains import registrable_domain
from windrow_protocol.trust_rules import PPM
from windrow_protocol.urls import host_key

CURSOR = "consequences"
_KINDS: dict[str, Literal["match", "mismatch", "no_evidence"]] = {
    "accepted": "match",
    "rejected": "mismatch",
    "no_evidence": "no_evidence",
}
_CANARIES = frozenset({"canary_matched", "canary_differs"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one audit found. `host` is what its truths say about the host, None where that is nothing.

    `shut_out`: no validator came through to the page, and it was not their lines.
    `canary`: it was of a control page; `turned`: of a turned one; `document`: of a page's text, not of a refusal.
    """

    contribution_id: str
    node_id: str
    kind: Literal["match", "mismatch", "no_evidence"]
    url: str
    at_ms: int
    epoch_id: int
    value: float
    rate_ppm: int
    excess: float = 0.0
    host: HostEvent | None = None
    shut_out: HostEvent | None = None
    canary: bool = False
    turned: bool = False
    document: bool = True


def fold_verdicts(house: House, segments: Segments, batch: int = 100) -> int:
    """Fold up to `batch` new verdicts and return how many there were."""
    with house.state.read() as connection:
        rows = list(connection.execute(_new_verdicts(get_cursor(connection, CURSOR), batch)))
        network = len(operators(connection))
        findings = [_finding(house, connection, segments, row, network) for row in rows if _is_audit(row)]
    if not rows:
        return 0
    with house.state.write() as connection:
        for finding in findings:
            fold_finding(house, connection, finding)
        set_cursor(connection, CURSOR, rows[-1].decided_seq)
    return len(rows)


def fold_finding(house: House, connection: sa.Connection, finding: Finding) -> None:
    """Fold one audit into the standings of its host and its node, within the caller's write transaction."""
    epoch_id = verdict_epoch(connection, finding.epoch_id)
    blameless = set() if finding.canary else _fold_host(house, connection, finding)
    if finding.kind != "no_evidence":
        log = ConsequenceLog(house, connection, epoch_id)
        _fold_node(house, connection, log, finding, voided=finding.contribution_id in blameless)
    for contribution_id in sorted(blameless - {finding.contribution_id}):
        void(house, connection, contribution_id, epoch_id)


def _new_verdicts(after: int, batch: int) -> sa.Select[Any]:
    return (
        sa.select(
            verdicts,
            leases.c.url,
            leases.c.kind.label("lease_kind"),
            contributions.c.kind,
            sa.func.coalesce(audits.c.value_ppm, PPM).label("value_ppm"),
            audits.c.rate_ppm,
        )
        .select_from(
            verdicts.outerjoin(audits, audits.c.contribution_id == verdicts.c.contribution_id)
            .outerjoin(contributions, contributions.c.contribution_id == verdicts.c.contribution_id)
            .join(leases, leases.c.lease_id == sa.func.coalesce(audits.c.lease_id, contributions.c.lease_id))
        )
        .where(verdicts.c.decided_seq > after)
        .order_by(verdicts.c.decided_seq)
        .limit(batch)
    )


def _is_audit(row: Any) -> bool:
    """Not what nobody drew, and not a truth that took a contribution's place."""
    return bool(row.verdict != "unaudited" and row.kind != "truth")


def _finding(house: House, connection: sa.Connection, segments: Segments, row: Any, network: int) -> Finding:
    canary, turned = row.reason in _CANARIES, row.lease_kind == TURNED
    return Finding(
        contribution_id=row.contribution_id,
        node_id=row.node_id,
        kind=_KINDS[row.verdict],
        url=row.url,
        at_ms=row.decided_at_ms,
        epoch_id=row.epoch_id,
        value=row.value_ppm / PPM,
        rate_ppm=_rate_ppm(house, row),
        excess=1 - row.confirmed_ppm / PPM if row.verdict == "accepted" else 0.0,
        host=None if canary or turned else host_event_of(connection, segments, row, network),
        canary=canary,
        shut_out=shut_out_event(connection, row),
        turned=turned,
        document=row.kind == "work",
    )


def _rate_ppm(house: House, row: Any) -> int:
    """Return how likely it was to be looked at, as a fine counts.

    Of a turned page it counts as anywhere else: a real page may show somebody something else (ADR 0063).
    """
    if row.reason in _CANARIES:
        return house.rules.canary_caught_ppm
    lured = row.lease_kind == TURNED and row.verdict == "rejected"
    return (house.rules.audit_rate_min_ppm if lured else row.rate_ppm) or PPM


def _fold_host(house: House, connection: sa.Connection, finding: Finding) -> set[str]:
    """Fold an audit into its host and return the contributions that nobody is to be blamed for because of it."""
    key, now = host_key(finding.url), house.now_ms()
    host = host_standing_of(connection, key)
    voided: tuple[str, ...] = ()
    hard_hosts = house.rules.on("hard_hosts")
    if finding.host is not None:
        host, _ = observe_host(host, finding.host)
        if finding.host.kind == "agree":
            web, _ = observe_host(host_standing_of(connection, WHOLE_WEB), finding.host)
            keep_host_standing(connection, WHOLE_WEB, web, now)
    trusted = in_good_standing(house.rules, standing_of(connection, finding.node_id))
    if finding.kind == "mismatch" and hard_hosts and trusted:
        group = _group(connection, finding.node_id, [named for _, named in host.mismatches])
        event = HostEvent("mismatch", finding.epoch_id, group=group, contribution_id=finding.contribution_id)
        host, voided = observe_host(host, event)
    if finding.kind == "match" and finding.document:
        host = replace(host, read=True)
        if trusted:
            host, _ = observe_host(host, HostEvent("match", finding.epoch_id))
    if hard_hosts:
        read = finding.kind == "match" and finding.document
        seen = HostEvent("agree", finding.epoch_id) if read else finding.shut_out
        if seen is not None:
            fold_domain(connection, registrable_domain(finding.url), seen, now)
    else:
        host = replace(host, hard=False)
    keep_host_standing(connection, key, host, now)
    return set(voided)


def _group(connection: sa.Connection, node_id: str, earlier: list[str]) -> str:
    """Return the group of a node: that of an earlier mismatch's node with the same owner or prefix, else its own."""
    me = connection.execute(sa.select(nodes).where(nodes.c.node_id == node_id)).one()
    others = connection.execute(
        sa.select(nodes)
        .join(audit_outcomes, audit_outcomes.c.node_id == nodes.c.node_id)
        .where(audit_outcomes.c.contribution_id.in_(earlier))
        .order_by(audit_outcomes.c.outcome_seq)
    )
    for other in others:
        if other.prefix == me.prefix or (other.owner and other.owner == me.owner):
            return str(other.owner or other.prefix)
    return str(me.owner or me.prefix)


def _fold_node(
    house: House, connection: sa.Connection, log: ConsequenceLog, finding: Finding, *, voided: bool
) -> None:
    who = sa.select(nodes.c.region).where(nodes.c.node_id == finding.node_id)
    region = connection.execute(who).scalar_one()
    outcome = _outcome(house, connection, finding, region)
    before, pooled = standing_of(connection, finding.node_id), 0
    if voided:
        log.note(finding.node_id, "voided", finding.contribution_id)
    else:
        after, found = observe(house.rules, before, outcome)
        if finding.canary or finding.turned:  # no truth takes its place: it is nobody's document
            found = tuple(each for each in found if each.kind != "replaced")
        log.append(finding.node_id, found, finding.contribution_id)
        keep_standing(connection, finding.node_id, after, house.now_ms())
        if finding.kind == "match" and finding.document:
            count_passed(connection, finding.node_id)
        for fine in (each for each in found if each.kind == "fined"):
            if begin_again(connection, finding.node_id, fine.documents):
                log.note(finding.node_id, BEGUN_AGAIN, finding.contribution_id)
        if in_good_standing(house.rules, before):
            pooled = after.mismatches - before.mismatches
            count_in_region(connection, region, audits=1, mismatches=pooled)
    last = sa.select(sa.func.coalesce(sa.func.max(audit_outcomes.c.outcome_seq), 0))
    connection.execute(
        sa.insert(audit_outcomes).values(
            contribution_id=finding.contribution_id,
            outcome_seq=connection.execute(last).scalar_one() + 1,
            node_id=finding.node_id,
            region=region,
            host_key=host_key(finding.url),
            kind=finding.kind,
            state="voided" if voided else "counted",
            pooled=pooled,
            epoch_id=finding.epoch_id,
            outcome=msgspec.json.encode(outcome).decode(),
        )
    )


def _outcome(house: House, connection: sa.Connection, finding: Finding, region: str) -> AuditOutcome:
    host = host_standing_of(connection, host_key(finding.url))
    known = host if host.measures else host_standing_of(connection, WHOLE_WEB)
    return AuditOutcome(
        kind=finding.kind,
        at_ms=finding.at_ms,
        documents=documents_of(connection, finding.node_id),
        value=finding.value,
        rate_ppm=finding.rate_ppm,
        domain=registrable_domain(finding.url),
        epoch_id=finding.epoch_id,
        excess=finding.excess,
        host_excess=known.excess,
        honest_ppm=honest_ppm_in(connection, house.rules, region),
        control=finding.canary,
    )
