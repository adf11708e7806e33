"""What one robots.txt lets a crawler fetch, and what it says about use: RFC 9309 as Google's own matcher decides it.

Rules: a URL is allowed only if Google's matcher allows it as written *and* the RFC's comparison allows it after escaped
unreserved characters are decoded on both sides; Windrow fetches canonical URLs, and `/~a` must not slip past a
`Disallow: /%7Ea`. A robots.txt that could not be read is not permission: unreachable, 5xx, 429 and unresolved redirects
disallow everything, other 4xx allow everything. `Content-Usage` rules follow draft-ietf-aipref-attach.

Does not: fetch, cache, follow redirects, wait, or decide what a usage statement means (`optout.py`).

Usage::

    rules = RobotsRules.parse(body, status=200)
    rules.allows("WindrowBot", "https://example.com/private/page")
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from windrow_protocol.limits import ROBOTS_BYTES_MAX, ROBOTS_CACHE_S, ROBOTS_LINE_BYTES_MAX
from windrow_protocol.robots_paths import capital_path, pattern_matches, plain_path, robots_path

_SPACE: Final = " \t\n\v\f\r"
_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_AGENT_TOKEN: Final = re.compile(r"[a-zA-Z_-]*")
_SECONDS: Final = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_WEB_URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)

# How a line's key is known. Google compares beginnings, and forgives frequent slips of the keyboard.
_KEYS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("user-agent", ("user-agent", "useragent", "user agent")),
    ("allow", ("allow",)),
    ("disallow", ("disallow", "dissallow", "dissalow", "disalow", "diasllow", "disallaw")),
    ("sitemap", ("sitemap", "site-map")),
    ("crawl-delay", ("crawl-delay",)),
    ("content-usage", ("content-usage",)),
    ("content-signal", ("content-signal",)),
    ("license", ("license",)),
)


class RobotsState(StrEnum):
    """Where the rules come from: a file that was read, a file that is not there, or an answer that never came."""

    RULES = "rules"
    ABSENT = "absent"
    UNREACHABLE = "unreachable"


class RobotsStatements(NamedTuple):
    """What a robots.txt says about the use of one URL, as written: see `optout.optout_signals`."""

    content_usage: tuple[str, ...] = ()
    content_signals: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()


class _PathRule(NamedTuple):
    pattern: str
    allow: bool


class _Statement(NamedTuple):
    key: str
    pattern: str
    text: str


@dataclass(slots=True)
class _Block:
    """Consecutive `User-agent` lines and what follows them; closed by the first rule that ends such a list."""

    agents: set[str] = field(default_factory=set)
    rules: list[_PathRule] = field(default_factory=list)
    statements: list[_Statement] = field(default_factory=list)
    closed: bool = False


class _Group(NamedTuple):
    """Everything said to one crawler. `written` and `decoded` run from the strongest rule to the weakest."""

    written: list[_PathRule]
    decoded: list[_PathRule]
    statements: list[_Statement]


def _by_strength(rules: Iterable[_PathRule]) -> list[_PathRule]:
    # The longest pattern wins, and among equals the one that allows (RFC 9309, 2.2.2): so the first match decides.
    return sorted(set(rules), key=lambda rule: (-len(rule.pattern), not rule.allow, rule.pattern))


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield (key, value) of each line that is a rule, keys as in `_KEYS`."""
    text = body[:ROBOTS_BYTES_MAX].decode("latin-1")
    for octet in "\xef\xbb\xbf":  # a byte-order mark, or as much of it as an editor left
        if not text.startswith(octet):
            break
        text = text[1:]
    lines = _LINE_END.split(text)
    if len(body) > ROBOTS_BYTES_MAX:
        lines.pop()  # half a line could allow or deny what the whole one does not
    for line in filter(None, lines):
        stripped = line[:ROBOTS_LINE_BYTES_MAX].partition("\0")[0].partition("#")[0].strip(_SPACE)
        key, colon, value = stripped.partition(":")
        if not colon:  # some forget the colon: accepted where exactly two words are left
            words = re.split(r"[ \t]+", stripped)
            if len(words) != 2:
                continue
            key, value = words
        known = _known_key(key.strip(_SPACE).lower())
        if known:
            yield known, value.strip(_SPACE)


def _known_key(key: str) -> str | None:
    return next((name for name, beginnings in _KEYS if key.startswith(beginnings)), None)


def _agent_key(value: str) -> str:
    """Return the group that a `User-agent` value names: its first letters, dashes and underscores, in lower case."""
    match = _AGENT_TOKEN.match(value)
    return match[0].lower() if match else ""


def _statement(key: str, value: str) -> _Statement:
    """Split `[path] statement`: a value that begins with a slash begins with a path (attach draft, 3.2)."""
    if not value.startswith("/"):
        return _Statement(key, "", value)
    path, *text = re.split(r"[ \t]+", value, maxsplit=1)
    return _Statement(key, plain_path(path), text[0] if text else "")


class RobotsRules:
    """The rules of one robots.txt. What it answers never changes; cache it for `limits.ROBOTS_CACHE_S`."""

    __slots__ = ("_crawl", "_groups", "_licenses", "_named", "_usage", "sitemaps", "state")

    def __init__(self, state: RobotsState) -> None:
        self.state = state
        self.sitemaps: tuple[str, ...] = ()
        self._licenses: tuple[str, ...] = ()
        # A usage rule ends the list of agents too (attach draft, 3), but Google's grouping must not see that:
        # so there are two lists of blocks. What is said about use before any agent is named is meant for all.
        self._crawl: list[_Block] = []
        self._usage: list[_Block] = [_Block({"*"}, closed=True)]
        self._named: set[str] = set()
        self._groups: dict[str, _Group] = {}

    @classmethod
    def parse(cls, body: bytes, status: int | None) -> RobotsRules:
        """Return the rules of an answer to GET /robots.txt; never fails, whatever the bytes.

        `status` is the final HTTP status after at most five redirects, None if nothing came. Source: RFC 9309, 2.3.1.
        """
        if status is not None and 200 <= status < 300:
            rules = cls(RobotsState.RULES)
            rules._read(body)
            return rules
        is_absent = status is not None and 400 <= status < 500 and status != 429
        return cls(RobotsState.ABSENT if is_absent else RobotsState.UNREACHABLE)

    def _read(self, body: bytes) -> None:
        found: dict[str, list[str]] = {"sitemap": [], "license": []}
        for key, value in _lines(body):
            if key == "user-agent":
                self._name(value)
            elif key in found:
                found[key].append(value)
            elif key in ("allow", "disallow"):
                self._add_path_rule(key == "allow", capital_path(value))
            else:
                self._usage[-1].statements.append(_statement(key, value))
                self._usage[-1].closed = True
        self.sitemaps = tuple(dict.fromkeys(found["sitemap"]))
        self._licenses = tuple(url for url in dict.fromkeys(found["license"]) if _WEB_URL.fullmatch(url))

    def _name(self, value: str) -> None:
        is_global = value.startswith("*") and (len(value) == 1 or value[1] in _SPACE)
        agent = "*" if is_global else _agent_key(value)
        self._named.add(agent)
        for blocks in (self._crawl, self._usage):
            if not blocks or blocks[-1].closed:
                blocks.append(_Block())
            blocks[-1].agents.add(agent)

    def _add_path_rule(self, allow: bool, pattern: str) -> None:
        if not self._crawl:
            return
        self._crawl[-1].closed = self._usage[-1].closed = True
        folder, slash, page = pattern.rpartition("/")
        if allow and slash and page.startswith("index.htm"):
            # Allowing the index page allows its folder's own URL (Google's matcher).
            self._crawl[-1].rules.append(_PathRule(f"{folder}/$", allow))
        if pattern:
            self._crawl[-1].rules.append(_PathRule(pattern, allow))

    def _group_of(self, user_agent_token: str) -> _Group:
        """Return all groups of one crawler as one (RFC 9309, 2.2.1): those that name it, else those for everyone."""
        agent = user_agent_token.partition("/")[0].lower()
        if agent not in self._named:
            agent = "*"
        if agent not in self._groups:
            self._groups[agent] = self._merged(agent)
        return self._groups[agent]

    def _merged(self, agent: str) -> _Group:
        rules = [rule for block in self._crawl if agent in block.agents for rule in block.rules]
        statements = [text for block in self._usage if agent in block.agents for text in block.statements]
        written = _by_strength(rules)
        decoded = [_PathRule(plain_path(rule.pattern), rule.allow) for rule in written]
        return _Group(written, written if decoded == written else _by_strength(decoded), statements)

    def allows(self, user_agent_token: str, url: str) -> bool:
        """Return whether the crawler of this product token may fetch the URL. Source: RFC 9309, 2.2.

        The token is `WindrowBot` or `WindrowBot/1.0`, letters, dashes and underscores before the slash.
        """
        if self.state is not RobotsState.RULES:
            return self.state is RobotsState.ABSENT
        group = self._group_of(user_agent_token)
        path = robots_path(url)
        plain = plain_path(path)
        if not _decision(group.written, path):
            return False
        is_same_question = group.decoded is group.written and plain == path
        return is_same_question or _decision(group.decoded, plain)

    def crawl_delay_s(self, user_agent_token: str) -> float | None:
        """Return the seconds this crawler is asked to wait between fetches (not in RFC 9309, yet meant), or None."""
        group = self._group_of(user_agent_token)
        texts = [s.text for s in group.statements if s.key == "crawl-delay"]
        asked = [float(match[0]) for match in map(_SECONDS.match, texts) if match]
        return min(max(asked), float(ROBOTS_CACHE_S)) if asked else None

    def content_usage(self, user_agent_token: str, url: str) -> tuple[str, ...]:
        """Return the `Content-Usage` statements for a URL: those with the longest matching path, as written."""
        return self._statements("content-usage", user_agent_token, url)

    def statements(self, user_agent_token: str, url: str) -> RobotsStatements:
        """Return all that the file says about using this URL: Content-Usage, Content-Signal and RSL licences."""
        return RobotsStatements(
            self.content_usage(user_agent_token, url),
            self._statements("content-signal", user_agent_token, url),
            self._licenses,
        )

    def _statements(self, key: str, user_agent_token: str, url: str) -> tuple[str, ...]:
        group = self._group_of(user_agent_token)
        path = plain_path(robots_path(url))
        matching = [s for s in group.statements if s.key == key and pattern_matches(s.pattern, path)]
        longest = max((len(s.pattern) for s in matching), default=0)
        return tuple(dict.fromkeys(s.text for s in matching if len(s.pattern) == longest))


def _decision(rules: list[_PathRule], path: str) -> bool:
    return next((rule.allow for rule in rules if pattern_matches(rule.pattern, path)), True)
