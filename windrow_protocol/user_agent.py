"""The name that every node of a network gives to sites, and the page it points publishers to.

Rules: one name for nodes and validators of every release, so that no site can tell one from another by it. The page is
the network's, not the owner's: what its coordinator publishes, an address in so few characters that nothing of it can
end the comment or the header it stands in. A network that publishes none is said to have none.

Does not: say whose page the address is; a coordinator may lie about that.

Usage: `user_agent("https://windrow.example.org/publishers")`.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

BOT: Final = "WindrowBot"  # the token of robots.txt, too
PUBLISHERS_URL_CHARS_MAX: Final = 200
PublishersUrl = Annotated[
    str,
    Meta(
        pattern=r"\A(?:https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/%-]*)?)?\Z",
        max_length=PUBLISHERS_URL_CHARS_MAX,
    ),
]


def user_agent(publishers_url: str) -> str:
    """Return the User-Agent of every page request; an empty `publishers_url` is said to be missing."""
    about = f"+{publishers_url}" if publishers_url else "its network names no page for publishers"
    return f"{BOT}/0.1 ({about})"
