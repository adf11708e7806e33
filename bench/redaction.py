"""Personal data in labelled texts: recall, precision and F1 for each type, texts per processor second, with presidio.

Usage: `python bench/redaction.py --labelled FILE [--peers FOLDER] [--missed N]` prints one JSON line for each system
and type. FILE is Parquet or lines of JSON, each with `text` and `spans`, a list of `type`, `start` and `end` in
characters; types may be ours or presidio's names. FOLDER holds the peer's virtual environment; what is missing there
is made with pip (in a temporary folder when none is named). Fails unless the peer ran.

    recall            share of labelled spans that findings of their type cover whole: what is not covered has leaked
    recall_any        the same, by findings of whatever type: what a reader would still see
    precision         share of findings that touch a labelled span of their type
    docs_per_cpu_s    texts a second, of all types together, imports and one warm-up not counted

Labelled types that a system has no name for are left out of its lines. What is found and labelled as something else
(a date, a name) counts as wrong, which is hard on either system where a set labels some types only: such types are
named with `--ignore TYPE`, and findings of them do not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT)]

import pyarrow.parquet as pq  # noqa: E402

from windrow_protocol.personal.patterns import DEVICE_DETECTORS, DEVICE_KINDS, find_personal  # noqa: E402


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# What others call our kinds. A name that maps to itself is ours.
OURS: Final = {
    "EMAIL_ADDRESS": "email",
    "EMAIL": "email",
    "PHONE_NUMBER": "phone",
    "PHONE": "phone",
    "CREDIT_CARD": "card",
    "CREDITCARD": "card",
    "IBAN_CODE": "iban",
    "IBAN": "iban",
    "IP_ADDRESS": "ip",
    "IP": "ip",
    "MAC_ADDRESS": "mac",
    "CRYPTO": "wallet",
    "PERSON": "name",
    "LOCATION": "address",
    "STREET_ADDRESS": "address",
    "TELEPHONENUM": "phone",
    "PHONENUMBER": "phone",
    "PH_MOBILE_NUMBER": "phone",
    "TR_PHONE_NUMBER": "phone",
    "CREDITCARDNUMBER": "card",
    "IPV4": "ip",
    "IPV6": "ip",
    "BITCOINADDRESS": "wallet",
    "ETHEREUMADDRESS": "wallet",
    "LITECOINADDRESS": "wallet",
    **dict.fromkeys(
        _words(
            "US_SSN US_ITIN US_MBI US_DRIVER_LICENSE US_PASSPORT UK_NHS UK_NINO UK_PASSPORT UK_DRIVING_LICENCE ES_NIF "
            "ES_NIE ES_PASSPORT IT_FISCAL_CODE IT_DRIVER_LICENSE IT_PASSPORT IT_IDENTITY_CARD PL_PESEL SG_NRIC_FIN "
            "AU_TFN AU_MEDICARE IN_PAN IN_AADHAAR IN_PASSPORT IN_VOTER FI_PERSONAL_IDENTITY_CODE KR_RRN KR_FRN "
            "KR_PASSPORT KR_DRIVER_LICENSE TH_TNIN CA_SIN DE_TAX_ID DE_PASSPORT DE_ID_CARD DE_SOCIAL_SECURITY "
            "DE_HEALTH_INSURANCE DE_FUEHRERSCHEIN SE_PERSONNUMMER TR_NATIONAL_ID ZA_ID_NUMBER NG_NIN SSN SOCIALNUM "
            "PASSPORTNUM DRIVERLICENSENUM IDCARDNUM TAXNUM"
        ),
        "national_id",
    ),
}
Span = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one system found in every text, and at what cost."""

    system: str
    version: str
    settings: str
    cpu_s: float
    found: list[list[Span]]


def kind_of(name: str) -> str:
    """Return our kind for a name of somebody else's, or the name itself in lower case."""
    return OURS.get(name.upper(), name.lower())


def cases_of(path: Path) -> list[tuple[str, list[Span]]]:
    """Read texts and labelled spans. Raises OSError, ValueError or KeyError for a file of another form."""
    if path.suffix == ".parquet":
        rows = pq.read_table(path, columns=["text", "spans"]).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        (row["text"], [(kind_of(span["type"]), span["start"], span["end"]) for span in row["spans"] or ()])
        for row in rows
    ]


def by_windrow(texts: list[str]) -> Answer:
    """Search with the pattern set that node, bridge and curation share."""
    find_personal("warm up", DEVICE_DETECTORS)
    begun_s = time.process_time()
    found = [
        [(each.kind, each.start, each.end) for each in find_personal(text, DEVICE_DETECTORS)]
        for text in texts
    ]
    return Answer("windrow", "", "shape and checksum", time.process_time() - begun_s, found)


def by_presidio(texts: list[str], folder: Path, scratch: Path) -> Answer:
    """Search with presidio in its own environment, which is made if it is not there. Raises CalledProcessError."""
    python = folder / "presidio" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "presidio"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "presidio-analyzer"], check=True)
    asked, answered = scratch / "texts.json", scratch / "found.json"
    asked.write_text(json.dumps(texts), encoding="utf-8")
    program = ROOT / "bench" / "redaction_peers" / "run_presidio.py"
    command = [python, program, asked, answered]
    facts = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    )
    spans = json.loads(answered.read_text(encoding="utf-8"))
    found = [[(kind_of(name), start, end) for name, start, end in of_text] for of_text in spans]
    return Answer(facts["system"], facts["version"], facts["settings"], facts["cpu_s"], found)


def is_covered(start: int, end: int, found: Iterable[Span]) -> bool:
    """Say whether findings, joined, cover a range whole."""
    for _, first, last in sorted(found, key=lambda span: span[1]):
        if first > start:
            return False
        start = max(start, last)
        if start >= end:
            return True
    return False


def rows_of(answer: Answer, labelled: list[list[Span]], ignored: frozenset[str]) -> list[dict[str, Any]]:
    """Return one line for each kind that is labelled and that the system knows."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for found, spans in zip(answer.found, labelled, strict=True):
        for kind, start, end in spans:
            counts[kind]["labelled"] += 1
            counts[kind]["covered"] += is_covered(start, end, (span for span in found if span[0] == kind))
            counts[kind]["covered_by_any"] += is_covered(start, end, found)
        for kind, start, end in found:
            touched = [span for span in spans if span[1] < end and start < span[2]]
            if not any(span[0] in ignored for span in touched):
                counts[kind]["found"] += 1
                counts[kind]["right"] += any(span[0] == kind for span in touched)
    known = {span[0] for found in answer.found for span in found} | (
        set(DEVICE_KINDS) if answer.system == "windrow" else set()
    )
    return [
        row_of(answer, kind, counts[kind])
        for kind in sorted(known)
        if counts[kind]["labelled"] and kind not in ignored
    ]


def row_of(answer: Answer, kind: str, count: dict[str, int]) -> dict[str, Any]:
    """Return the line of one kind."""
    recall = count["covered"] / count["labelled"]
    precision = count["right"] / count["found"] if count["found"] else 0.0
    return {
        "bench": "redaction",
        "system": answer.system,
        "version": answer.version,
        "settings": answer.settings,
        "type": kind,
        "labelled": count["labelled"],
        "recall": round(recall, 4),
        "recall_any": round(count["covered_by_any"] / count["labelled"], 4),
        "precision": round(precision, 4),
        "f1": round(2 * recall * precision / (recall + precision), 4) if recall + precision else 0.0,
        "docs_per_cpu_s": round(len(answer.found) / answer.cpu_s) if answer.cpu_s else None,
    }


def missed(answer: Answer, cases: list[tuple[str, list[Span]]], most: int) -> Iterable[dict[str, str]]:
    """Yield labelled spans of kinds we know that nothing covers, with what stands around them."""
    for (text, spans), found in zip(cases, answer.found, strict=True):
        for kind, start, end in spans:
            if kind in DEVICE_KINDS and not is_covered(start, end, found) and most > 0:
                most -= 1
                yield {"missed": kind, "text": text[start:end], "around": text[max(0, start - 30) : end + 30]}


def main() -> int:
    """Run both systems over the same texts; 1 when the peer did not run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--labelled", type=Path, required=True)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--ignore", action="append", default=[], metavar="TYPE")
    parser.add_argument("--missed", type=int, default=0, help="print so many spans that Windrow missed")
    options = parser.parse_args()
    cases = cases_of(options.labelled)
    texts, labelled = [text for text, _ in cases], [spans for _, spans in cases]
    ignored = frozenset(map(kind_of, options.ignore))
    ours = by_windrow(texts)
    for row in (*rows_of(ours, labelled, ignored), *missed(ours, cases, options.missed)):
        print(json.dumps(row, ensure_ascii=False), flush=True)
    with tempfile.TemporaryDirectory(prefix="windrow-redaction-") as name:
        try:
            peer = by_presidio(texts, options.peers or Path(name), Path(name))
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"presidio: {error}", file=sys.stderr)
            return 1
    for row in rows_of(peer, labelled, ignored):
        print(json.dumps(row), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
