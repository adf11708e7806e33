"""Language identification on real sentences, and its honest `und`."""

from __future__ import annotations

import socket

import pyarrow.parquet as pq
import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from real_data import real_data

from aggregator.curation.language import SAMPLE_CHARS, UNDETERMINED, Language, detect_language
from aggregator.curation.language_kernels import WideModel

PY3LANGID_ALONE = 0.924  # its share of right answers on these sentences


def test_it_is_more_often_right_than_the_best_single_model() -> None:
    table = pq.read_table(real_data("langid_lingua_a") / "sentences.parquet").to_pylist()
    # Every eighth sentence of each of the 75 languages.
    rows = [row for row in table if row["kind"] == "sentences"][::8]
    right = sum(detect_language(row["text"]).code == row["lang"] for row in rows)
    assert len({row["lang"] for row in rows}) == 75
    assert right / len(rows) >= PY3LANGID_ALONE


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The committee met on Tuesday and agreed on the plan.", "en"),
        ("Der Ausschuss trat am Dienstag zusammen und stimmte zu.", "de"),
        ("委员会星期二开会并同意了该计划。", "zh"),
        ("Η επιτροπή συνεδρίασε την Τρίτη και συμφώνησε.", "el"),
        ("Komiteen møttes tirsdag, og den ble enig om planen som hadde vært utsatt.", "nb"),
    ],
)
def test_plain_sentences(text: str, code: str) -> None:
    language = detect_language(text)
    assert language.code == code
    assert 0.2 <= language.score <= 1.0


@pytest.mark.parametrize("text", ["", "OK", "123 456 789", "!!! ??? …", "404 | 2 / 3", "\n\n"])
def test_too_little_to_say_is_undetermined(text: str) -> None:
    assert detect_language(text) == Language(UNDETERMINED, 0.0)


def test_the_compiled_walk_answers_as_the_package_does() -> None:
    package = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    table = pq.read_table(real_data("langid_lingua_a") / "sentences.parquet")
    texts = [
        *table.column("text").to_pylist()[::40],
        "",
        "SHOUTED IN CAPITALS",
        "12",
        "e\u0301te\u0301 " * 99,
    ]
    model = WideModel()
    for text in texts:
        label, score = package.classify(text)
        assert model.classify(text) == (label, pytest.approx(score, abs=0.001)), text


def test_keys_hit_at_random_are_undetermined() -> None:
    assert detect_language("asdf qwer zxcv uiop hjkl wert").code == UNDETERMINED


def test_a_long_text_is_judged_by_a_sample_of_its_beginning_and_middle() -> None:
    menu, body = (
        "Home | About | Login " * 10,
        "Der Zug nach München hatte heute wieder einmal Verspätung. " * 400,
    )
    assert detect_language(menu + body).code == "de"
    assert detect_language("x" * 2_000_000).score <= 1.0
    assert len(menu) < SAMPLE_CHARS < len(body)


def test_no_model_is_ever_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("the network was asked for")

    detect_language.__globals__["_small_model"].cache_clear()
    detect_language.__globals__["_wide_model"].cache_clear()
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert detect_language("Diese Zeile ist in deutscher Sprache.").code == "de"
    assert detect_language("Lerato o ne a bua le bona ka selemo sena").score > 0
