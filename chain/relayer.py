"""Sends contributors' claims and pays their gas.

Rules: it can have only the named account paid, because the contract pays nobody else. It looks before it sends, so a
claim that was made costs nothing, and it spends at most `fee_wei_max` on one claim.

Does not: hold a payout key, keep WIND, or decide amounts: account, amount and proof come from the epoch's tree.

Usage::

    outcome = Relayer(client, key).claim(account, cumulative_wei, proof)
    outcome.tx is None  # nothing was due
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chain.client import ChainClient
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLAIM_FEE_WEI_MAX, CLAIM_PROOF_HASHES_MAX
from windrow_protocol.merkle import checksum_address, verify_proof

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What became of a claim; `paid_wei` was paid now, `fee_wei` is the relayer's gas, `tx` None if none was sent."""

    status: Literal["paid", "already_claimed"]
    account: str
    paid_wei: int
    cumulative_wei: int
    tx: str | None
    fee_wei: int


class Relayer:
    """Claims for others with one key of its own."""

    def __init__(
        self, client: ChainClient, key: LocalAccount, *, fee_wei_max: int = CLAIM_FEE_WEI_MAX
    ) -> None:
        self._client = client
        self._key = key
        self._fee_wei_max = fee_wei_max
        self.address: str = key.address

    def of(self, symbol: str) -> Relayer:
        """The same relayer for the claims of an asset. Raises WindrowError `not_found`."""
        return Relayer(self._client.of(symbol), self._key, fee_wei_max=self._fee_wei_max)

    def claim(self, account: str, cumulative_wei: int, proof: Sequence[str]) -> ClaimOutcome:
        """Have an account paid what its leaf allots beyond what it had.

        Raises WindrowError `bad_payout_address`, `bad_proof`, `claims_paused`, `chain_rejected` (gas dearer than
        allowed, relayer without coin), `chain_pending`, `chain_unreachable`.
        """
        payee = checksum_address(account)
        distributor = self._client.distributor
        self._client.sender.wait_idle(self.address)
        had_wei = distributor.claimed(payee)
        if had_wei >= cumulative_wei:
            return ClaimOutcome("already_claimed", payee, 0, had_wei, None, 0)
        root = distributor.root()
        if root is None or len(proof) > CLAIM_PROOF_HASHES_MAX:
            raise WindrowError(
                "bad_proof", "no root is accepted yet" if root is None else "the proof is too long"
            )
        if not verify_proof(payee, cumulative_wei, proof, root):
            raise WindrowError("bad_proof", f"{payee} with {cumulative_wei} wei is not in the tree of {root}")
        try:
            done = distributor.send_claim(self._key, payee, cumulative_wei, proof, self._fee_wei_max)
        except WindrowError as error:
            reverted = error.facts.get("reverted")
            if reverted == "NothingToClaim":  # another relayer was first
                return ClaimOutcome("already_claimed", payee, 0, distributor.claimed(payee), None, 0)
            if reverted == "ClaimsPaused":
                raise WindrowError("claims_paused", error.detail) from error
            raise
        return ClaimOutcome("paid", payee, cumulative_wei - had_wei, cumulative_wei, done.tx, done.fee_wei)
