"""What the names that a page gives its elements say: classes, ids and roles as a set of bits.

Rules: each bit stands for a part that pages have (navigation, comments, prices …); a name may stand for several. Only
substrings are looked for, in at most `NAME_CHARS_MAX` characters, so that a hostile name costs no more than another.
The order of bits is part of the weights' layout.

Does not: weigh what was found (`block_scores`).

Usage::

    bits = TAG_BITS.get("nav", 0) | name_bits("site-menu top")
"""

from __future__ import annotations

NAME_CHARS_MAX = 200
TAG_BITS = {
    "nav": 1,
    "menu": 1,
    "footer": 2,
    "header": 4,
    "aside": 8,
    "main": 16,
    "article": 32,
    "form": 64,
    "table": 128,
    "li": 256,
    "figure": 512,
    "noscript": 1024,
    "details": 2048,
    "blockquote": 4096,
}
_NAMED = (
    ("comment", "comment disqus respond replies"),
    ("navigation", "nav menu crumb toolbar skip- toc sitemap"),
    ("footer", "foot copyright colophon legal imprint impressum"),
    ("header", "header masthead topbar banner logo"),
    ("side", "side widget rail box"),
    ("share", "share sharing social follow facebook twitter"),
    (
        "related",
        "relat recommend similar popular trending readmore read-more read-next more- latest recent also",
    ),
    ("advert", "ad- ads- -ad _ad advert sponsor promo cta outbrain taboola affiliate"),
    ("consent", "cookie consent gdpr privacy modal popup overlay lightbox toast notice alert"),
    ("byline", "author byline meta date time posted publish info avatar user profile vcard signature"),
    ("content", "content entry post article story body text copy prose rich markdown wysiwyg"),
    ("product", "product detail descri spec feature overview summary"),
    ("price", "price cart basket checkout buy stock sku qty quantity variant swatch wishlist shipping"),
    ("review", "review rating testimonial quote feedback faq accordion"),
    (
        "signup",
        "newsletter subscri signup sign-in signin login register form search filter sort facet refine",
    ),
    ("tags", "tag categor topic label keyword badge pill"),
    ("pages", "paging pagina pager prev next load-more carousel slider swiper"),
    ("image", "caption image photo gallery figure thumb media credit"),
    ("card", "card tile grid list item result row col- teaser feed"),
    ("hero", "hero intro lead headline title standfirst tagline jumbotron"),
    ("thread", "thread message question answer discussion forum bbs msg reply"),
    ("hidden", "hidden visually sr-only screen-reader d-none offscreen collapse print"),
)
_NAME_BITS = [
    (word, 1 << (13 + place)) for place, (_, listed) in enumerate(_NAMED) for word in listed.split()
]
MASK_BITS = 13 + len(_NAMED)
HIDDEN_BIT = 1 << (MASK_BITS - 1)


def name_bits(name: str) -> int:
    """Return the bits of a class, id and role written one after the other."""
    folded = name[:NAME_CHARS_MAX].lower()
    bits = 0
    for word, bit in _NAME_BITS:
        if word in folded:
            bits |= bit
    return bits
