"""presidio-analyzer: its recognizers by pattern and checksum; names and places too where a spaCy model is installed.

Usage: `python run_presidio.py TEXTS.json OUT.json`: a list of texts in, for each a list of `[type, start, end]` out;
prints its facts. It imports nothing of Windrow. English is the language asked for, the one its defaults are made for.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path

import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import SpacyNlpEngine

MODELS = ("en_core_web_lg", "en_core_web_sm")


class AnyEnglish(SpacyNlpEngine):
    """The best English model that is installed, or spaCy's tokens alone, which pattern recognizers are content with."""

    def __init__(self) -> None:
        super().__init__()
        self.model = next((name for name in MODELS if spacy.util.is_package(name)), "")
        self.nlp = {"en": spacy.load(self.model) if self.model else spacy.blank("en")}


def main() -> None:
    """Analyse every text."""
    logging.disable(logging.WARNING)
    engine = AnyEnglish()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    texts = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    analyzer.analyze("warm up", language="en")
    begun_s = time.process_time()
    found = [
        [(each.entity_type, each.start, each.end) for each in analyzer.analyze(text, language="en")]
        for text in texts
    ]
    used_s = time.process_time() - begun_s
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    settings = engine.model or "no model: names and places are not looked for"
    facts = {
        "system": "presidio",
        "version": version("presidio-analyzer"),
        "settings": settings,
        "cpu_s": used_s,
    }
    print(json.dumps(facts))


main()
