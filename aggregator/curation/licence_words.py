"""How other languages say what `licence_rules` has in English: words that grant, and the names of common licences.

Rules: a text is looked at as the rules look at it (lower case, single blanks, plain quotes and hyphens), and only where
it holds one of `SIGNS`; what is found is said in English, and everything else stays. So there is one set of rules for
licences. Words that grant are needed as in English: a page that compares licences is under none of them.

Does not: translate anything else, or know every language; a link or `CC BY-SA 4.0` says the same in all of them.

Usage: `folded = in_english(folded)`.

Source: the deeds of the Creative Commons licences in these languages; the licence notices of Wikipedia's editions.
"""

from __future__ import annotations

import re
from typing import Final

SIGNS: Final = (
    *("lizenz", "licenza", "licença", "licentie", "licenc", "licens", "lisens"),
    *("лиценз", "ライセンス", "许可", "协议", "授权", "許可", "協議", "授權"),
)
# What every such grant, every such name holds, where the English signs are not in them. `signs` sees ASCII alone.
GRANT_SIGNS: Final = ("lisens",)
NAME_SIGNS: Final = ("creative-commons",)
_GRANTS_BEYOND_ASCII: Final = ("иценз", "ИЦЕНЗ", "ライセンス", "许可", "协议", "授权", "許可", "協議", "授權")
_NAMES_BEYOND_ASCII: Final = ("クリエイティブ・コモンズ", "知识共享", "知識共享", "創用")

_GRANT: Final = "licensed by "
_COMMONS: Final = r"(?:creative[ -]commons|クリエイティブ・コモンズ|知识共享|知識共享|創用 ?cc)"
_ATTRIBUTION: Final = (
    "namensnennung|atribución|reconocimiento|attribuzione|atribuição|naamsvermelding|uznanie autorstwa"
    "|(?:с указанием авторства|атрибуция)|erkännande|kreditering|navngi(?:velse|vning)|uveďte (?:původ|autora)|atıf"
    "|表示|署名|姓名標示|attribution"
)
_PARTS: Final = {
    "sharealike": "weitergabe unter gleichen bedingungen|partage (?:dans les mêmes conditions|à l'identique)"
    "|compartir ?igual|condividi allo stesso modo|compartilha ?igual|gelijk ?delen|na tych samych warunkach"
    "|с сохранением условий|dela[ -]?lika|del på (?:samme|like) vilkår|zachovejte licenci"
    "|継承|相同方式共享|相同方式分享",
    "noncommercial": "nicht[ -]?kommerziell|pas d'utilisation commerciale|no ?comercial|non commerciale|não ?comercial"
    "|niet-?commercieel|użycie niekomercyjne|некоммерческ[а-я]+|icke-?kommersiell|ikke-?kommers[a-z]+|非営利"
    "|非商业性使用|非商業性",
    "noderivatives": "keine bearbeitung(?:en)?|pas de modifications?|sin ?(?:obras ?)?derivadas?|non opere derivate"
    "|sem ?derivações|geen ?afgeleide ?werken|bez utworów zależnych|без производных(?: произведений)?"
    "|inga ?bearbetningar|改変禁止|禁止演绎|禁止改作",
}
_DONE_DE: Final = (
    r"(?:lizenziert|steh(?:t|en)|ist|sind|wird|werden|wurden?|veröffentlicht|verfügbar|freigegeben) "
)
_WITH: Final = re.compile(r"\b[Mm]it\b(?!-? ?[Ll]i[cz]en|[.,;)]|$)")
_SAID: Final = tuple(
    (re.compile(shape), said)
    for shape, said in (
        (
            rf"({_COMMONS})(?:[- ](?:lizenz|license))?[\W_]{{0,4}}(?:de )?(?:{_ATTRIBUTION})",
            " creative commons attribution",
        ),
        *((rf"[ ,:/、-]{{0,4}}(?:{names})", f"-{part}") for part, names in _PARTS.items()),
        (
            r"\b(?:licence|licencia|licenza|licença) (?:publique générale|pública general|pubblica generale"
            r"|pública geral) (?:de |da |du )?gnu",
            "licence gnu general public license",
        ),
        (r"\b(?:versión|versione|versão|versie|wersj[aię]|версии|версия) ", "version "),
        (
            rf"\b({_DONE_DE}(?:[^.]{{0,30}} )?)(?:unter|gemäß) (?:den bedingungen )?(?:der|einer|dieser) ",
            rf"\1{_GRANT}",
        ),
        (r"\b(?:unter|gemäß) (?:der|einer|dieser) (?:freien )?lizenz ", _GRANT),
        (r"\bveröffentlicht unter (?:der|einer) ", _GRANT),
        (r"\bsous (?:la |une |les )?licences? ", _GRANT),
        (r"\b(?:selon|suivant|dans) les (?:termes|conditions) de la licence ", _GRANT),
        (r"\bbajo (?:la |una |los términos de la )?licencia ", _GRANT),
        (r"\b(?:sotto|secondo|con) (?:la |una |i termini della )?licenza ", _GRANT),
        (r"\b(?:sob|nos termos d)(?: ?a| uma)? ?licença ", _GRANT),
        (r"\bonder (?:de |een )?(?:licentie |(?=[a-z0-9. -]{2,40}-licentie))", _GRANT),
        (r"\bna (?:warunkach )?licencji ", _GRANT),
        (r"\b(?:по|под|на условиях) (?:свободной )?лицензи(?:и|ей) ", _GRANT),
        (r"\bpod licenc[ií] ", _GRANT),
        (r"\bunder (?:licensen|lisensen|licens|lisens) ", _GRANT),
        (
            r"(?:采用|采取|遵循|依据|根据|基于|採用|依據|在) ?(?=.{2,60}(?:许可|协议|授权|許可|協議|授權))",
            _GRANT,
        ),
        (r"([^。]{2,60}?) ?ライセンスの?(?:下|もと|に基づ|で)", rf"{_GRANT}\1 license "),
        (r"[- ](?:lizenz|licentie)\b", " license"),
        (r"\blicen(?:cia|za|ça) ", "license "),
    )
)


def holds_grant(text: str) -> bool:
    """Say whether a text has a sign of words that grant which is not written in ASCII."""
    return not text.isascii() and any(sign in text for sign in _GRANTS_BEYOND_ASCII)


def holds_name(text: str) -> bool:
    """Say whether a text has a sign of a licence's name which is not written in ASCII."""
    return not text.isascii() and any(sign in text for sign in _NAMES_BEYOND_ASCII)


def without_with(text: str) -> str:
    """Return a text, as it was written, in which the German word `mit` is no licence's name: that is `MIT` there."""
    return _WITH.sub("with", text) if "mit" in text else text


def in_english(folded: str) -> str:
    """Return a folded text with its words for granting and for licences in English; itself where it has none."""
    if not any(sign in folded for sign in SIGNS):
        return folded
    for shape, said in _SAID:
        folded = shape.sub(said, folded)
    return folded
