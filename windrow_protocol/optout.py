"""Opt-out signals: what a page, its headers and its site say about being used by machines.

Rules: every signal is recorded with where it was found; what cannot be read is recorded as `invalid`, never dropped and
never taken for a yes or a no. What each kind means is in `optout_kinds.py`.

Does not: fetch anything (robots.txt and tdmrep.json come in read), evaluate TDM policies or RSL licences beyond noting
them, or look for signals inside images and PDFs.

Usage::

    signals = optout_signals(url, response_headers, html, robots=rules.statements("WindrowBot", url))
    if denies_training(signals): ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, cast

from windrow_protocol.limits import (
    FETCH_DECODED_BYTES_MAX,
    OPTOUT_FIELD_CHARS_MAX,
    OPTOUT_SIGNALS_MAX,
    OPTOUT_VALUE_CHARS_MAX,
    TDMREP_BYTES_MAX,
)
from windrow_protocol.optout_kinds import (
    KINDS,
    NARROWER_THAN_TRAINING,
    TRAINING_AND_BROADER,
    Signal,
    clean_value,
    denies_training,
    denying_signals,
    invalid_signal,
    signal_from_text,
    tdm_rank,
)
from windrow_protocol.robots_paths import pattern_matches, plain_path, robots_path
from windrow_protocol.robots_rules import RobotsStatements

__all__ = ["Signal", "denies_training", "denying_signals", "optout_signals", "signal_from_text"]

_DIRECTIVES: Final = {name: name for name in KINDS if name.startswith("no")} | {"none": "noindex"}
_VALUED_DIRECTIVES: Final = frozenset(
    {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
)
_ADDRESSEE: Final = re.compile(r"\s*([a-z0-9_-]{1,40})\s*:(.*)", re.DOTALL)
_ROBOT_NAME: Final = re.compile(r"robots|[a-z0-9_-]{0,36}bot[a-z0-9_-]{0,36}")
_WORDS: Final = re.compile(r"[,\s]+")
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_LICENSE_REL: Final = re.compile(r"""rel\s*=\s*["']?[^"';]*\blicense\b""")
_RSL: Final = "application/rsl+xml"
_ANSWERS: Final = {"content-usage": ("y", "n"), "content-signal": ("yes", "no")}
_KNOWN_LABELS: Final = frozenset({*TRAINING_AND_BROADER, *NARROWER_THAN_TRAINING, "ai-train", "search"})


def optout_signals(
    url: str,
    headers: Sequence[tuple[str, str]],
    html_head: str | bytes = "",
    *,
    robots: RobotsStatements | None = None,
    tdmrep_json: str | bytes | None = None,
) -> tuple[Signal, ...]:
    """Return every signal found for one response, at most `OPTOUT_SIGNALS_MAX`, those that can deny first if cut.

    `headers` are the response's, in order; `html_head` the page or its beginning ("" if it is not HTML); `robots` what
    robots.txt says about this URL; `tdmrep_json` the site's /.well-known/tdmrep.json. Never fails.
    Sources: X-Robots-Tag, TDMRep (W3C community report), draft-ietf-aipref-attach and -vocab, RSL 1.0.
    """
    found: list[Signal] = []
    found += _header_signals(headers)
    found += _html_signals(html_head)
    found += _robots_signals(robots or RobotsStatements())
    if tdmrep_json is not None:
        found += _tdmrep_signals(url, tdmrep_json)
    return _bounded(found)


def _bounded(found: list[Signal]) -> tuple[Signal, ...]:
    distinct = list(dict.fromkeys(found))
    if len(distinct) <= OPTOUT_SIGNALS_MAX:
        return tuple(distinct)
    # There are at most six different TDM reservations, and all are needed to see which one holds.
    distinct.sort(key=lambda signal: (tdm_rank(signal) < 0, not denies_training((signal,))))
    kept = distinct[: OPTOUT_SIGNALS_MAX - 1]
    return (*kept, Signal("invalid", f"{len(distinct) - len(kept)} more signals", "text"))


# --- header fields and robots.txt ---------------------------------------------------------------------------


def _header_signals(headers: Sequence[tuple[str, str]]) -> Iterator[Signal]:
    dictionaries: dict[str, list[str]] = {}
    for name, value in headers:
        field = name.strip().lower()
        source = f"header:{field}"
        if field in _ANSWERS:
            dictionaries.setdefault(field, []).append(value)
        elif field == "x-robots-tag":
            yield from _tag_signals(value, source)
        elif field == "tdm-reservation":
            for part in value.split(","):
                yield _reservation(part, source)
        elif field == "tdm-policy":
            yield Signal("tdm-policy", clean_value(value), source)
        elif field == "link":
            for target, parameters in _LINK.findall(value):
                if _RSL in parameters.lower() and _LICENSE_REL.search(parameters.lower()):
                    yield Signal("rsl-license", clean_value(target), source)
    for field, values in dictionaries.items():
        # Several lines of one field are one dictionary (RFC 9110, 5.3).
        yield _usage(field, ", ".join(values), f"header:{field}")


def _robots_signals(robots: RobotsStatements) -> Iterator[Signal]:
    for text in robots.content_usage:
        yield _usage("content-usage", text, "robots:content-usage")
    for text in robots.content_signals:
        yield _usage("content-signal", text, "robots:content-signal")
    for target in robots.licenses:
        yield Signal("rsl-license", clean_value(target), "robots:license")


def _tag_signals(value: str, source: str) -> Iterator[Signal]:
    """Read X-Robots-Tag: directives between commas, after `name:` meant for that robot only."""
    addressee = "*"
    for part in value.lower().split(","):
        named = _ADDRESSEE.match(part)
        if named and named[1] not in _VALUED_DIRECTIVES:
            addressee, part = named[1], named[2]
        yield from _directives(part, addressee, source)


def _directives(text: str, addressee: str, source: str) -> Iterator[Signal]:
    for word in _WORDS.split(text.lower()):
        if word in _DIRECTIVES:
            yield Signal(_DIRECTIVES[word], addressee, source)


def _usage(kind: str, text: str, source: str) -> Signal:
    """Read one statement of preference, a dictionary (RFC 9651, 3.2) of yes and no, keeping what is plainly said."""
    import http_sf  # on first use: an idle node reads no statements

    try:
        if len(text) > OPTOUT_FIELD_CHARS_MAX:
            return invalid_signal(text, source)
        parsed = cast(
            "dict[str, tuple[object, object]]",
            http_sf.parse(text.encode("latin-1", "replace"), tltype="dictionary"),
        )
    except ValueError:
        return invalid_signal(text, source)
    answers = [
        f"{label}={value}"
        for label, (value, _) in sorted(parsed.items(), key=lambda pair: pair[0] not in _KNOWN_LABELS)
        if isinstance(value, http_sf.Token) and str(value) in _ANSWERS[kind]
    ]
    while len(", ".join(answers)) > OPTOUT_VALUE_CHARS_MAX:
        answers.pop()
    return Signal(kind, ", ".join(answers), source) if answers else invalid_signal(text, source)


# --- TDMRep -------------------------------------------------------------------------------------------------


def _reservation(value: object, source: str) -> Signal:
    text = str(int(value) if isinstance(value, bool) else value).strip()
    if text in ("0", "1"):
        return Signal("tdm-reservation", text, source)
    return invalid_signal(f"tdm-reservation={text}", source)  # a protocol error leaves it unset


def _tdmrep_signals(url: str, body: str | bytes) -> Iterator[Signal]:
    """Read /.well-known/tdmrep.json: the first rule whose location matches the URL speaks for it."""
    source = "file:tdmrep.json"
    try:
        if len(body) > TDMREP_BYTES_MAX:
            raise ValueError
        rules = json.loads(body.lstrip("\ufeff") if isinstance(body, str) else body)
    except (ValueError, RecursionError):
        yield invalid_signal("not JSON, or too long", source)
        return
    path = plain_path(robots_path(url))
    for rule in rules if isinstance(rules, list) else [rules]:
        location = rule.get("location") if isinstance(rule, dict) else None
        if not isinstance(location, str) or not location.startswith(("/", "*")):
            yield invalid_signal(f"rule {rule}", source)
        elif pattern_matches(plain_path(location.encode("utf-8", "replace").decode("latin-1")), path):
            yield _reservation(rule.get("tdm-reservation"), source)
            if isinstance(rule.get("tdm-policy"), str):
                yield Signal("tdm-policy", clean_value(rule["tdm-policy"]), source)
            return


# --- HTML ---------------------------------------------------------------------------------------------------


def _html_signals(html: str | bytes) -> Iterator[Signal]:
    """Read meta, link and script elements wherever a browser's parser would find them, never comments or text."""
    from resiliparse.parse.html import HTMLTree  # on first use: an idle node parses no pages

    document = HTMLTree.parse(_decoded_html(html[:FETCH_DECODED_BYTES_MAX])).document
    if document is None:
        return
    # Sliced, because iterating the collection itself searches the whole page again for each element.
    for element in document.query_selector_all("meta, link, script")[:]:
        if element.tag == "meta":
            name = (element.getattr("name") or element.getattr("http-equiv") or "").strip().lower()
            yield from _meta_signals(name, element.getattr("content") or "")
        elif not _is_rsl(element.getattr("type")):
            continue
        elif element.tag == "script":
            yield Signal("rsl-license", "inline", "html:script")
        elif "license" in (element.getattr("rel") or "").lower().split():
            yield Signal("rsl-license", clean_value(element.getattr("href") or ""), "html:link")


def _meta_signals(name: str, content: str) -> Iterator[Signal]:
    source = f"meta:{name}"
    if name == "tdm-reservation":
        yield _reservation(content, source)
    elif name == "tdm-policy":
        yield Signal("tdm-policy", clean_value(content), source)
    elif name in ("robots", "x-robots-tag"):
        yield from _directives(content, "*", source)
    elif _ROBOT_NAME.fullmatch(name):
        yield from _directives(content, name, source)


def _is_rsl(media_type: str | None) -> bool:
    return (media_type or "").partition(";")[0].strip().lower() == _RSL


def _decoded_html(html: str | bytes) -> str:
    if isinstance(html, str):
        return html.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be parsed
    if html.startswith((b"\xff\xfe", b"\xfe\xff")):
        return html.decode("utf-16", "replace")
    return html.decode("utf-8", "replace")  # in every other encoding of the web the names read here are ASCII
