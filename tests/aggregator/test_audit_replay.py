"""An epoch's published files: anybody gets the same from them, and nothing in them can be changed unseen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import zstandard
from audit_world import HALF, AuditWorld
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.verification.drawing.audit_epochs import open_epoch
from aggregator.verification.epochs.audit_files import file_sha256, read_rows
from aggregator.verification.epochs.audit_rows import (
    AUDITS,
    HEADER,
    NAMES,
    PURPOSE,
    SIGNED,
    AuditRow,
    Header,
    header_bytes,
)
from aggregator.verification.epochs.replay import Replayed, replay
from storage.env import Request
from storage.tables.contributions import nodes, submissions
from storage.tables.trust import audit_epochs, audit_secrets, dividends
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import TrustRules

Change = Callable[[list[AuditRow], Header], tuple[list[AuditRow], Header]]


class Published:
    """One epoch that was published honestly, to be copied."""

    def __init__(self, world: AuditWorld, folder: Path, replayed: Replayed) -> None:
        self.world, self.folder, self.replayed = world, folder, replayed

    def copy(self, into: Path) -> Path:
        return Path(shutil.copytree(self.folder, into / "copy"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """An epoch with honest texts and fakes."""
    world = AuditWorld(tmp_path_factory.mktemp("published"))

    async def publish() -> Path:
        truth = await world.hand_in(await world.ready(), 24, fakes=5)
        await world.audit(truth)
        return await world.close(truth)

    folder = asyncio.run(publish())
    return Published(world, folder, replay(folder))


def signed_again(published: Published, folder: Path, change: Change) -> Path:
    """Change lines and header as a dishonest coordinator would: everything is signed again by its own key."""
    rows, header = list(read_rows(folder)), msgspec.json.decode((folder / HEADER).read_bytes(), type=Header)
    rows, header = change(rows, header)
    lines = b"".join(msgspec.json.encode(row, order="sorted") + b"\n" for row in rows)
    (folder / AUDITS).write_bytes(zstandard.compress(lines))
    header = msgspec.structs.replace(header, audits_sha256=file_sha256(folder / AUDITS, 10**9))
    (folder / HEADER).write_bytes(header_bytes(header))
    said = {
        "epoch_id": header.epoch_id,
        "header_sha256": file_sha256(folder / HEADER, 10**9),
        "audits_sha256": header.audits_sha256,
    }
    token = published.world.house.sign(PURPOSE, str(header.epoch_id), said)
    (folder / SIGNED).write_text(token)
    return folder


async def test_another_copy_gives_the_same(published: Published, tmp_path: Path) -> None:
    first, second = published.replayed, replay(published.copy(tmp_path))
    assert first == second
    assert first.ok, first.first_difference
    assert first.entries == 24
    assert 0 < first.audited == first.drawn == first.verdicts_recomputed < 24
    assert 0 < sum(row.share_ppm for row in first.dividends) <= 1_000_000
    assert first.trust == "3 independent validator operators"
    with published.world.house.state.read() as connection:
        rows = connection.execute(sa.select(dividends).order_by(dividends.c.validator_id)).all()
    assert [(row.validator_id, row.audits, row.share_ppm) for row in rows] == [
        (row.validator_id, row.audits, row.share_ppm) for row in first.dividends
    ]


async def test_signing_it_again_unchanged_is_no_difference(published: Published, tmp_path: Path) -> None:
    """Otherwise the forgeries below would be found for the wrong reason."""
    folder = signed_again(published, published.copy(tmp_path), lambda rows, header: (rows, header))
    assert replay(folder).ok


async def test_numbers_of_another_version_do_not_hinder(published: Published, tmp_path: Path) -> None:
    def newer(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
        return rows, msgspec.structs.replace(header, rules={**header.rules, "of_tomorrow": 1})

    assert replay(signed_again(published, published.copy(tmp_path), newer)).ok


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_anywhere_is_found(
    published: Published, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = published.copy(tmp_path_factory.mktemp("flip"))
    name = data.draw(st.sampled_from(NAMES))
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / name).write_bytes(bytes(content))
    changed = replay(folder)
    assert not changed.ok
    assert changed.first_difference
    assert changed.digest != published.replayed.digest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["missing", "empty", "cut", "longer"])
def test_a_file_that_is_not_whole_is_a_difference(
    published: Published, tmp_path: Path, name: str, what: str
) -> None:
    folder = published.copy(tmp_path)
    content = (folder / name).read_bytes()
    if what == "missing":
        (folder / name).unlink()
    else:
        kept = {"empty": b"", "cut": content[: len(content) // 2], "longer": content + b"\n"}[what]
        (folder / name).write_bytes(kept)
    assert not replay(folder).ok


def audited(rows: list[AuditRow]) -> tuple[int, AuditRow]:
    return next((at, row) for at, row in enumerate(rows) if row.verdict and row.verdict.truths)


def changed_row(rows: list[AuditRow], at: int, **changes: Any) -> list[AuditRow]:
    return [*rows[:at], msgspec.structs.replace(rows[at], **changes), *rows[at + 1 :]]


def changed_verdict(rows: list[AuditRow], **changes: Any) -> list[AuditRow]:
    at, row = audited(rows)
    assert row.verdict is not None
    return changed_row(rows, at, verdict=msgspec.structs.replace(row.verdict, **changes))


def _another_verdict(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return changed_verdict(rows, verdict="rejected", reason="differs_from_truth"), header


def _another_score(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return changed_verdict(rows, similarity=0.61), header


def _another_confirmed(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return changed_verdict(rows, confirmed_ppm=17), header


def _another_nodes(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return changed_verdict(rows, node_id="7" * 64), header


def _another_text(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    _, row = audited(rows)
    assert row.verdict is not None
    return changed_verdict(rows, record=row.verdict.record.replace("x1 ", "y1 ", 1)), header


def _another_truth(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    _, row = audited(rows)
    assert row.verdict is not None
    truth = row.verdict.truths[0]
    truth = msgspec.structs.replace(truth, record=truth.record.replace("A page", "Another", 1))
    return changed_verdict(rows, truths=[truth, *row.verdict.truths[1:]]), header


def _an_entry_left_out(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, _ = audited(rows)
    return [*rows[:at], *rows[at + 1 :]], header


def _an_entry_called_undrawn(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, row = audited(rows)
    assert row.verdict is not None
    hidden = AuditRow(row.seq, "undrawn", row.record_sha256, record=row.verdict.record)
    return [*rows[:at], hidden, *rows[at + 1 :]], header


def _an_entry_called_truth(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, _ = audited(rows)
    return changed_row(rows, at, kind="truth", validator_id="7" * 64, verdict=None), header


def _an_entry_called_canary(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, _ = audited(rows)
    return changed_row(rows, at, kind="canary", verdict=None), header


def _a_lower_share(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, _ = audited(rows)
    return changed_row(rows, at, share_ppm=1, drawn_by=[], doubled_by=[], verdict=None), header


def _a_draw_denied(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, _ = audited(rows)
    return changed_row(rows, at, drawn_by=[], doubled_by=[]), header


def _a_stranger_draws(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    at, row = audited(rows)
    return changed_row(rows, at, drawn_by=[*row.drawn_by, "7" * 64]), header


def _other_dividends(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first, second, *rest = header.dividends
    moved = [
        msgspec.structs.replace(first, share_ppm=first.share_ppm + 5),
        msgspec.structs.replace(second, share_ppm=second.share_ppm - 5),
    ]
    return rows, msgspec.structs.replace(header, dividends=[*moved, *rest])


def _other_counts(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return rows, msgspec.structs.replace(header, drawn=header.drawn + 1)


def _another_secret(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first, *rest = header.validators
    return rows, msgspec.structs.replace(
        header, validators=[msgspec.structs.replace(first, secret="7" * 64), *rest]
    )


def _a_secret_kept_back(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first, *rest = header.validators
    return rows, msgspec.structs.replace(
        header, validators=[msgspec.structs.replace(first, secret=""), *rest]
    )


def _an_invented_validator(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first = header.validators[0]
    invented = msgspec.structs.replace(first, validator_id="f" * 64)
    return rows, msgspec.structs.replace(header, validators=[*header.validators, invented])


def _a_swapped_commitment(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first, second, *rest = header.validators
    swapped = msgspec.structs.replace(first, committed=second.committed)
    return rows, msgspec.structs.replace(header, validators=[swapped, second, *rest])


def _a_later_commitment(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    first, *rest = header.validators
    moved = msgspec.structs.replace(first, from_seq=header.last_seq)
    return rows, msgspec.structs.replace(header, validators=[moved, *rest])


def _another_beginning(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return rows, msgspec.structs.replace(header, first_head="7" * 64)


def _other_rules(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return rows, msgspec.structs.replace(header, rules={**header.rules, "doubled_ppm": 999_999})


def _no_rules(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return rows, msgspec.structs.replace(header, rules={"doubled_ppm": "many"})


def _better_trust(rows: list[AuditRow], header: Header) -> tuple[list[AuditRow], Header]:
    return rows, msgspec.structs.replace(header, trust="9 independent validator operators")


FORGERIES: dict[str, Change] = {
    name[1:]: change for name, change in list(globals().items()) if name.startswith(("_an", "_a_", "_other"))
} | {"no_rules": _no_rules, "better_trust": _better_trust}


@pytest.mark.parametrize("name", FORGERIES)
def test_what_the_coordinator_itself_forges_is_found(published: Published, tmp_path: Path, name: str) -> None:
    folder = signed_again(published, published.copy(tmp_path), FORGERIES[name])
    found = replay(folder)
    assert not found.ok, name
    assert found.digest != published.replayed.digest


def test_another_coordinators_files_are_refused(published: Published) -> None:
    assert not replay(published.folder, coordinator_id="7" * 64).ok
    assert not replay(published.folder, epoch_id=2).ok
    assert replay(published.folder, published.world.house.coordinator_id, 1).ok


async def test_the_files_are_served_when_they_are_closed(published: Published) -> None:
    doors = {route.pattern: route.handle for route in published.world.routes}
    listed = msgspec.json.decode((await doors["/v1/audit/epochs"](Request("GET", ""))).body)
    assert [epoch["epoch_id"] for epoch in listed["epochs"]] == [1]
    for name in NAMES:
        asked = Request("GET", "", params={"epoch_id": "1", "name": name})
        answer = await doors["/v1/audit/epochs/{epoch_id}/{name}"](asked)
        assert answer.file == published.folder / name
    for epoch_id, name in (("1", "state.db"), ("1", "../1/header.json"), ("2", HEADER), ("x", HEADER)):
        asked = Request("GET", "", params={"epoch_id": epoch_id, "name": name})
        with pytest.raises(WindrowError):
            await doors["/v1/audit/epochs/{epoch_id}/{name}"](asked)


def test_the_rules_are_those_the_epoch_began_with(published: Published) -> None:
    header = msgspec.json.decode((published.folder / HEADER).read_bytes(), type=Header)
    assert msgspec.convert(header.rules, TrustRules) == HALF


def test_every_place_of_the_log_has_its_line(published: Published) -> None:
    rows = list(read_rows(published.folder))
    with published.world.house.state.read() as connection:
        last = connection.execute(
            sa.select(audit_epochs.c.last_seq).where(audit_epochs.c.epoch_id == 1)
        ).scalar()
        logged = connection.execute(
            sa.select(submissions.c.record_sha256)
            .where(submissions.c.seq <= last)
            .order_by(submissions.c.seq)
        ).scalars()
        assert [row.record_sha256 for row in rows] == list(logged)
        with_secrets = connection.execute(sa.select(audit_secrets.c.secret)).scalars().all()
        assert open_epoch(connection) == 2
        assert connection.execute(sa.select(sa.func.count()).select_from(nodes)).scalar() == 4
    assert len([secret for secret in with_secrets if secret]) == 3
