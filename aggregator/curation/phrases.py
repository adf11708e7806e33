"""The phrases that C4 looks for, by group, and the signs that one of them may be in a text.

Rules: lower case; one of `PHRASE_SIGNS` is in each phrase.

Does not: search (see `quality` and `line_kernels`).

Usage: `if any(sign in text.lower() for sign in PHRASE_SIGNS): ...`.

Source: Raffel et al. 2020 (C4), and its code.
"""

from __future__ import annotations

from typing import Final

# 0 placeholder texts, 1 scripts that should run, 2 policies.
PHRASES: Final = {
    "lorem ipsum": 0,
    "javascript": 1,
    "terms of use": 2,
    "privacy policy": 2,
    "cookie policy": 2,
    "uses cookies": 2,
    "use of cookies": 2,
    "use cookies": 2,
}
PHRASE_SIGNS: Final = ("lorem ipsum", "javascript", "terms of use", "privacy policy", "cookie")
CITATIONS: Final = ("[edit]", "[citation needed]")
