"""What is a page's own, told by a page of its host that says nearly the same.

Pages of one template share most of their shingles: the score counts all alike, so a neighbour's text is like the page.
Where the house holds such a neighbour, what *all* truths have and the neighbour has not is the page's own, and a text
must have a share of that too.

Rules: pure. What changes with every fetch is not in all truths, and so is nobody's own. A text that lacks the page's
own part is another page's only if it has the neighbour's own in its place; otherwise the page may have been another
one when it was fetched, and nothing is proved.

Does not: find a neighbour (`audits/neighbours`), or decide (`comparison`).

Usage: `score = score_of_own_part(claimed, truths, neighbour)`; `is_of_neighbour(claimed, versions, neighbour)`.

Source: docs/adr/0083-a-pages-own-part.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from windrow_protocol.limits import NEIGHBOUR_SHARE_MIN, NEIGHBOUR_SHINGLES_MIN, OWN_SHARE_MIN

Shingles = frozenset[int]


def score_of_own_part(claimed: Shingles, truths: Sequence[Shingles], neighbour: Shingles | None) -> float:
    """Return the share of the page's own shingles that was claimed where it is too low, else 1.0.

    1.0 also where there is no neighbour, no truth, or nothing of the page's own.
    """
    if neighbour is None or not truths:
        return 1.0
    own = frozenset.intersection(*truths) - neighbour
    if not own:
        return 1.0
    share = len(claimed & own) / len(own)
    return share if share < OWN_SHARE_MIN else 1.0


def is_of_neighbour(claimed: Shingles, versions: Sequence[Shingles], neighbour: Shingles | None) -> bool:
    """Say whether a text has what the neighbour has and no known version of the page: no truth, and none earlier."""
    if neighbour is None:
        return False
    foreign = neighbour - frozenset().union(*versions)
    enough = len(foreign) >= NEIGHBOUR_SHINGLES_MIN
    return enough and len(claimed & foreign) / len(foreign) >= NEIGHBOUR_SHARE_MIN
