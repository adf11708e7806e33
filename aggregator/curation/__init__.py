"""Judgements that sit beside documents: language, quality, licence, rights, tokens and personal-data findings.

Usage: `note = annotate(text, url=url, robots_state="allowed", optout_signals=[])`.
"""

from aggregator.curation.annotations import VERSION, Annotations, annotate

__all__ = ["VERSION", "Annotations", "annotate"]
