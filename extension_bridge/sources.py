"""What can be given, as one table: which fields of each source may leave, how exact, whose words, and what it is paid.

Rules: pure. A source is a kind of thing, not the service that kept it: which service that was does not leave. What is
not in `fields` leaves under no consent. But for pages and visits, a time is a month.

Does not: word the consent (`notices`), or redact (`donation`).

Usage: `rule = RULES["search"]`; `if field in rule.fields: …`.

Source: docs/adr/0069-what-leaves-of-an-export.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from windrow_protocol.personal.messages import Role

Source = Literal[
    "browser_page",
    "browser_history",
    "ai_prompt",  # what somebody wrote to an assistant
    "ai_answer",  # what the assistant answered
    "search",
    "watch",
    "listen",
    "post",  # something published, or a comment
    "reaction",  # a like, a vote, a star, a bookmark
    "message",  # what somebody wrote to other people
    "transaction",  # money out
]
BrowserSource = Literal["browser_page", "browser_history"]  # what the extension may put aside
Field = Literal["url", "title", "text", "captured_at_ms", "role", "amount"]
PriceRule = Literal[
    "share_of_sales",  # of the months that are sold
    "pooled",  # what it is sold for is shared among all months of history, whoever gave it
    "none",  # it is in no dataset that is sold
]
BROWSER_FIELDS: Final[tuple[Field, ...]] = ("url", "title", "text", "captured_at_ms")


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What holds for one source.

    `fields` may leave, and of `needs` one has to be there. `author` is who wrote the words, where that is told.
    """

    fields: tuple[Field, ...]
    needs: tuple[Field, ...]
    author: Role | None = None
    by_month: bool = True
    is_bare_of_quotes: bool = False  # what others wrote does not leave with what one wrote oneself
    is_bare_of_accounts: bool = False  # nor does the account of anybody that is named
    is_bare_of_numbers: bool = False
    price: PriceRule = "none"


RULES: Final[dict[Source, SourceRule]] = {
    "browser_page": SourceRule(BROWSER_FIELDS, ("text",), by_month=False, price="share_of_sales"),
    "browser_history": SourceRule(
        ("url", "title", "captured_at_ms"), ("url", "title"), by_month=False, price="share_of_sales"
    ),
    "ai_prompt": SourceRule(
        ("text", "captured_at_ms", "role"), ("text",), author="self", is_bare_of_quotes=True
    ),
    "ai_answer": SourceRule(("text", "captured_at_ms", "role"), ("text",), author="assistant"),
    "search": SourceRule(("text", "captured_at_ms"), ("text",), price="pooled"),
    "watch": SourceRule(("title", "text", "captured_at_ms"), ("title",), price="pooled"),
    "listen": SourceRule(("title", "text", "captured_at_ms"), ("title",), price="pooled"),
    "post": SourceRule(
        ("title", "text", "captured_at_ms", "role"),
        ("text", "title"),
        author="self",
        is_bare_of_quotes=True,
        is_bare_of_accounts=True,
    ),
    "reaction": SourceRule(("url", "captured_at_ms"), ("url",)),
    "message": SourceRule(
        ("text", "captured_at_ms", "role"),
        ("text",),
        author="self",
        is_bare_of_quotes=True,
        is_bare_of_accounts=True,
    ),
    "transaction": SourceRule(
        ("title", "amount", "captured_at_ms"), ("title",), is_bare_of_accounts=True, is_bare_of_numbers=True
    ),
}
