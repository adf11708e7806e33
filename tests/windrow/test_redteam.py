"""The adversary suite at the size of a test: a cheat earns nothing, and earns without what is there against it."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from windrow.cli import app
from windrow.redteam.strategies import STRATEGIES
from windrow_protocol.errors import WindrowError
from windrow_protocol.trust_rules import DEFENCES


def played(*words: str) -> tuple[int, list[dict[str, object]]]:
    done = CliRunner().invoke(app, ["redteam", "--json", "--submissions", "20", *words])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_garbage_is_found_and_is_taken_without_audits() -> None:
    code, (guarded, unguarded) = played("--strategy", "garbage", "--without", "audits")
    assert code == 0
    assert (guarded["submitted"], guarded["paid_wei"], guarded["held"]) == (50, "0", True)
    assert guarded["accepted"] == guarded["honest_rejected"] == guarded["honest_suspended"] == 0
    assert unguarded["without"] == ["audits"]
    assert unguarded["accepted"] > 35, "but for control pages, whose number is chance, all of it"
    assert (unguarded["measure"], unguarded["gain"]) == ("income_ratio", unguarded["income_ratio"])


def test_a_cheat_whose_answers_are_all_refused_plays_to_the_end() -> None:
    code, (forged,) = played("--strategy", "forged_receipts")
    assert code == 0
    assert forged["submitted"] == 50, "one day: it goes on without leases"
    assert (forged["received"], forged["accepted"], forged["paid_wei"], forged["held"]) == (0, 0, "0", True)
    assert forged["refused"] == {"unknown_lease": 50}


def test_every_strategy_says_what_guards_against_it() -> None:
    honest_whatever_they_send = {"honest", "replayed_submissions", "forged_receipts"}
    for name, kind in STRATEGIES.items():
        assert set(kind.guards) <= DEFENCES
        assert bool(kind.guards) != (name in honest_whatever_they_send), name


def test_a_defence_that_nothing_here_meets_is_said_to_be_one() -> None:
    done = CliRunner().invoke(app, ["redteam", "--without", "news"])
    assert isinstance(done.exception, WindrowError)
    assert done.exception.code == "bad_usage"
    assert "bench/fraud.py --without news" in str(done.exception)
