"""What the tests of bad input share: addresses and bodies, and what a refusal has to look like."""

from __future__ import annotations

from windrow_protocol.errors import REASONS

PAYOUT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
MISTYPED = PAYOUT[:-1] + "E"
OTHER_PAYOUT = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
NOBODY = "http://127.0.0.1:9"  # a loopback port that nothing listens on
WISH = b'{"count": 1}'
HEX = "0" * 64
PAGE = f"{NOBODY}/page.html"


def one_sentence(err: str, code: str) -> None:
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith(f"windrow: {REASONS[code].sentence}")
    assert f"Remedy: {REASONS[code].remedy}" in lines[0]
    assert lines[0].endswith(f"[{code}]")


def no_traceback(*texts: str) -> None:
    assert not any("Traceback" in text for text in texts)
