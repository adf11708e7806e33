"""Leases, durable ingest, verification, dedup, curation, publishing and operator SQL."""
