"""All judgements of one document in one value, to be kept beside it.

Rules: documents never change; annotations follow from the text, from what was recorded at its fetch and from the lists
of hosts that the operator keeps, nothing else, so they can be recomputed for ever. `VERSION` grows with every change
that can change a value. Input is bounded.

Does not: drop documents (recipes do), keep what was found of personal data, or store anything.

Usage::

    note = annotate(text, url=final_url, robots_state="allowed", optout_signals=[])
    note.language, note.token_count, note.signals["quality"]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from aggregator.curation.host_lists import HostLists
from aggregator.curation.language import Language, detect_language
from aggregator.curation.licences import detect_licence
from aggregator.curation.personal_findings import count_personal
from aggregator.curation.quality import Quality, measure_quality
from aggregator.curation.rights import judge_rights
from aggregator.curation.signs import signs_of
from aggregator.curation.tokens import TOKENIZER, count_tokens
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import TEXT_BYTES_MAX
from windrow_protocol.personal.patterns import KINDS

VERSION: Final = 5
NO_LISTS: Final = HostLists()


class Annotations(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged of one document; see the modules named for each field's meaning."""

    version: int
    language: str  # language
    language_score: float
    token_count: int  # tokens
    tokenizer: str
    license_detected: str  # licences
    training_allowed: bool  # rights
    rights_reason: str
    host_lists: list[str]  # host_lists
    quality: Quality  # quality
    personal: dict[str, int]  # personal_findings

    @property
    def signals(self) -> dict[str, Any]:
        """The signals as plain JSON values: `quality`, `personal` and `tokenizer`."""
        quality = msgspec.structs.asdict(self.quality)
        return {"quality": quality, "personal": self.personal, "tokenizer": self.tokenizer}

    @property
    def state(self) -> dict[str, Any]:
        """What the table `annotations` of the state holds of them: no more than the views over it show."""
        return {
            "version": self.version,
            "language": self.language,
            "language_score": self.language_score,
            "token_count": self.token_count,
            "license_detected": self.license_detected,
            "training_allowed": self.training_allowed,
            "rights_reason": self.rights_reason,
            "signals": msgspec.json.encode({"personal": self.personal, "tokenizer": self.tokenizer}).decode(),
        }

    @property
    def columns(self) -> dict[str, Any]:
        """The columns of the lake that hold them."""
        return {
            "language": self.language,
            "language_score": self.language_score,
            "token_count": self.token_count,
            "license_detected": self.license_detected,
            "training_allowed": self.training_allowed,
            "rights_reason": self.rights_reason,
            "signals": msgspec.json.encode(self.signals).decode(),
            "annotation_version": self.version,
            "tokenizer": self.tokenizer,
            "host_lists": self.host_lists,
            **msgspec.structs.asdict(self.quality),
            **{f"personal_{kind}": self.personal.get(kind, 0) for kind in KINDS},
        }


class Fetched(NamedTuple):
    """What is known of one document before it is judged: its text in normal form, and what its fetch recorded."""

    text: str
    url: str  # where it was found in the end
    robots_state: str
    optout_signals: Iterable[str]


def annotate(
    text: str, *, url: str, robots_state: str, optout_signals: Iterable[str], host_lists: HostLists = NO_LISTS
) -> Annotations:
    """Judge one document; see `annotate_all`."""
    return annotate_all([Fetched(text, url, robots_state, optout_signals)], host_lists)[0]


def annotate_all(documents: Sequence[Fetched], host_lists: HostLists = NO_LISTS) -> list[Annotations]:
    """Judge documents together, which takes half the time: each model is used for all while the processor holds it.

    Raises WindrowError `too_large` for a text over TEXT_BYTES_MAX bytes, UnicodeEncodeError for a lone surrogate, which
    no normal form has.
    """
    texts = [document.text for document in documents]
    if any(len(text) > TEXT_BYTES_MAX or len(text.encode("utf-8")) > TEXT_BYTES_MAX for text in texts):
        raise WindrowError("too_large", f"a text of more than {TEXT_BYTES_MAX} bytes")
    languages = [detect_language(text) for text in texts]
    tokens = [count_tokens(text) for text in texts]
    signs = [signs_of(f"{document.url} {document.text}") for document in documents]
    licences = [
        detect_licence(document.text, url=document.url, signs=seen)
        for document, seen in zip(documents, signs, strict=True)
    ]
    qualities = [
        measure_quality(text, language.code, seen)
        for text, language, seen in zip(texts, languages, signs, strict=True)
    ]
    personal = [count_personal(text, seen) for text, seen in zip(texts, signs, strict=True)]
    judged = zip(documents, languages, tokens, licences, qualities, personal, strict=True)
    return [_annotations(host_lists, *each) for each in judged]


def _annotations(
    host_lists: HostLists,
    document: Fetched,
    language: Language,
    tokens: int,
    licence: str,
    quality: Quality,
    personal: dict[str, int],
) -> Annotations:
    rights = judge_rights(document.robots_state, document.optout_signals)
    return Annotations(
        version=VERSION,
        language=language.code,
        language_score=language.score,
        token_count=tokens,
        tokenizer=TOKENIZER,
        license_detected=licence,
        training_allowed=rights.training_allowed,
        rights_reason=rights.reason,
        host_lists=host_lists.holding(document.url),
        quality=quality,
        personal=personal,
    )
