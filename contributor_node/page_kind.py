"""Whether a page says of itself that it is an article, so that comments below it are no part of it.

Rules: signs in the markup alone, none a length or a share: a page that changes a little between two fetches is not
taken for another kind. What says anywhere that it is a discussion is none: there the comments are the page.

Does not: parse, or take text (`extract`). Usage: `extract_plain_text(tree, comments=not is_article(markup))`.

Source: schema.org types, Open Graph's `og:type`, and what blog and forum programs write into their pages.
"""

from __future__ import annotations

from typing import Final

# In their own spelling: folding the whole markup would take longer than all searches.
_ARTICLE: Final = ('"Article"', '"NewsArticle"', '"BlogPosting"', "wp-content/")
_DISCUSSION: Final = (
    *("DiscussionForumPosting", "QAPage", 'content="Discourse', "phpBB", "phpbb", "XenForo", "vBulletin"),
    *("vbulletin", "Invision Community", "ipsLayout", "viewtopic.php", "showthread.php"),
)
_OPEN_GRAPH_CHARS: Final = 60


def is_article(markup: str) -> bool:
    """Say whether a page's markup calls it an article, or a blog program wrote it, and nothing calls it discussion."""
    says = _open_graph_article(markup) or any(sign in markup for sign in _ARTICLE)  # the likeliest first
    return says and not is_discussion(markup)


def is_discussion(markup: str) -> bool:
    """Say whether a page's markup calls it a discussion, or a forum program wrote it."""
    return any(sign in markup for sign in _DISCUSSION)


def _open_graph_article(markup: str) -> bool:
    found = markup.find("og:type")
    return found >= 0 and "article" in markup[found : found + _OPEN_GRAPH_CHARS]
