"""Opt-out signals: the specifications' own examples, a hundred real pages, and hostile nonsense."""

from __future__ import annotations

import json
import re

import pytest
from real_data import real_data

from windrow_protocol.limits import OPTOUT_VALUE_CHARS_MAX, TDMREP_BYTES_MAX
from windrow_protocol.optout import (
    Signal,
    denies_training,
    denying_signals,
    optout_signals,
)
from windrow_protocol.optout_kinds import KINDS
from windrow_protocol.robots_rules import RobotsRules, RobotsStatements

URL = "https://provider.com/directory-a/page.html"


def _header(name: str, *values: str) -> tuple[Signal, ...]:
    return optout_signals(URL, [(name, value) for value in values])


def _page(head: str) -> tuple[Signal, ...]:
    return optout_signals(URL, [], f"<!doctype html><html><head>{head}</head><body>text</body></html>")


def _tdmrep(rules: object, url: str = URL) -> tuple[Signal, ...]:
    return optout_signals(url, [], tdmrep_json=rules if isinstance(rules, bytes) else json.dumps(rules))


# --- X-Robots-Tag and robots meta -------------------------------------------------------------------------

TAG = "header:x-robots-tag"


@pytest.mark.parametrize(
    ("value", "signals"),
    [
        ("noai", [Signal("noai", "*", TAG)]),
        ("NOAI, NoImageAI", [Signal("noai", "*", TAG), Signal("noimageai", "*", TAG)]),
        ("none", [Signal("noindex", "*", TAG)]),
        ("noml", [Signal("noml", "*", TAG)]),
        ("all, follow, max-snippet:-1", []),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noarchive", [Signal("noarchive", "*", TAG)]),
        (
            "noindex, gptbot: noai, nosnippet",
            [Signal("noindex", "*", TAG), Signal("noai", "gptbot", TAG), Signal("nosnippet", "gptbot", TAG)],
        ),
        ("noaim, xnoai, no ai, noai:", []),
    ],
)
def test_x_robots_tag(value: str, signals: list[Signal]) -> None:
    assert list(_header("X-Robots-Tag", value)) == signals


@pytest.mark.parametrize(
    ("tag", "signals"),
    [
        ('<meta name="robots" content="noai, noimageai">', ["noai=*", "noimageai=*"]),
        ("<META CONTENT='INDEX,NOAI' NAME=Robots />", ["noai=*"]),
        ('<meta name="GPTBot" content="noai">', ["noai=gptbot"]),
        ('<meta http-equiv="X-Robots-Tag" content="noai">', ["noai=*"]),
        ('<meta name="robots" content="noai noarchive">', ["noai=*", "noarchive=*"]),
        ('<meta name="description" content="noai, noindex">', []),
        ('<meta property="robots" content="noai">', []),
        ('<!-- <meta name="robots" content="noai"> -->', []),
        ('<script>\'<meta name="robots" content="noai">\'</script>', []),
        ('<title><meta name="robots" content="noai"></title>', []),
        ('<template><meta name="robots" content="noai"></template>', []),
        ('<meta name="robots">', []),
    ],
)
def test_robots_meta(tag: str, signals: list[str]) -> None:
    assert [f"{signal.kind}={signal.value}" for signal in _page(tag)] == signals


def test_a_meta_after_the_head_counts_too() -> None:
    html = "<title>x</title><p>text<div><meta name=robots content=noai></div>"
    assert denies_training(optout_signals(URL, [], html))
    assert not denies_training(optout_signals(URL, [], "<pre>&lt;meta name=robots content=noai&gt;</pre>"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "shift-jis"])
def test_bytes_in_any_encoding(encoding: str) -> None:
    html = '<meta name="robots" content="noai"><link rel="license" type="application/rsl+xml" href="/r.xml">'
    kinds = [signal.kind for signal in optout_signals(URL, [], html.encode(encoding))]
    assert kinds == ["noai", "rsl-license"]


# --- TDMRep -----------------------------------------------------------------------------------------------


def test_tdm_header_and_policy() -> None:
    headers = [("TDM-Reservation", " 1 "), ("tdm-policy", "https://provider.com/policies/policy.json")]
    assert optout_signals(URL, headers) == (
        Signal("tdm-reservation", "1", "header:tdm-reservation"),
        Signal("tdm-policy", "https://provider.com/policies/policy.json", "header:tdm-policy"),
    )
    assert denies_training(optout_signals(URL, headers))
    assert not denies_training(optout_signals(URL, [("tdm-reservation", "0")]))


@pytest.mark.parametrize("value", ["", "2", "true", "yes", "01", "1.0", "-1"])
def test_other_reservations_are_recorded_as_invalid(value: str) -> None:
    signals = _header("tdm-reservation", value)
    assert signals == (Signal("invalid", f"tdm-reservation={value}", "header:tdm-reservation"),)
    assert not denies_training(signals)


SPEC_RULES = [
    {"location": "/directory-a/", "tdm-reservation": 1},
    {
        "location": "/directory-b/html/",
        "tdm-reservation": 1,
        "tdm-policy": "https://provider.com/policies/policy.json",
    },
    {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0},
]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/directory-a/x.pdf", ["1"]),
        ("/directory-b/html/", ["1", "https://provider.com/policies/policy.json"]),
        ("/directory-b/images/a/b.jpg", ["0"]),
        ("/directory-b/images/a.png", []),
        ("/Directory-A/x.pdf", []),
        ("/", []),
    ],
)
def test_tdmrep_file_of_the_specification(path: str, values: list[str]) -> None:
    signals = _tdmrep(SPEC_RULES, f"https://provider.com{path}")
    assert [signal.value for signal in signals] == values
    assert denies_training(signals) is ("1" in values)


def test_every_file_in_the_specification_is_read() -> None:
    text = (real_data("optout_specs") / "tdmrep_spec.html").read_text()
    files = re.findall(r"\[\s*\{\s*\"location\".*?\n\s*\]", text, re.DOTALL)
    assert len(files) == 2
    for rules in files:
        for rule in json.loads(rules):
            url = "https://provider.com" + rule["location"].replace("*", "x")
            values = [signal.value for signal in _tdmrep(rules.encode(), url)]
            assert values[0] == str(rule["tdm-reservation"])
            assert values[1:] == [rule[key] for key in rule if key == "tdm-policy"]


def test_tdmrep_patterns() -> None:
    def value(location: str, url: str) -> list[str]:
        return [signal.value for signal in _tdmrep([{"location": location, "tdm-reservation": 1}], url)]

    assert value("/a$", "https://e.example/a") == ["1"]
    assert value("/a$", "https://e.example/ab") == []
    assert value("*", "https://e.example/ab") == ["1"]
    assert value("/%7Eu/", "https://e.example/~u/x") == ["1"]
    assert value("/é", "https://e.example/%C3%A9") == ["1"]
    assert value("/path/foo-%24", "https://e.example/path/foo-%24") == ["1"]


def test_the_first_matching_rule_speaks_even_if_it_cannot_be_read() -> None:
    rules = [
        {"location": "/directory-a", "tdm-reservation": "maybe"},
        {"location": "/", "tdm-reservation": 1},
    ]
    assert _tdmrep(rules) == (Signal("invalid", "tdm-reservation=maybe", "file:tdmrep.json"),)


def test_lenient_reservations_in_files() -> None:
    for value in (1, "1", True):
        assert denies_training(_tdmrep([{"location": "/", "tdm-reservation": value}]))
    assert denies_training(_tdmrep({"location": "/", "tdm-reservation": 1}))  # the brackets forgotten


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'[{"location": 1}]',
        b"[[], 3, null]",
        b'[{"tdm-reservation": 1}]',
        b'[{"location": "directory-a", "tdm-reservation": 1}]',
        b"[" + b" " * TDMREP_BYTES_MAX + b"]",
        b"1" * 5000,
    ],
)
def test_a_broken_file_is_invalid(body: bytes) -> None:
    signals = _tdmrep(body)
    assert signals
    assert {signal.kind for signal in signals} == {"invalid"}
    assert not denies_training(signals)


def test_later_techniques_supersede_earlier_ones() -> None:
    reserved, free = [{"location": "/", "tdm-reservation": 1}], [{"location": "/", "tdm-reservation": 0}]
    meta = '<meta name="tdm-reservation" content="{}">'
    table: list[tuple[object, str, str, bool]] = [
        (reserved, "", "", True),
        (reserved, "0", "", False),
        (free, "1", "", True),
        (reserved, "1", meta.format(0), False),
        (free, "0", meta.format(1), True),
        (free, "1", meta.format(""), True),
        (reserved, "maybe", meta.format("?"), True),
    ]
    for rules, header, head, denied in table:
        headers = [("tdm-reservation", header)] if header else []
        signals = optout_signals(URL, headers, head, tdmrep_json=json.dumps(rules))
        assert denies_training(signals) is denied, (rules, header, head)
    assert denies_training(_header("tdm-reservation", "0", "1"))  # one technique contradicting itself


# --- AIPREF and content signals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "value", "denied"),
    [
        ("train-ai=n", "train-ai=n", True),
        ("train-ai=y, search=n", "search=n, train-ai=y", False),
        ("train-ai;allow=n, train-ai=y", "train-ai=y", False),
        ("train-ai=y;x, train-ai=n", "train-ai=n", True),
        ("search=n", "search=n", False),
        ("ai=n", "ai=n", True),
        ("bots=n, train-ai=y", "bots=n, train-ai=y", False),
        ("tdm=n, ai=y", "ai=y, tdm=n", False),
        ("train-ai=y, train-genai=n", "train-ai=y, train-genai=n", True),
        ("zzz=n, train-ai=n", "train-ai=n, zzz=n", True),
        ('train-ai=y, train-ai, search=n, search="n"', None, False),
        ('train-ai;has;parameters="?";', None, False),
        ("train-ai", None, False),
        ("train-ai=N", None, False),
        ("Train-AI=n", None, False),
        ("train-ai=n,", None, False),
        ("train-ai=(n)", None, False),
        ("train-ai=1", None, False),
        ("", None, False),
        ("train-ai=né", None, False),
    ],
)
def test_content_usage(statement: str, value: str | None, denied: bool) -> None:
    for signals, source in (
        (_header("Content-Usage", statement), "header:content-usage"),
        (optout_signals(URL, [], robots=RobotsStatements((statement,))), "robots:content-usage"),
    ):
        assert len(signals) == 1
        assert signals[0].source == source
        assert denies_training(signals) is denied
        if value is None:
            assert signals[0].kind == "invalid"
        else:
            assert (signals[0].kind, set(signals[0].value.split(", "))) == (
                "content-usage",
                set(value.split(", ")),
            )


def test_examples_of_the_drafts() -> None:
    folder = real_data("optout_specs")
    attach = (folder / "draft-ietf-aipref-attach.md").read_text()
    header = re.findall(r"^Content-Usage: (\S+)$", attach.split("# HTTP Content-Usage")[0], re.MULTILINE)
    assert header == ["train-ai=n", "train-ai=n"]
    assert denies_training(_header("Content-Usage", header[0]))
    vocabulary = (folder / "draft-ietf-aipref-vocab.md").read_text()
    examples = [block.strip() for block in vocabulary.split("~~~")[1::2]]
    assert [_header("Content-Usage", text)[0][:2] for text in examples] == [
        ("content-usage", "train-ai=y, search=n"),
        ("invalid", 'train-ai=y, train-ai, search=n, search="n"'),
        ("content-usage", "train-ai=y"),
        ("invalid", 'train-ai;has;parameters="?";'),
    ]


def test_the_most_restrictive_statement_holds() -> None:
    yes, no = RobotsStatements(("train-ai=y",)), RobotsStatements(("train-ai=n", "train-ai=y"))
    assert denies_training(optout_signals(URL, [("Content-Usage", "train-ai=n")], robots=yes))
    assert denies_training(optout_signals(URL, [("Content-Usage", "train-ai=y")], robots=no))
    assert not denies_training(optout_signals(URL, [("Content-Usage", "train-ai=y")], robots=yes))


def test_lines_of_one_field_are_one_dictionary() -> None:
    assert [signal.value for signal in _header("Content-Usage", "train-ai=n", "train-ai=y")] == ["train-ai=y"]


def test_a_denial_survives_a_padded_statement() -> None:
    padding = ", ".join(f"label-{number}=y" for number in range(300))
    signals = _header("Content-Usage", f"{padding}, train-ai=n")
    assert signals[0].value.startswith("train-ai=n, label-0=y")
    assert len(signals[0].value) <= OPTOUT_VALUE_CHARS_MAX
    assert denies_training(signals)
    assert _header("Content-Usage", "train-ai=n, " + "a" * 9_000)[0].kind == "invalid"


def test_robots_txt_to_signals() -> None:
    rules = RobotsRules.parse(
        b"User-agent: *\nContent-Usage: /directory-a train-ai=n\nContent-Signal: search=yes, ai-train=no\n"
        b"License: https://provider.com/rsl.xml\n",
        200,
    )
    signals = optout_signals(URL, [], robots=rules.statements("WindrowBot", URL))
    assert signals == (
        Signal("content-usage", "train-ai=n", "robots:content-usage"),
        Signal("content-signal", "search=yes, ai-train=no", "robots:content-signal"),
        Signal("rsl-license", "https://provider.com/rsl.xml", "robots:license"),
    )
    assert denying_signals(signals) == signals[:2]


def test_content_signal_header() -> None:
    assert denies_training(_header("Content-Signal", "ai-train=no, search=yes"))
    assert not denies_training(_header("content-signal", "ai-train=yes, ai-input=no"))


# --- RSL --------------------------------------------------------------------------------------------------


def test_rsl_licences_are_recorded() -> None:
    rsl = 'type="application/rsl+xml"'
    page = _page(f'<link rel="license" {rsl} href="/l.xml"><script {rsl}><rsl></rsl></script>')
    assert page == (
        Signal("rsl-license", "/l.xml", "html:link"),
        Signal("rsl-license", "inline", "html:script"),
    )
    header = _header("Link", f'</s.css>; rel=preload, <https://e.example/l.xml>; rel="license"; {rsl}')
    assert header == (Signal("rsl-license", "https://e.example/l.xml", "header:link"),)
    assert not denies_training(page + header)
    assert _page('<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">') == ()
    assert _page(f'<link rel="alternate" {rsl} href="/l.xml">') == ()


# --- the whole --------------------------------------------------------------------------------------------


def test_the_table_of_kinds() -> None:
    denying = {kind for kind in KINDS if denies_training([Signal(kind, "1", "meta:x")])}
    assert denying == {"noai", "noimageai", "noml", "tdm-reservation"}
    assert all(kind.sentence for kind in KINDS.values())
    assert not denies_training([])
    assert not denies_training([Signal("unheard-of", "1", "meta:x")])


def test_nothing_said_is_no_signal() -> None:
    headers = [("Content-Type", "text/html"), ("Server", "noai"), ("X-Robots", "noai"), ("Link", "<>")]
    assert optout_signals(URL, headers, "<title>noai</title><p>noindex, noai, tdm-reservation: 1") == ()
    assert optout_signals(URL, headers, b"%PDF-1.7 \x00\x01") == ()
