"""py3langid's model walked by a compiled loop: the same answers in a tenth of the time.

Rules: the model is the package's, read through the package; the sum over features, the temperature and the folding of
labels that stand twice are those of its `classify`, in single precision. Importing this imports numba.

Does not: train, choose a sample, or decide what an answer is worth (see `language`).

Usage: `WideModel().classify("Der Zug hatte Verspätung")` is `("de", 0.99…)`.

Source: Lui and Baldwin, "langid.py: An Off-the-shelf Language Identification Tool" (2012); py3langid 0.4.
"""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aggregator.curation.word_kernels import compiled


@compiled
def _likeliest(
    text: NDArray[np.uint8],
    moves: NDArray[Any],
    rows: NDArray[Any],
    features: NDArray[np.int32],
    weights: NDArray[np.float32],
    prior: NDArray[np.float32],
    twins: NDArray[np.int64],
) -> tuple[int, float]:
    """Return the likeliest class of a text and its probability; `twins` are pairs of classes with the same label."""
    found, state = np.empty(text.size, np.int32), 0
    count = 0
    for byte in text:
        state = moves[(np.int64(rows[state]) << 8) + byte]
        feature = features[state]
        if feature >= 0:
            found[count] = feature
            count += 1
    found = np.sort(found[:count])
    scores, place = prior.copy(), 0
    while place < count:
        first, feature = place, found[place]
        while place < count and found[place] == feature:
            place += 1
        often = np.float32(np.log1p(np.float32(place - first)))
        for label in range(scores.size):
            scores[label] += often * weights[feature, label]
    return _probability(scores, np.float32(1.0 / math.sqrt(max(text.size, 1))) if count else 0.0, twins)


@compiled
def _probability(scores: NDArray[np.float32], sharpness: Any, twins: NDArray[np.int64]) -> tuple[int, float]:
    """Return the class with the highest score and its share of the softmax, twins counted as one."""
    highest, total = scores.max(), 0.0
    for label in range(scores.size):
        scores[label] = np.exp(np.float32((scores[label] - highest) * sharpness))
        total += scores[label]
    for pair in range(twins.shape[0]):
        scores[twins[pair, 0]] += scores[twins[pair, 1]]
        scores[twins[pair, 1]] = 0.0
    best: Any = np.argmax(scores)
    return best, scores[best] / total


class WideModel:
    """The loaded model; about 100 MB."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._labels = [str(label) for label in model.nb_classes]
        self._moves = np.asarray(model.tk_nextmove)
        self._rows = np.asarray(model.tk_row)
        self._features = np.asarray(model.tk_output, np.int32)
        self._weights = np.ascontiguousarray(model.nb_ptc, np.float32)
        self._prior = np.ascontiguousarray(model.nb_pc, np.float32)
        first = {label: place for place, label in reversed(list(enumerate(self._labels)))}
        twins = [(first[label], place) for place, label in enumerate(self._labels) if first[label] != place]
        self._twins = np.array(twins, np.int64).reshape(-1, 2)

    def classify(self, text: str) -> tuple[str, float]:
        """Return the likeliest label and its probability. Raises UnicodeEncodeError for a lone surrogate."""
        text = text.lower() if text.isupper() else text
        data = np.frombuffer(unicodedata.normalize("NFC", text).encode(), np.uint8)
        best, probability = _likeliest(
            data, self._moves, self._rows, self._features, self._weights, self._prior, self._twins
        )
        return self._labels[best], probability
