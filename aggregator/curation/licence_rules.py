"""The wording by which common open licences are recognised: a table, for `licences`.

Rules: shapes are searched in text that is lower-case with single blanks, plain quotes and plain hyphens; each is
linear. `ANYWHERE` holds links and sentences that only the licence or its notice has; `GRANTED` names, which count only
after words that grant; `GNU_TITLES` the heads of the GNU licences' own texts. A variant of a licence with conditions of
its own is called by the licence it was made from.

Does not: search anything, or hold every licence that exists.

Usage: `for signs, rule in ANYWHERE: match = any(s in folded for s in signs) and rule.shape.search(folded)`.

Source: the licences' own texts and notices; SPDX License List 3.x for identifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_TERMS_CHARS: Final = 2_500  # of a short licence after its first sentence


class Rule(NamedTuple):
    """A shape, and how a match of it is called in SPDX."""

    shape: re.Pattern[str]
    name: Callable[[re.Match[str]], str]


class Signed(NamedTuple):
    """A rule, and what a text must hold for it, which is many times faster to see than the shape.

    A sign that begins with a zero character begins a word.
    """

    signs: tuple[str, ...]
    rule: Rule


def _is(identifier: str, shape: str) -> Rule:
    return Rule(re.compile(shape), lambda _match: identifier)


def _after(match: re.Match[str]) -> str:
    return match.string[match.start() : match.end() + _TERMS_CHARS]


def _creative_commons(match: re.Match[str]) -> str:
    given = match["parts"]
    parts = [
        part
        for part, shape in (("by", "by|attr"), ("nc", "nc|non"), ("nd", "nd|no-?d"), ("sa", "sa|share"))
        if re.search(rf"\b(?:{shape})", given)
    ]
    name = f"CC-{'-'.join(parts).upper()}"
    return f"{name}-{match['version']}" if match["version"] else f"LicenseRef-{name}"


def _gnu(match: re.Match[str]) -> str:
    families = {
        "lesser": "LGPL",
        "library": "LGPL",
        "l": "LGPL",
        "affero": "AGPL",
        "a": "AGPL",
        "fdl": "GFDL",
    }
    family = families.get(match["family"] or "", "GPL")
    version = match["version"] if "." in match["version"] else f"{match['version']}.0"
    later = match.groupdict().get("later")
    return f"{family}-{version}-{'or-later' if later else 'only'}"


def _gfdl(match: re.Match[str]) -> str:
    return f"GFDL-{match['version']}-{'or-later' if match['later'] else 'only'}"


def _mit(match: re.Match[str]) -> str:
    return "MIT" if "included in" in _after(match) else "MIT-0"


def _bsd(match: re.Match[str]) -> str:
    terms = _after(match)
    if "all advertising materials mentioning" in terms:
        return "BSD-4-Clause"
    if _NO_ENDORSEMENT.search(terms):
        return "BSD-3-Clause"
    return "BSD-2-Clause" if "in binary form" in terms else "BSD-1-Clause"


def _isc(match: re.Match[str]) -> str:
    return "ISC" if match["kept"] else "0BSD"


def _python(match: re.Match[str]) -> str:
    return "Python-2.0" if "beopen" in match.string else "PSF-2.0"


def _numbered_bsd(match: re.Match[str]) -> str:
    clauses = match["before"] or match["behind"] or "three"
    digits = {"two": "2", "three": "3", "four": "4", "new": "3", "modified": "3", "simplified": "2"}
    return f"BSD-{digits.get(clauses, clauses)}-Clause"


_VERSION: Final = r"(?P<version>[1-4]\.[05])?"
_CC_SHORT: Final = r"(?P<parts>by(?:[ -](?:nc|nd|sa)){0,2})"
_CC_LONG: Final = (
    r"(?P<parts>attribution"
    r"(?: ?[ -] ?(?:non-?commercial|no-?deriv(?:ative)?s?(?: works)?|share[ -]?alike)){0,2})"
)
_CC_ENDS: Final = (
    r" (?P<version>[1-4]\.[05])"
    r" (?:international|unported|generic|creative commons corporation|license the work)"
)
_CC_BETWEEN: Final = r"(?:[ ,]+(?:international|unported|generic|public|licen[sc]e|version|v\.?))*[ ,]*"
_NUMBER: Final = r"(?:version |v\.? ?|-)?(?P<version>[123](?:\.[0-3])?)\b"
_LATER: Final = (
    r"(?P<later>[ ,(]*(?:or,? (?:\(?at your option\)?,? ?)?(?:any )?(?:later|newer|above)|-or-later)|\+)?"
)

_NO_ENDORSEMENT: Final = re.compile(r"\b(?:neither|nor) the names? of\b|\bnot be used to endorse\b")

# No shape begins with \b: only then does the search skip to its first letters, which is fifteen times faster.
ANYWHERE: Final = (
    Signed(
        ("creativecommons.org/licenses/",),
        Rule(re.compile(rf"creativecommons\.org/licenses/{_CC_SHORT}/{_VERSION}"), _creative_commons),
    ),
    Signed(
        ("cc-by", "cc by"),
        Rule(re.compile(rf"cc[ -]{_CC_SHORT}[ -]?v?(?P<version>[1-4]\.[05])\b"), _creative_commons),
    ),
    Signed(
        ("creative commons",),
        Rule(re.compile(rf"creative commons[ ,:-]+(?:legal code )?{_CC_LONG}{_CC_ENDS}"), _creative_commons),
    ),
    Signed(("publicdomain/zero/1.0",), _is("CC0-1.0", r"creativecommons\.org/publicdomain/zero/1\.0")),
    Signed(("cc0 1.0 universal",), _is("CC0-1.0", r"cc0 1\.0 universal\b")),
    Signed(("publicdomain/mark/1.0",), _is("CC-PDM-1.0", r"creativecommons\.org/publicdomain/mark/1\.0")),
    Signed(("apache.org/licenses/license-2.0",), _is("Apache-2.0", r"apache\.org/licenses/license-2\.0")),
    Signed(("january 2004",), _is("Apache-2.0", r"apache license,? version 2\.0,? january 2004\b")),
    Signed(("mpl/2.0",), _is("MPL-2.0", r"mozilla\.org/(?:[a-z-]+/)?mpl/2\.0")),
    Signed(
        ("mozilla public license",),
        _is("MPL-2.0", r"mozilla public license,? version 2\.0 1\. definitions\b"),
    ),
    Signed(("eclipse public license - v 2.0",), _is("EPL-2.0", r"eclipse public license - v 2\.0\b")),
    Signed(("eclipse public license - v 1.0",), _is("EPL-1.0", r"eclipse public license - v 1\.0\b")),
    Signed(("sil open font license",), _is("OFL-1.1", r"sil open font license version 1\.1\b")),
    Signed(
        ("version 1, march 2002",),
        _is("AGPL-1.0-only", r"affero general public license version 1, march 2002\b"),
    ),
    Signed(
        ("free and unencumbered software",),
        _is("Unlicense", r"free and unencumbered software released into the public domain\b"),
    ),
    Signed(("do what the f",), _is("WTFPL", r"do what the f\S{1,4} you want to public license\b")),
    Signed(("boost software license",), _is("BSL-1.0", r"boost software license - version 1\.0\b")),
    Signed(
        ("this software. permission is granted to anyone",),
        _is(
            "Zlib",
            r"without any express or implied warranty\. in no event will the authors? be held liable for any damages"
            r" arising from the use of this software\. permission is granted to anyone",
        ),
    ),
    Signed(
        ("without restriction, including",),
        Rule(
            re.compile(
                r"permission is hereby granted, (?:free of charge, )?to any person obtaining a copy ?of [^:]{3,160}"
                r" without restriction, including without limitation the rights"
            ),
            _mit,
        ),
    ),
    Signed(
        ("redistribution and use",),
        Rule(re.compile(r"redistribution and use[^;:]{0,160} (?:is|are) permitted\b"), _bsd),
    ),
    Signed(
        ("permission to use, copy, modify",),
        Rule(
            re.compile(
                r"permission to use, copy, modify,? and(?:/or)? distribute this software for any purpose"
                r" with or without fee is hereby granted(?P<kept>, provided that)?"
            ),
            _isc,
        ),
    ),
    Signed(
        ("license agreement is between",),
        Rule(re.compile(r"this license agreement is between the python software foundation\b"), _python),
    ),
)

GNU_TITLES: Final = (
    Rule(
        re.compile(
            r"gnu (?:(?P<family>lesser|library|affero) )?general public license"
            r" version (?P<version>[123](?:\.[01])?), (?:\d{1,2} )?(?:june|february|november) (?:1991|1999|2007)\b"
        ),
        _gnu,
    ),
    Rule(
        re.compile(
            r"gnu free documentation license version (?P<version>1\.[1-3]), (?:\d{1,2} )?(?:march|november) 200\d"
            r"(?P<later>)"
        ),
        _gfdl,
    ),
)

# In every match of one of `GNU_TITLES`, and in all words that grant (`licences`).
GNU_TITLE_SIGNS: Final = ("general public license version ", "free documentation license version ")
GRANT_SIGNS: Final = ("under ", "subject to ", "licen", "lizen")

GRANTED: Final = (
    Signed(
        ("cc by", "cc-by"),
        Rule(re.compile(rf"\bcc[ -]{_CC_SHORT}\b{_CC_BETWEEN}{_VERSION}"), _creative_commons),
    ),
    Signed(
        ("creative commons",),
        Rule(re.compile(rf"\bcreative commons,? {_CC_LONG}{_CC_BETWEEN}{_VERSION}"), _creative_commons),
    ),
    Signed(("cc0", "creative commons"), _is("CC0-1.0", r"\bcc0\b|\bcreative commons zero\b")),
    Signed(
        ("apache",),
        _is("Apache-2.0", r"\bapache(?: software)?(?: licen[sc]e)?[ ,-]*(?:version |v\.? ?)?2(?:\.0)?\b"),
    ),
    Signed(("\x00mit",), _is("MIT", r"\bmit(?: \(?(?:expat|x11)\)?)?(?:[ -]licen[sc]ed?\b|$|[.,;) ])")),
    Signed(("isc licen",), _is("ISC", r"\bisc licen[sc]e\b")),
    Signed(
        ("bsd",),
        Rule(
            re.compile(
                r"\b(?:(?P<before>[234]|two|three|four|new|modified|simplified)[ -](?:clause )?bsd|bsd[ -]"
                r"(?P<behind>[234])[ -]clause)\b"
            ),
            _numbered_bsd,
        ),
    ),
    Signed(
        ("mozilla public licen", "mpl2", "mpl 2", "mpl-2", "mplv2", "mpl v2", "mpl-v2"),
        _is(
            "MPL-2.0",
            r"\bmozilla public licen[sc]e,? ?(?:\(mpl\) )?(?:version |v\.? ?)2(?:\.0)?\b|\bmpl[ -]?v?2\.0\b",
        ),
    ),
    Signed(
        ("eclipse public licen",),
        _is("EPL-2.0", r"\beclipse public licen[sc]e,? (?:- )?(?:version |v\.? ?)?2(?:\.0)?\b"),
    ),
    Signed(
        ("psf licen", "python software foundation licen"),
        _is("PSF-2.0", r"\b(?:psf|python software foundation) licen[sc]e,? (?:version |v\.? ?)2\b"),
    ),
    Signed(("unlicense",), _is("Unlicense", r"\bunlicense\b")),
    Signed(
        ("open government licence",),
        _is("OGL-UK-3.0", r"\bopen government licence,? v(?:ersion )?\.?3\.0\b"),
    ),
    Signed(
        ("open data commons", "odbl"),
        _is("ODbL-1.0", r"\bopen data commons open database licen[sc]e\b|\bodbl\b"),
    ),
    Signed(
        ("public licen",),
        Rule(
            re.compile(
                r"\bgnu (?:(?P<family>lesser|library|affero) )?(?:general )?public licen[sc]e"
                r"(?: \(?[al]?gpl\)?)?(?: as published by the free software foundation)?[,;: ]*(?:either )?"
                rf"{_NUMBER}(?: of the licen[sc]e)?{_LATER}"
            ),
            _gnu,
        ),
    ),
    Signed(
        ("public licen",),
        Rule(
            re.compile(
                rf"\b{_NUMBER}{_LATER} of the gnu (?:(?P<family>lesser|library|affero) )?general public licen[sc]e"
            ),
            _gnu,
        ),
    ),
    Signed(("gpl",), Rule(re.compile(rf"\b(?:gnu )?(?P<family>[al])?gpl,? ?{_NUMBER}{_LATER}"), _gnu)),
    Signed(
        ("free documentation licen",),
        Rule(
            re.compile(
                rf"\bgnu free documentation licen[sc]e,? (?:version |v\.? ?)?(?P<version>1\.[1-3]){_LATER}"
            ),
            _gfdl,
        ),
    ),
)
