"""How long it takes to repeat an audit epoch: entries drawn by several validators, and verdicts recomputed from texts.

Usage: `python bench/audit_replay.py --entries 50000 --audited 2000 --words 1200 --json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from random import Random

import msgspec

from aggregator.verification.drawing.draws import Signed
from aggregator.verification.epochs.audit_rows import (
    AuditRow,
    PublishedTruth,
    PublishedValidator,
    PublishedVerdict,
)
from aggregator.verification.epochs.epoch_fold import EpochFold, Range
from windrow_protocol.audit_draw import commitment_of, is_drawn, share_of_one_ppm
from windrow_protocol.content import text_sha256
from windrow_protocol.messages import Contribution, canonical_record, contribution_id_for
from windrow_protocol.trust_rules import TrustRules

RATE_PPM = 30_000
NODE = "a" * 64


def validators_of(count: int, chance: Random) -> list[PublishedValidator]:
    """Return validators of as many operators, their secrets revealed."""
    made = []
    for number in range(count):
        secret = chance.randbytes(32)
        made.append(
            PublishedValidator(
                validator_id=f"{number:064x}",
                operator=f"operator-{number}",
                commitment=commitment_of(secret),
                secret=secret.hex(),
                committed=Signed("", ""),
            )
        )
    return made


def rows(
    validators: list[PublishedValidator], entries: int, audited: int, words: int, chance: Random
) -> Iterator[AuditRow]:
    """Make an epoch's lines: honest texts, each audited one with one truth that agrees."""
    share_ppm = share_of_one_ppm(RATE_PPM, len(validators))
    every = max(1, entries // max(1, audited))
    for seq in range(1, entries + 1):
        lease_id = f"l{seq:031x}"
        text = " ".join(f"w{chance.randrange(50_000)}" for _ in range(words)) if seq % every == 0 else "short"
        record = canonical_record(_contribution(lease_id, text)).decode()
        content = text_sha256(text)
        drawn = [
            each.validator_id
            for each in validators
            if is_drawn(bytes.fromhex(each.secret), lease_id, content, share_ppm)
        ]
        verdict = None
        if seq % every == 0:
            truth = PublishedTruth(entries + seq, validators[0].validator_id, validators[0].operator, record)
            verdict = PublishedVerdict(
                "accepted", "matches_truth", 1.0, 1_000_000, NODE, record, [truth], operators=len(validators)
            )
        digest = hashlib.sha256(record.encode()).hexdigest()
        yield AuditRow(seq, "entry", digest, 1, lease_id, content, share_ppm, drawn, verdict=verdict)


def _contribution(lease_id: str, text: str) -> Contribution:
    return Contribution(
        contribution_id=contribution_id_for(lease_id, NODE),
        lease_id=lease_id,
        url="http://pages.example/",
        final_url="http://pages.example/",
        http_status=200,
        content_type="text/html",
        fetched_at_ms=0,
        robots_state="allowed",
        optout_signals=[],
        raw_sha256="0" * 64,
        text=text,
        text_sha256=text_sha256(text),
    )


def main() -> None:
    """Measure once and print one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=50_000)
    parser.add_argument("--audited", type=int, default=2_000)
    parser.add_argument("--validators", type=int, default=3)
    parser.add_argument("--words", type=int, default=1_200)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    chance = Random(1)
    validators = validators_of(given.validators, chance)
    lines = [
        msgspec.json.encode(row)
        for row in rows(validators, given.entries, given.audited, given.words, chance)
    ]
    fold = EpochFold(Range(1, 1, given.entries, "0" * 64), validators, TrustRules())
    began_s = time.process_time()
    for line in lines:
        fold.add(msgspec.json.decode(line, type=AuditRow))
    folded = fold.result()
    seconds = time.process_time() - began_s
    figures = {
        "entries": folded.entries,
        "audited": folded.audited,
        "validators": given.validators,
        "words": given.words,
        "differences": len(folded.differences),
        "seconds": round(seconds, 3),
        "entries_per_s": round(folded.entries / seconds),
    }
    print(
        json.dumps(figures) if given.json else "\n".join(f"{key}: {value}" for key, value in figures.items())
    )


if __name__ == "__main__":
    main()
