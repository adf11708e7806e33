"""Judgements that sit beside documents: language, quality, licence, rights, tokens and personal-data findings.

Usage: `note = annotate(text, url=url, robots_state="allowed", optout_signals=[])`.
"""

from aggregator.curation.annotations import VERSION, Annotations, Fetched, annotate, annotate_all

__all__ = ["VERSION", "Annotations", "Fetched", "annotate", "annotate_all"]
