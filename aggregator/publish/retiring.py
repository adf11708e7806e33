"""Ends the versions that hold something a person took back: nobody is given them any more, and their rows are deleted.

    "" ──something of it was taken back──▶ wanted ──its files are gone──▶ done

Rules: marked first, within one transaction, so that from then on nothing is handed out; the files follow, and after a
crash at the next start. Manifest, card and the list of removals stay: they say nothing of anybody, and what was signed
and sold stays provable. An aggregate is not retired: nobody can be told from it, whoever is in it or left. Whoever
bought a retired version is given its successor.

Does not: reach copies that buyers have; the removals of every later version name the rows. Usage: `retire(house)`.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.house import House
from storage.published import EXPORTS, published_files
from storage.tables.contributions import exports
from storage.tables.person_months import export_donations, export_months
from storage.tables.personal import withdrawals
from windrow_protocol.exports import MANIFEST_NAME, PROVENANCE_NAME, SAMPLE_NAME, decode_manifest

ROWS = ("data", SAMPLE_NAME, PROVENANCE_NAME)


def retire(house: House) -> list[str]:
    """Retire what has to be, finish what a crash left, and return the versions that ended now."""
    gone = sa.select(withdrawals.c.contribution_id).where(
        withdrawals.c.contribution_id == export_donations.c.contribution_id
    )
    holds = sa.exists().where(
        export_donations.c.dataset == exports.c.dataset,
        export_donations.c.version == exports.c.version,
        sa.exists(gone),
    )
    with house.state.write() as connection:
        connection.execute(sa.update(exports).where(exports.c.retired == "", holds).values(retired="wanted"))
        wanted = connection.execute(sa.select(exports).where(exports.c.retired == "wanted")).all()
    for row in wanted:
        folder = published_files(house.env.disk, house.home, row.dataset, row.version).folder
        for name in ROWS:
            house.env.disk.remove(folder / name)
    if wanted:
        with house.state.write() as connection:
            connection.execute(sa.update(exports).where(exports.c.retired == "wanted").values(retired="done"))
    return [f"{row.dataset}/{row.version}" for row in wanted]


def clear_unfinished(house: House) -> None:
    """At a start, before anything is published: delete rows that a crash left, and end versions whose rows are missing.

    Half-built exports may hold what is taken back tomorrow, and no row of `exports` leads to them. A backup has no rows
    about people, so a house restored from one cannot give them out.
    """
    folder, disk = house.home / EXPORTS, house.env.disk
    for unfinished in sorted(folder.glob(".*.building")):
        disk.remove(unfinished)
    with house.state.write() as connection:
        known = {(row.dataset, row.version) for row in connection.execute(sa.select(exports))}
        of_months = sa.select(export_months.c.dataset, export_months.c.version).distinct()
        for dataset, version in connection.execute(of_months).all():
            if not published_files(disk, house.home, dataset, version).has("data"):
                of_it = (exports.c.dataset == dataset) & (exports.c.version == version)
                connection.execute(sa.update(exports).where(of_it).values(retired="done"))
    for name in sorted(disk.tree(folder)):
        dataset, _, rest = name.partition("/")
        version, _, file = rest.partition("/")
        if file != MANIFEST_NAME or (dataset, version) in known:
            continue
        files = published_files(disk, house.home, dataset, version)
        if decode_manifest(files.read(MANIFEST_NAME)).about_people:
            disk.remove(files.folder)
