"""Whether a page says that it is a discussion, where comments are the page, or an article, where they are not.

Rules: signs in the markup alone, none a length or a share: a page that changes a little between two fetches is not
taken for another kind.

Does not: parse, or take text (`extract`). Usage: `if is_discussion(markup): …`.

Source: schema.org types, Open Graph's `og:type`, and what blog and forum programs write into their pages.
"""

from __future__ import annotations

from typing import Final

# In their own spelling: folding the whole markup would take longer than all searches.
_ARTICLE: Final = ("wp-content/", '"Article"', '"NewsArticle"', '"BlogPosting"')
_OPEN_GRAPH_CHARS: Final = 60
_TYPES: Final = ("DiscussionForumPosting", "QAPage")
_PROGRAMS: Final = (
    *('content="Discourse', "phpBB", "XenForo", "vBulletin", "Invision Community", "ipsLayout"),
    *("viewtopic.php", "showthread.php"),
)
_PROGRAM_CHARS: Final = (
    60_000  # programs name themselves at once; what it says of its types may stand at the end
)


def is_discussion(markup: str) -> bool:
    """Say whether a page's markup calls it a discussion, or a forum program wrote it."""
    if any(sign in markup for sign in _TYPES):
        return True
    begin = markup[:_PROGRAM_CHARS]
    return any(sign in begin for sign in _PROGRAMS)


def is_article(markup: str) -> bool:
    """Say whether a page's markup calls it an article, or a blog program wrote it."""
    return _open_graph_article(markup) or any(sign in markup for sign in _ARTICLE)  # the likeliest first


def _open_graph_article(markup: str) -> bool:
    found = markup.find("og:type")
    return found >= 0 and "article" in markup[found : found + _OPEN_GRAPH_CHARS]
