"""How pages of the real web differ from one fetch to the next: kinds of noise, and three webs mixed from them.

Rules: a kind is a function of the page's markup, the visit and a generator seeded by both; the same visit gives the
same bytes. Half of the blocks are named so that an extractor may know them (`class="comments"`), half are not. What a
kind adds is written with sentences of other real pages. The kinds and their strengths were set down before anything
was measured with them.

Does not: serve (`server.py`) or judge.

Usage::

    answer = respond(page, ["adverts", "timestamps"], visit, pool, seed=1)
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.changing_web.base_pages import BasePage, Pool

REGIONS: Final = ("eu", "us", "asia")
_PARAGRAPH_END: Final = re.compile(r"</p\s*>", re.IGNORECASE)
_BODY_START: Final = re.compile(r"<body[^>]*>", re.IGNORECASE)
_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_LIST: Final = re.compile(
    r"(<(ul|ol)\b[^>]*>)((?:(?!</?(?:ul|ol)\b).)*?)(</\2\s*>)", re.IGNORECASE | re.DOTALL
)
_ITEM: Final = re.compile(r"<li\b.*?(?=<li\b|$)", re.IGNORECASE | re.DOTALL)
_PARAGRAPH: Final = re.compile(r"<p\b[^>]*>.*?</p\s*>", re.IGNORECASE | re.DOTALL)
_HREF: Final = re.compile(r'href="(/[^"?#]*)"')


@dataclass(frozen=True)
class Visit:
    """One fetch: how many came before it to this page, minutes since the first, and who asks from where."""

    number: int
    minute: int
    address: str
    region: str


@dataclass(frozen=True)
class Answer:
    """What the server says."""

    status: int
    markup: str


@dataclass(frozen=True)
class Scene:
    """What a kind may use: `own` draws the same for every visit of the page, `rng` anew for each."""

    page: BasePage
    visit: Visit
    pool: Pool
    own: random.Random
    rng: random.Random


Kind = Callable[[str, Scene], str | Answer]


def respond(page: BasePage, kinds: Sequence[str], visit: Visit, pool: Pool, *, seed: int) -> Answer:
    """Return what a page with these kinds of noise answers to a visit."""
    markup = page.markup
    for name in kinds:
        own = random.Random(f"{seed}/{page.host}/{page.name}/{name}")
        rng = random.Random(f"{seed}/{page.host}/{page.name}/{name}/{visit.number}/{visit.address}")
        changed = KINDS[name](markup, Scene(page, visit, pool, own, rng))
        if isinstance(changed, Answer):
            return changed
        markup = changed
    return Answer(200, markup)


# --- where things are put -------------------------------------------------------------------------------------


def _block(scene: Scene, named: str, inner: str) -> str:
    """One block, by the page's habit named for what it is or not."""
    return f'<div class="{named if scene.own.random() < 0.5 else "b-" + str(scene.own.randrange(10**6))}">{inner}</div>'


def _after_paragraphs(markup: str, blocks: Sequence[str], rng: random.Random) -> str:
    ends = [match.end() for match in _PARAGRAPH_END.finditer(markup)]
    if not ends:
        return _at_end(markup, "".join(blocks))
    for place, block in sorted(zip(rng.choices(ends, k=len(blocks)), blocks, strict=True), reverse=True):
        markup = markup[:place] + block + markup[place:]
    return markup


def _at_start(markup: str, block: str) -> str:
    found = _BODY_START.search(markup)
    place = found.end() if found else 0
    return markup[:place] + block + markup[place:]


def _at_end(markup: str, block: str) -> str:
    found = list(_BODY_END.finditer(markup))
    place = found[-1].start() if found else len(markup)
    return markup[:place] + block + markup[place:]


def _after_text(markup: str, block: str) -> str:
    """Behind the last paragraph, where comments and related articles stand."""
    ends = [match.end() for match in _PARAGRAPH_END.finditer(markup)]
    return markup[: ends[-1]] + block + markup[ends[-1] :] if ends else _at_end(markup, block)


def _paragraphs(texts: Sequence[str]) -> str:
    return "".join(f"<p>{html.escape(text, quote=False)}</p>" for text in texts)


# --- the kinds ------------------------------------------------------------------------------------------------


def _static(markup: str, scene: Scene) -> str:
    return markup


def _tokens(markup: str, scene: Scene) -> str:
    """Session ids in links, a form token, a build number: bytes that differ and say nothing."""
    token = f"{scene.rng.getrandbits(128):032x}"
    markup = _HREF.sub(lambda match: f'href="{match[1]}?sid={token}"', markup)
    hidden = (
        f'<form><input type="hidden" name="csrf" value="{token}"></form><!-- build {scene.visit.minute} -->'
    )
    return _at_end(markup, f"{hidden}<script>window.nonce='{token}'</script>")


def _timestamps(markup: str, scene: Scene) -> str:
    """Ages and counters that anybody can see, at the head, in the text and below it."""
    minute, rng = scene.visit.minute, scene.rng
    seen = scene.own.randrange(50, 90_000) + minute * scene.own.randrange(1, 9)
    head = f"<p>Updated {minute + 3} minutes ago. {seen:,} views. {rng.randrange(2, 400)} people are reading this.</p>"
    inner = [f"<p>{rng.randrange(1, 59)} minutes ago</p>" for _ in range(scene.own.randrange(0, 4))]
    clock = f"{8 + minute // 60:02d}:{minute % 60:02d}:{rng.randrange(60):02d}"
    foot = f"<p>Page generated at {clock} in 0.0{rng.randrange(99)} s</p>"
    markup = _after_paragraphs(markup, inner, scene.own)
    return _at_end(_after_paragraphs(markup, [head], scene.own), foot)


def _adverts(markup: str, scene: Scene) -> str:
    """One to four adverts of 10 to 50 words between paragraphs, others each time."""
    count = scene.own.randrange(1, 5)
    adverts = [
        _block(scene, "advert", _paragraphs([scene.pool.prose(scene.rng, scene.rng.randrange(10, 40))]))
        for _ in range(count)
    ]
    return _after_paragraphs(markup, adverts, scene.own)


def _related(markup: str, scene: Scene) -> str:
    """Four to eight other headlines with teasers below the text, drawn anew for each visit."""
    items = "".join(
        f"<li><a href='/x'>{html.escape(scene.rng.choice(scene.pool.titles))}</a> "
        f"{html.escape(scene.rng.choice(scene.pool.sentences), quote=False)}</li>"
        for _ in range(scene.own.randrange(4, 9))
    )
    return _after_text(markup, _block(scene, "related", f"<h3>Read next</h3><ul>{items}</ul>"))


def _comments(markup: str, scene: Scene) -> str:
    """A list of comments that grows by up to three with each visit, sorted by what is liked just now."""
    count = scene.own.randrange(0, 12) + sum(scene.own.randrange(0, 4) for _ in range(scene.visit.number + 1))
    said = [scene.pool.prose(scene.own, scene.own.randrange(5, 40)) for _ in range(count)]
    if scene.own.random() < 0.5:
        scene.rng.shuffle(said)
    return _after_text(
        markup, _block(scene, "comments", f"<h3>{count} comments</h3>{_paragraphs(said[:20])}")
    )


def _personalised(markup: str, scene: Scene) -> str:
    """A greeting, a price and a block of local headlines, by the visitor's address and region."""
    local = random.Random(f"{scene.page.host}/{scene.visit.region}")
    region = scene.visit.region
    greeting = f"<p>Welcome, visitor from {scene.visit.address} ({region}). Prices for {region}.</p>"
    headlines = _paragraphs([local.choice(scene.pool.sentences) for _ in range(scene.own.randrange(2, 6))])
    block = _block(scene, "local", f"<h3>In your region</h3>{headlines}")
    return _after_paragraphs(_at_start(markup, greeting), [block], scene.own)


def _shuffled(markup: str, scene: Scene) -> str:
    """Every plain list in another order each time."""

    def shuffle(found: re.Match[str]) -> str:
        items = _ITEM.findall(found[3])
        scene.rng.shuffle(items)
        return found[1] + "".join(items) + found[4]

    return _LIST.sub(shuffle, markup)


def _ab_template(markup: str, scene: Scene) -> str:
    """Half of the visitors, always the same ones, see the page with a summary, a side column and a survey."""
    if random.Random(f"{scene.page.host}/{scene.visit.address}").random() < 0.5:
        return markup
    firsts = [html.unescape(re.sub(r"<[^>]+>", " ", each))[:120] for each in _PARAGRAPH.findall(markup)[:6]]
    brief = _block(scene, "summary", f"<h2>In brief</h2>{_paragraphs(firsts)}")
    side = f"<aside>{_paragraphs([scene.pool.prose(scene.own, 40)])}</aside>"
    survey = _block(scene, "survey", "<p>How do you like our new design? Tell us in two minutes.</p>")
    return _at_end(_at_start(markup, side + brief), survey)


def _cookie_banner(markup: str, scene: Scene) -> str:
    """In one region a banner of 60 to 150 words stands before the page."""
    if scene.visit.region != "eu":
        return markup
    words = scene.pool.prose(scene.own, scene.own.randrange(40, 130))
    banner = f"<h2>We value your privacy</h2><p>We and our partners store cookies. {html.escape(words)}</p>"
    return _at_start(markup, _block(scene, "cookie-banner", f"{banner}<button>Accept all</button>"))


def _truncated(markup: str, scene: Scene) -> str:
    """One visit of four meets a meter: the first 35 % of the paragraphs, and an invitation to subscribe."""
    return (
        _cut(markup, 0.35, "Subscribe to read on. You have read your free articles of this month.")
        if (scene.rng.random() < 0.25)
        else markup
    )


def _paginated(markup: str, scene: Scene) -> str:
    """One visitor of five, always the same ones, gets page one of three."""
    if random.Random(f"{scene.page.host}/{scene.visit.address}/pages").random() < 0.8:
        return markup
    return _cut(markup, 1 / 3, "Page 1 of 3. Next page")


def _cut(markup: str, share: float, note: str) -> str:
    found = list(_PARAGRAPH.finditer(markup))
    if len(found) < 4:
        return markup
    kept = max(1, round(len(found) * share))
    return (
        markup[: found[kept - 1].end()]
        + f"<p>{note}</p>"
        + _PARAGRAPH.sub("", markup[found[kept - 1].end() :])
    )


def _edited(markup: str, scene: Scene) -> str:
    """A page that is written on: up to two new paragraphs for each visit before, the newest first."""
    count = sum(scene.own.randrange(0, 3) for _ in range(scene.visit.number + 1))
    new = [scene.pool.prose(scene.own, 30) for _ in range(count)][::-1]
    found = _PARAGRAPH.search(markup)
    place = found.start() if found else 0
    return markup[:place] + _paragraphs(new) + markup[place:] if found else _at_end(markup, _paragraphs(new))


def _flaky(markup: str, scene: Scene) -> str | Answer:
    """One visit of six ends in an error that says so."""
    if scene.rng.random() >= 1 / 6:
        return markup
    status = scene.rng.choice((429, 500, 502, 503, 403))
    return Answer(
        status, f"<html><body><h1>{status}</h1><p>Something went wrong. Try again later.</p></body></html>"
    )


def _soft_block(markup: str, scene: Scene) -> str | Answer:
    """One visit of twelve meets a challenge that pretends to be a page (status 200)."""
    if scene.rng.random() >= 1 / 12:
        return markup
    ray = f"{scene.rng.getrandbits(64):016x}"
    said = (
        f"Checking your browser before you enter {scene.page.host}. This is automatic and takes five seconds. "
        "Please enable JavaScript and cookies to continue. Why do I see this? The site is protected against bots. "
        f"Your address is {scene.visit.address}. Request {ray}."
    )
    head = "<head><title>Just a moment</title></head>"
    return Answer(200, f"<html>{head}<body><h1>One moment</h1><p>{said}</p></body></html>")


KINDS: Final[Mapping[str, Kind]] = {
    "static": _static,
    "tokens": _tokens,
    "timestamps": _timestamps,
    "adverts": _adverts,
    "related": _related,
    "comments": _comments,
    "personalised": _personalised,
    "shuffled_lists": _shuffled,
    "ab_template": _ab_template,
    "cookie_banner": _cookie_banner,
    "truncated": _truncated,
    "paginated": _paginated,
    "edited": _edited,
    "flaky": _flaky,
    "soft_block": _soft_block,
}

# Shares in percent of a web's pages; the calm one follows 65 real URLs fetched twice eleven minutes apart, of which six
# of 32 pages differed in bytes and none in text. In the pessimistic one two kinds meet on every page.
WEBS: Final[Mapping[str, Mapping[str, int]]] = {
    "calm": {"static": 78, "tokens": 16, "timestamps": 2, "adverts": 1, "related": 1, "comments": 1, "flaky": 1},
    "assumed": {
        "static": 36, "tokens": 16, "timestamps": 10, "adverts": 8, "related": 8, "comments": 5, "personalised": 4,
        "shuffled_lists": 2, "ab_template": 2, "cookie_banner": 3, "truncated": 1, "paginated": 1, "edited": 1,
        "flaky": 3,
    },
    "pessimistic": {
        "timestamps": 15, "adverts": 15, "related": 15, "comments": 10, "personalised": 10, "shuffled_lists": 5,
        "ab_template": 6, "cookie_banner": 8, "truncated": 3, "paginated": 3, "edited": 3, "flaky": 5, "soft_block": 2,
    },
}  # fmt: skip
KINDS_PER_PAGE: Final[Mapping[str, int]] = {"calm": 1, "assumed": 1, "pessimistic": 2}


def kinds_of(web: str, rng: random.Random) -> list[str]:
    """Draw the kinds of noise of one page of a web (`calm`, `assumed`, `pessimistic`)."""
    shares = WEBS[web]
    drawn = rng.choices(list(shares), list(shares.values()), k=KINDS_PER_PAGE[web])
    return list(dict.fromkeys(drawn))
