"""Words that hold once and for a short time: the nonces of sign-ins, the links that a command prints.

Rules: a word says when it was made and proves that this process made it for this subject, so that none has to be
remembered before it is used; asking for millions fills nothing. Used ones are remembered until they would be over.
After a restart all of them are void.

Does not: read the clock. Usage: `word = nonces.make(subject, now_ms)`; `nonces.check(word, subject, now_ms)`;
`nonces.use(word, subject, now_ms)`.
"""

from __future__ import annotations

import hmac
import re
from collections import OrderedDict
from typing import Final

from storage.env import Randomness
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CONSOLE_USED_MAX

_WORD: Final = re.compile(r"[0-9a-f]{76}")
_TIME_DIGITS: Final = 12
_STEM_DIGITS: Final = 44


class OneUse:
    """Words of one kind and one process."""

    def __init__(self, randomness: Randomness, life_ms: int) -> None:
        self._randomness, self._life_ms = randomness, life_ms
        self._secret = randomness.token(32)
        self._used: OrderedDict[str, int] = OrderedDict()
        self._none_before_ms = 0

    def make(self, subject: str, now_ms: int) -> str:
        """Return a new word: 76 hex digits."""
        stem = f"{now_ms:0{_TIME_DIGITS}x}{self._randomness.token(16).hex()}"
        return stem + self._proof(stem, subject)

    def check(self, word: str, subject: str, now_ms: int) -> None:
        """Raise WindrowError `bad_sign_in`, `replayed` or `signature_expired` unless the word holds now."""
        if not _WORD.fullmatch(word):
            raise WindrowError("bad_sign_in", "its nonce is none of this console's")
        stem = word[:_STEM_DIGITS]
        if not hmac.compare_digest(word[_STEM_DIGITS:], self._proof(stem, subject)):
            raise WindrowError("bad_sign_in", "its nonce was not made for this")
        made_at_ms = int(stem[:_TIME_DIGITS], 16)
        if word in self._used:
            raise WindrowError("replayed", "it was used to sign in before")
        if not max(self._none_before_ms, now_ms - self._life_ms) <= made_at_ms <= now_ms:
            raise WindrowError("signature_expired", "its time is over")

    def use(self, word: str, subject: str, now_ms: int) -> None:
        """Check a word and use it up."""
        self.check(word, subject, now_ms)
        self._used[word] = int(word[:_TIME_DIGITS], 16)
        while self._used and (
            len(self._used) > CONSOLE_USED_MAX or next(iter(self._used.values())) < now_ms - self._life_ms
        ):
            _, made_at_ms = self._used.popitem(last=False)
            # forgotten too early: then nothing as old holds any more
            if made_at_ms >= now_ms - self._life_ms:
                self._none_before_ms = max(self._none_before_ms, made_at_ms + 1)

    def _proof(self, stem: str, subject: str) -> str:
        said = f"{stem}\n{subject}".encode()
        return hmac.digest(self._secret, said, "sha256")[:16].hex()
