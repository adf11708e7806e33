"""Novelty: is this text new to everything ever seen, a copy, or nearly a copy, and of whose text.

Usage::

    index = HouseIndex(house.env.disk, house.home / "dedup", segments)
    with state.write() as connection:
        duplicates = index.judge(connection, committed, incoming, position)
"""

from aggregator.dedup.boilerplate import Marked, drop_lines, mark_boilerplate, read_pages
from aggregator.dedup.house_index import HouseIndex
from aggregator.dedup.minhash import Sketch, sketch, sketch_all
from aggregator.dedup.postings import Postings
from aggregator.dedup.postings_in_memory import MemoryPostings
from aggregator.dedup.seen import Duplicate, Incoming, Judged, SeenIndex
from aggregator.dedup.verifying import SeenDocument, SeenDocuments
from aggregator.dedup.warming import warm_up

__all__ = [
    "Duplicate",
    "HouseIndex",
    "Incoming",
    "Judged",
    "Marked",
    "MemoryPostings",
    "Postings",
    "SeenDocument",
    "SeenDocuments",
    "SeenIndex",
    "Sketch",
    "drop_lines",
    "mark_boilerplate",
    "read_pages",
    "sketch",
    "sketch_all",
    "warm_up",
]
