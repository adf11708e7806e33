"""A contribution as an honest node hands it in, for tests that need many of them."""

from __future__ import annotations

from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, contribution_id_for


def honest_record(node_id: str, lease_id: str, url: str, text: str, fetched_at_ms: int) -> Contribution:
    """Return a contribution of a text in normal form for one lease."""
    return Contribution(
        contribution_id=contribution_id_for(lease_id, node_id),
        lease_id=lease_id,
        url=url,
        final_url=url,
        http_status=200,
        content_type="text/html",
        fetched_at_ms=fetched_at_ms,
        robots_state="allowed",
        optout_signals=[],
        raw_sha256=text_sha256("raw" + text),
        text=text,
        text_sha256=text_sha256(text),
    )
