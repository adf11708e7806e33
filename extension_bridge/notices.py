"""The words a person agrees to, for each source, in English and German. The receipt carries their digest and version.

Rules: pure. Every field that leaves is named, and so is what is paid for it. Whoever changes a word makes a new
`NOTICE_VERSION`: receipts of the version in force must carry the digest of exactly these words; older ones stay valid.

Does not: ask (the extension and the dashboard do), or decide what may leave (`sources`).

Usage: `words = notice_of("search", ("text",), "model_training", 365, "de")`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from extension_bridge.sources import RULES, Field, PriceRule, Source

Language = Literal["en", "de"]
NOTICE_VERSION: Final = 2  # the words without a version, of pages and visits only, were the first
_ORDER: Final[tuple[Field, ...]] = ("url", "title", "text", "amount", "role", "captured_at_ms")

_NOTICE: Final[dict[Language, str]] = {
    "en": (
        "You give {item} to Windrow: {fields}. {also}It is used for one purpose: {purpose}. "
        "It is kept for {days} days at most, then deleted. {pay} "
        "You can withdraw at any time: future use stops at once{gone}."
    ),
    "de": (
        "Sie geben {item} an Windrow: {fields}. {also}Das wird nur für einen Zweck verwendet: {purpose}. "
        "Es wird höchstens {days} Tage aufbewahrt und dann gelöscht. {pay} "
        "Sie können jederzeit widerrufen: Die künftige Verwendung endet sofort{gone}."
    ),
}
# What taking back means where something is sold; what is in no dataset is in no copy of one either.
_GONE: Final[dict[Language, str]] = {
    "en": " and it is dropped from the next version of each dataset. Copies already sold cannot be called back",
    "de": (
        ", und es fehlt in der nächsten Fassung jedes Datensatzes. Schon verkaufte Kopien lassen sich nicht zurückholen"
    ),
}
_PURPOSES: Final[dict[Language, dict[str, str]]] = {
    "en": {"model_training": "training and testing AI models"},
    "de": {"model_training": "das Trainieren und Prüfen von KI-Modellen"},
}
_PAID: Final[dict[Language, dict[PriceRule, str]]] = {
    "en": {
        "pooled": (
            "It is sold only where at least five people gave the same in the same month. It earns nothing by itself: "
            "what such a dataset is sold for is shared among everybody's months of visits, never per byte."
        ),
        "none": "It earns nothing: it is in no dataset that is sold, and comes into none unless you are asked anew.",
    },
    "de": {
        "pooled": (
            "Es wird nur verkauft, wo mindestens fünf Menschen im selben Monat dasselbe gaben. Für sich bringt es "
            "Ihnen kein Geld: Was ein solcher Datensatz einbringt, teilen sich die Monate mit Besuchen aller, nie je "
            "Byte."
        ),
        "none": (
            "Es bringt Ihnen kein Geld: Es steht in keinem Datensatz, der verkauft wird, und kommt in keinen, ohne "
            "dass Sie neu gefragt werden."
        ),
    },
}
_PAY: Final[dict[Language, dict[Source, str]]] = {
    "en": {
        "browser_page": "A page by itself earns nothing.",
        "browser_history": "As part of a month it earns a share of what the month is sold for, never per byte.",
    },
    "de": {
        "browser_page": "Eine einzelne Seite bringt Ihnen kein Geld.",
        "browser_history": "Als Teil eines Monats bringt er einen Anteil am Verkauf, nie je Byte.",
    },
}
_ITEMS: Final[dict[Language, dict[Source, str]]] = {
    "en": {
        "browser_page": "this page",
        "browser_history": "this visit of your history",
        "ai_prompt": "this message of yours to an AI assistant",
        "ai_answer": "this answer of an AI assistant to you",
        "search": "this search of yours",
        "watch": "this film or video that you watched",
        "listen": "this recording that you heard",
        "post": "this post or comment of yours",
        "reaction": "this like, vote or bookmark of yours",
        "message": "this message of yours to other people",
        "transaction": "this payment of yours",
    },
    "de": {
        "browser_page": "diese Seite",
        "browser_history": "diesen Besuch aus Ihrem Verlauf",
        "ai_prompt": "diese Ihre Nachricht an einen KI-Assistenten",
        "ai_answer": "diese Antwort eines KI-Assistenten an Sie",
        "search": "diese Ihre Suche",
        "watch": "diesen Film oder dieses Video, das Sie gesehen haben,",
        "listen": "diese Aufnahme, die Sie gehört haben,",
        "post": "diesen Ihren Beitrag oder Kommentar",
        "reaction": "diese Ihre Wertung oder dieses Lesezeichen",
        "message": "diese Ihre Nachricht an andere Menschen",
        "transaction": "diese Ihre Zahlung",
    },
}
_OF_PAGES: Final[dict[Language, dict[Field, str]]] = {
    "en": {
        "url": "its address",
        "title": "its title",
        "text": "its text as you see it",
        "captured_at_ms": "the time you opened it",
    },
    "de": {
        "url": "ihre Adresse",
        "title": "ihren Titel",
        "text": "ihren Text, wie Sie ihn sehen",
        "captured_at_ms": "den Zeitpunkt des Öffnens",
    },
}
_FIELDS: Final[dict[Language, dict[Field, str]]] = {
    "en": {
        "url": "the address of what you marked",
        "title": "its title",
        "text": "its words",
        "captured_at_ms": "the month it was (not the day)",
        "role": "who wrote it: you",
        "amount": "the sum, rounded to its first digit",
    },
    "de": {
        "url": "die Adresse dessen, was Sie markiert haben",
        "title": "den Titel",
        "text": "die Worte",
        "captured_at_ms": "den Monat (nicht den Tag)",
        "role": "wer es schrieb: Sie",
        "amount": "den Betrag, auf seine erste Ziffer gerundet",
    },
}
# What is called otherwise in one source.
_OTHERWISE: Final[dict[Language, dict[tuple[Source, Field], str]]] = {
    "en": {
        ("ai_answer", "role"): "who wrote it: a machine",
        ("search", "text"): "the words you looked for",
        ("watch", "text"): "the channel it was on, where that is known",
        ("listen", "text"): "who made it",
        ("transaction", "title"): "who was paid",
    },
    "de": {
        ("ai_answer", "role"): "wer es schrieb: eine Maschine",
        ("search", "text"): "die Worte, nach denen Sie suchten",
        ("watch", "text"): "den Kanal, soweit bekannt",
        ("listen", "text"): "von wem es ist",
        ("transaction", "title"): "wer bezahlt wurde",
    },
}
# What somebody should know before they agree.
_ALSO: Final[dict[Language, dict[Source, str]]] = {
    "en": {
        "ai_prompt": (
            "What you pasted from others may be in it: lines that are marked as quoted were taken out, other words of "
            "theirs are for you to take out. The answer does not go with it. "
        ),
        "ai_answer": "It is nobody else's words, but may repeat what you told the assistant. ",
        "post": "It was public: whoever looks for its words may find your account. ",
        "message": (
            "What others wrote to you stays here, and so do their names as far as the export has them. What you say "
            "about them is for you to take out. "
        ),
        "transaction": (
            "Money that came in, references and account numbers stay here. Who was paid may be a person: delete such "
            "rows. "
        ),
    },
    "de": {
        "ai_prompt": (
            "Was Sie von anderen eingefügt haben, kann darin stehen: Als Zitat gekennzeichnete Zeilen sind entfernt, "
            "andere fremde Worte müssen Sie selbst entfernen. Die Antwort geht nicht mit. "
        ),
        "ai_answer": (
            "Es sind keines anderen Menschen Worte, sie können aber wiederholen, was Sie dem Assistenten sagten. "
        ),
        "post": "Er war öffentlich: Wer nach seinen Worten sucht, kann Ihr Konto finden. ",
        "message": (
            "Was andere Ihnen schrieben, bleibt hier, auch ihre Namen, soweit der Export sie kennt. Was Sie über "
            "sie sagen, müssen Sie selbst entfernen. "
        ),
        "transaction": (
            "Geld, das einging, Verwendungszwecke und Kontonummern bleiben hier. Bezahlt wurde vielleicht ein Mensch: "
            "Löschen Sie solche Zeilen. "
        ),
    },
}


def notice_of(
    source: Source, scope: Collection[Field], purpose: str, retention_days: int, language: Language
) -> str:
    """Return the words of consent for one item of a source of which the fields of `scope` leave."""
    fields = ", ".join(_said(source, field, language) for field in _ORDER if field in scope)
    return _NOTICE[language].format(
        item=_ITEMS[language][source],
        fields=fields,
        also=_ALSO[language].get(source, ""),
        purpose=_PURPOSES[language][purpose],
        days=retention_days,
        pay=pay_sentence(source, language),
        gone="" if RULES[source].price == "none" else _GONE[language],
    )


def pay_sentence(source: Source, language: Language = "en") -> str:
    """Return what is promised for an item of a source, as its notice says it."""
    return _PAY[language].get(source) or _PAID[language][RULES[source].price]


def _said(source: Source, field: Field, language: Language) -> str:
    known = _FIELDS if RULES[source].by_month else _OF_PAGES
    return _OTHERWISE[language].get((source, field)) or known[language][field]
