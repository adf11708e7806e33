"""Signing in: the text that a wallet is asked to sign, what makes a signed one good, and links that hold once.

Rules: a text is good for the origin and account it was made for, on this network's chain, for five minutes and once. It
is signed by an account's own key (EIP-191); contracts that sign (EIP-1271) are not asked.

Does not: make sessions or speak HTTP.

Usage: `text = sign_ins.challenge(origin, address)`; `address = sign_ins.accept(origin, text, signature)`.

Source: EIP-4361, EIP-191.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from storage.house import House
from windrow.console.once import OneUse
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLOCK_SKEW_MS_MAX, CONSOLE_LINK_LIFE_MS, SIGN_IN_LIFE_MS
from windrow_protocol.merkle import checksum_address
from windrow_protocol.sign_in import SignIn, moment_ms, parse_sign_in

_SIGNATURE: Final = re.compile(r"(0x)?[0-9a-fA-F]{130}")


class SignIns:
    """The sign-ins of one running house."""

    def __init__(self, house: House, chain_id: int) -> None:
        self._house, self._chain_id = house, chain_id
        self._nonces = OneUse(house.env.randomness, SIGN_IN_LIFE_MS)
        self._links = OneUse(house.env.randomness, CONSOLE_LINK_LIFE_MS)

    def challenge(self, origin: str, address: str) -> str:
        """Return the text that an account signs to sign in at an origin. Raises WindrowError `bad_payout_address`."""
        now_ms, spelled = self._house.now_ms(), checksum_address(address)
        place = urlsplit(origin)
        return SignIn(
            scheme=place.scheme,
            domain=place.netloc,
            address=spelled,
            statement=self._statement(),
            uri=f"{origin}/console",
            chain_id=self._chain_id,
            nonce=self._nonces.make(f"{origin} {spelled}", now_ms),
            issued_at=_moment(now_ms),
            expiration_time=_moment(now_ms + SIGN_IN_LIFE_MS),
        ).text()

    def accept(self, origin: str, text: str, signature: str) -> str:
        """Return the account that signed a text, and use the text up.

        Raises WindrowError `bad_sign_in`, `signature_expired`, `replayed` or `bad_signature`.
        """
        message, now_ms = parse_sign_in(text), self._house.now_ms()
        self._require_ours(message, origin)
        _require_in_time(message, now_ms)
        subject = f"{origin} {message.address}"
        self._nonces.check(message.nonce, subject, now_ms)
        if signer_of(text, signature) != message.address:
            raise WindrowError("bad_signature", "another account signed it")
        self._nonces.use(message.nonce, subject, now_ms)
        return message.address

    def link(self, origin: str, address: str) -> str:
        """Return a word that lets one browser in as this account."""
        return self._links.make(f"{origin} {address}", self._house.now_ms()) + address[2:]

    def enter(self, origin: str, word: str) -> str:
        """Use a link's word up and return its account.

        Raises WindrowError `bad_sign_in`, `signature_expired` or `replayed`.
        """
        address = checksum_address(f"0x{word[-40:].lower()}") if len(word) > 40 else ""
        if not address.endswith(word[-40:]):
            raise WindrowError("bad_sign_in", "the link is none of this console's")
        self._links.use(word[:-40], f"{origin} {address}", self._house.now_ms())
        return address

    def _require_ours(self, message: SignIn, origin: str) -> None:
        place = urlsplit(origin)
        if message.domain != place.netloc or message.scheme not in ("", place.scheme):
            raise WindrowError("bad_sign_in", "it is for another site")
        if message.uri != f"{origin}/console" or message.statement != self._statement():
            raise WindrowError("bad_sign_in", "it is for something else than this console")
        if message.chain_id != self._chain_id:
            raise WindrowError("bad_sign_in", f"it is for chain {message.chain_id}, not {self._chain_id}")

    def _statement(self) -> str:
        network = re.sub(r"[^A-Za-z0-9._-]", "-", self._house.network)
        return f"Sign in to the operator console of {network}. This moves no money."


def signer_of(text: str, signature: str) -> str:
    """Return the account whose key signed a text as EIP-191 says. Raises WindrowError `bad_signature`."""
    from eth_account import Account
    from eth_account.messages import encode_defunct

    if not _SIGNATURE.fullmatch(signature):
        raise WindrowError("bad_signature", "it is not 65 bytes of hex")
    try:
        signed = bytes.fromhex(signature.removeprefix("0x"))
        return str(Account.recover_message(encode_defunct(text=text), signature=signed))
    except Exception as error:  # the library passes on what its curve says
        raise WindrowError("bad_signature", "no key signs like that") from error


def _require_in_time(message: SignIn, now_ms: int) -> None:
    issued_ms = moment_ms(message.issued_at)
    if not message.expiration_time:
        raise WindrowError("bad_sign_in", "it never expires")
    if issued_ms > now_ms + CLOCK_SKEW_MS_MAX or issued_ms < now_ms - SIGN_IN_LIFE_MS:
        raise WindrowError("signature_expired", "it was not made just now")
    if moment_ms(message.expiration_time) <= now_ms:
        raise WindrowError("signature_expired", "its time is over")
    if message.not_before and moment_ms(message.not_before) > now_ms:
        raise WindrowError("signature_expired", "its time has not come")


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
