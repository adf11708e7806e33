"""The doors of audits: what validators commit to, draw from, drew and reveal, and the files published of each epoch.

Rules: validators' doors are signed and open to validators alone; what they answer tells nothing about whose an entry
is or where it came from. Published files are for everybody, of closed epochs only, under names that are listed.

Does not: hold logic of its own, or give leases (a validator fetches through POST /v1/leases like any node).

Usage: `await env.network.serve(AuditDoors(house).routes(), host=…, port=…)`.
"""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from aggregator.requests import Caller, authenticate, spend
from aggregator.roster import known_member
from aggregator.verification.drawing.audit_epochs import EpochRow, epoch_of, epochs_in
from aggregator.verification.drawing.draws import (
    Signed,
    commit,
    log_page,
    record_draws,
    record_reveal,
    require_revealable,
)
from aggregator.verification.epochs.audit_files import CONTENT_TYPES, audit_folder
from aggregator.verification.epochs.audit_rows import NAMES
from storage.env import Request, Response, Route, json_response
from storage.house import House
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import DRAWS_BYTES_MAX
from windrow_protocol.messages import AuditCommitment, AuditDraws, AuditLogRequest, AuditReveal, decode_json
from windrow_protocol.signing import SIGNATURE_HEADER


class AuditDoors:
    """The handlers over one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[Route]:
        """Return the table of doors."""
        return [
            Route(
                "POST",
                "/v1/audit/commitments",
                self.commitments,
                "A validator fixes its secret for the open or the next audit epoch",
                "audit_commitment",
                message=AuditCommitment,
            ),
            Route(
                "POST",
                "/v1/audit/log",
                self.log,
                "What validators may draw after a place of the log",
                "audit_log",
                message=AuditLogRequest,
            ),
            Route(
                "POST",
                "/v1/audit/draws",
                self.draws,
                "What a validator drew, and how far it has come",
                "audit_draws",
                DRAWS_BYTES_MAX,
                AuditDraws,
            ),
            Route(
                "POST",
                "/v1/audit/reveals",
                self.reveals,
                "A validator reveals the secret of an epoch that has ended",
                "audit_reveal",
                message=AuditReveal,
            ),
            Route("GET", "/v1/audit/epochs", self.list_epochs, "The closed audit epochs, the newest first"),
            Route(
                "GET",
                "/v1/audit/epochs/{epoch_id}/{name}",
                self.epoch_file,
                f"One of a closed audit epoch's files: {', '.join(NAMES)}",
            ),
        ]

    async def commitments(self, request: Request) -> Response:
        """POST /v1/audit/commitments."""
        caller = self._validator(request, "audit_commitment")
        wish = decode_json(request.body, AuditCommitment)
        with self._house.state.write() as connection:
            self._enter(connection, caller)
            from_seq = commit(self._house, connection, caller.node_id, wish, _signed(request))
        return json_response({"epoch_id": wish.epoch_id, "from_seq": from_seq})

    async def log(self, request: Request) -> Response:
        """POST /v1/audit/log."""
        caller = self._validator(request, "audit_log")
        wish = decode_json(request.body, AuditLogRequest)
        with self._house.state.write() as connection:
            self._enter(connection, caller)
            page = log_page(self._house, connection, caller.node_id, wish)
        return json_response(page)

    async def draws(self, request: Request) -> Response:
        """POST /v1/audit/draws."""
        caller = self._validator(request, "audit_draws")
        said = decode_json(request.body, AuditDraws)
        with self._house.state.write() as connection:
            self._enter(connection, caller)
            record_draws(self._house, connection, caller.node_id, said)
        return json_response({"epoch_id": said.epoch_id, "drawn_seq": said.upto_seq})

    async def reveals(self, request: Request) -> Response:
        """POST /v1/audit/reveals."""
        caller = self._validator(request, "audit_reveal")
        said = decode_json(request.body, AuditReveal)
        await asyncio.to_thread(self._require_revealable, caller, said)
        with self._house.state.write() as connection:
            self._enter(connection, caller)
            record_reveal(self._house, connection, caller.node_id, said, _signed(request))
        return json_response({"epoch_id": said.epoch_id, "revealed": True})

    async def list_epochs(self, request: Request) -> Response:
        """GET /v1/audit/epochs."""
        with self._house.state.read() as connection:
            closed = epochs_in(connection, "closed")
        return json_response({"epochs": [_shown(epoch) for epoch in reversed(closed)]})

    async def epoch_file(self, request: Request) -> Response:
        """GET /v1/audit/epochs/{epoch_id}/{name}."""
        name, number = request.params["name"], request.params["epoch_id"]
        if name not in NAMES or not (number.isascii() and number.isdigit() and len(number) < 10):
            raise WindrowError("not_found", f"an audit epoch has the files {', '.join(NAMES)}")
        with self._house.state.read() as connection:
            epoch = epoch_of(connection, int(number))
        if epoch.state != "closed":
            raise WindrowError("not_found", f"audit epoch {epoch.epoch_id} is not closed yet")
        path = audit_folder(self._house.home, epoch.epoch_id) / name
        headers = {"X-Content-Type-Options": "nosniff"}
        return Response(file=path, content_type=CONTENT_TYPES[name], headers=headers)

    def _validator(self, request: Request, purpose: str) -> Caller:
        """Return who asks, before anything waits for the one writer: a stranger has not even a turn there."""
        caller = authenticate(self._house, request, purpose)
        with self._house.state.read() as connection:
            _require_validator(connection, caller)
        return caller

    def _enter(self, connection: sa.Connection, caller: Caller) -> None:
        _require_validator(connection, caller)
        spend(connection, caller)

    def _require_revealable(self, caller: Caller, said: AuditReveal) -> None:
        with self._house.state.read() as connection:
            require_revealable(connection, caller.node_id, said)


def _require_validator(connection: sa.Connection, caller: Caller) -> None:
    if known_member(connection, caller.node_id).role != "validator":
        raise WindrowError("not_a_validator", caller.node_id[:16])


def _signed(request: Request) -> Signed:
    return Signed(body=request.body.decode(), jws=request.header(SIGNATURE_HEADER))


def _shown(epoch: EpochRow) -> dict[str, object]:
    kept = ("epoch_id", "first_seq", "last_seq", "ended_at_ms", "audits_sha256", "header_sha256")
    return {name: getattr(epoch, name) for name in kept} | {"files": list(NAMES)}
