"""Tells a page that a site shows instead of its page: a block, a challenge, a log-in wall of somebody's network.

Rules: a pure function of text, status and title, and the same one for both sides: a node reports what it takes for
such a page as `blocked`, an audit takes no such page for a truth. A wrong yes costs a node one fetch fee, or an audit
one truth; a wrong no might cost a contributor a mismatch. Errors of HTTP are never pages. Words count only in short
texts, where they are all there is; a long article about captchas is an article.

Does not: judge contributions, or know the network's other pages (`is_everywhere` in the audits).

Usage: `if is_block_page(text, 200, "Just a moment..."): ...`
"""

from __future__ import annotations

import re
from typing import Final

from windrow_protocol.content import words

WORDS_MAX: Final = 220  # a page with more words than this has a content of its own
_FEW_WORDS: Final = 25  # with so few, one doubtful sign is enough
_FORM_WORDS_MAX: Final = 60  # of a page that its title calls a log-in

# What such pages say and pages hardly ever do.
_CERTAIN: Final = (
    "just a moment",
    "attention required",
    "checking (your browser|if the site connection)",
    "(verify(ing)?|confirm) (that )?you are (a )?human",
    "verifying your browser",
    "are you (a )?(human|robot)",
    "not a (ro)?bot|a person or a (script|robot|program)",
    "unusual traffic",
    "automated (queries|requests|access)",
    "ddos protection",
    "ray id",
    "incapsula|datadome|perimeterx|sucuri website firewall",
    "access (to this page )?(has been |is )?(denied|forbidden)",
    "you have been blocked",
    "request (was |has been )?blocked",
    "too many requests|rate limit(ed)? exceeded",
    "enable (javascript and )?cookies to continue|enable js and disable",
    "pardon our interruption",
    "security check to access",
    "(complete|solve) (the|this) captcha",
    "captive portal",
    "(log|sign) ?in to (the |this )?(wi-?fi|network|hotspot|internet)",
    "connect to (the )?(wi-?fi|internet)|accept the terms[a-z ]{0,20} to access the internet",
    "unavailable (due to|for) legal reasons",
    "bad gateway|gateway time-?out|internal server error",
    "(site|page|service) (is )?(temporarily )?(unavailable|down for maintenance|under maintenance)",
)
# The same in other languages, for the largest networks show their walls in the visitor's.
_CERTAIN_ELSEWHERE: Final = (
    "(dass|ob) sie (ein mensch|kein roboter) sind|zugriff verweigert",
    "que vous êtes (bien )?(un )?humain|n['’]êtes pas un robot|accès refusé",
    "verificando que (usted )?(es|eres) (un )?(ser )?humano|no (es|eres|soy) un robot|acceso denegado",
    "se você é (um )?humano|não (é|sou) um robô|acesso negado",
    "che tu sia un essere umano|non sei un robot|accesso negato",
    "of u een mens bent|geen robot bent|toegang geweigerd",
    "że jesteś człowiekiem|nie jesteś robotem|odmowa dostępu",
    "что вы человек|вы не робот|а не робот|доступ запрещ[её]н",
)
_CERTAIN_UNSPACED: Final = (
    "您是否是真人|验证您是真人|人机验证|あなたが人間であること|ロボットではありません"
    "|사람인지 확인|로봇이 아닙니다"
)
# What ordinary short pages may say too.
_DOUBTFUL: Final = (
    "captcha|cloudflare|javascript|cookies|robot",
    "forbidden|denied|blocked|not found|error|try again|loading",
    "(log|sign) ?in|subscribe to (read|continue)",
    "not available in your (country|region)|unavailable|maintenance",
)


def _any_of(signs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b(?:{sign})\b" for sign in signs), re.IGNORECASE)


_CERTAINLY, _DOUBTFULLY = _any_of(_CERTAIN + _CERTAIN_ELSEWHERE), _any_of(_DOUBTFUL)
_UNSPACED: Final = re.compile(_CERTAIN_UNSPACED)
_LOG_IN_TITLE: Final = re.compile(r"^\W*(?:log ?in|sign ?(?:in|up))\b", re.IGNORECASE)


def is_block_page(text: str, status: int, title: str) -> bool:
    """Say whether what was fetched stands in place of the page: HTTP errors, empty texts, blocks, captchas, walls."""
    count = len(words(text))
    if status >= 400 or count == 0:
        return True
    if count > WORDS_MAX:
        return False
    said = f"{title}\n{text}"
    return (
        bool(_CERTAINLY.search(said) or _UNSPACED.search(said))
        or (count <= _FEW_WORDS and bool(_DOUBTFULLY.search(said)))
        or (count <= _FORM_WORDS_MAX and bool(_LOG_IN_TITLE.search(title)))
    )
