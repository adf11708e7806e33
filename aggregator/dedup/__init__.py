"""Novelty: is this text new to everything ever seen, a copy, or nearly a copy, and of whose text.

Usage::

    state = State.open(url, dedup_metadata)
    with state.write() as connection:
        duplicate = SeenIndex(SqlSeenStore(connection, dedup_tables)).judge(contribution_id, text)
"""

from aggregator.dedup.seen import Duplicate, SeenIndex, SeenStore
from aggregator.dedup.seen_in_memory import MemorySeenStore
from aggregator.dedup.seen_in_sql import SqlSeenStore
from aggregator.dedup.tables import DedupTables, dedup_metadata, dedup_tables, define_tables

__all__ = [
    "DedupTables",
    "Duplicate",
    "MemorySeenStore",
    "SeenIndex",
    "SeenStore",
    "SqlSeenStore",
    "dedup_metadata",
    "dedup_tables",
    "define_tables",
]
