"""The reward distributor: propose a root, wait, accept it, claim from it.

Rules: everything here may be called again after a crash: what the chain shows as done is not sent a second time. Roots
and inputs hashes are 0x and 64 hex digits, amounts wei, times seconds of chain time.

Does not: build trees (`windrow_protocol/merkle.py`) or decide who gets what (`rewards/`).

Usage::

    client.distributor.propose_root(owner_key, tree.root, tree.total, inputs_hash)
    client.distributor.wait_valid(tree.root)
    client.distributor.accept_root(owner_key, tree.root)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from web3 import Web3
from web3.types import BlockIdentifier

from chain.bound import BoundContract
from chain.sender import TxDone
from windrow_protocol.errors import WindrowError
from windrow_protocol.limits import CLAIM_GAS_MAX, RECEIPT_WAIT_S_MAX

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_POLL_S: float = 0.2
_NO_ROOT = "0x" + "00" * 32


@dataclass(frozen=True, slots=True)
class Proposal:
    """A root that waits for its time."""

    proposal_id: int
    root: str
    inputs_hash: str
    total_wei: int
    valid_at_s: int


@dataclass(frozen=True, slots=True)
class AcceptedRoot:
    """A root that claims were or are checked against."""

    proposal_id: int
    root: str
    inputs_hash: str
    total_wei: int
    tx: str
    block: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """One payment of the distributor: `amount_wei` now, `cumulative_wei` in all."""

    account: str
    amount_wei: int
    cumulative_wei: int
    tx: str
    block: int


class DistributorOps:
    """Operations of one RewardDistributor."""

    def __init__(
        self,
        contract: BoundContract,
        token: BoundContract,
        chain_time_s: Callable[[], int],
        sleep_s: Callable[[float], None] = time.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._contract = contract
        self._token = token
        self._chain_time_s = chain_time_s
        self._sleep_s = sleep_s
        self._monotonic_s = monotonic_s
        self.address: str = contract.address

    def root(self, block: BlockIdentifier = "pending") -> str | None:
        """The root claims are checked against; None before the first."""
        found = _hex(self._contract.read("root", block=block))
        return None if found == _NO_ROOT else found

    def total_allocated(self, block: BlockIdentifier = "pending") -> int:
        """The sum of the accepted tree's leaves, in wei."""
        return int(self._contract.read("totalAllocated", block=block))

    def balance(self, block: BlockIdentifier = "pending") -> int:
        """What lies at the distributor for claims, in wei: what is allotted less what was paid, and what was given."""
        return int(self._token.read("balanceOf", self.address, block=block))

    @cached_property
    def reserve(self) -> str:
        """Where royalties, budgets and mints go: what lies there is allotted to nobody yet."""
        return Web3.to_checksum_address(self._contract.read("reserve"))

    def claimed(self, account: str) -> int:
        """What an account was paid, in wei."""
        return int(self._contract.read("claimed", Web3.to_checksum_address(account)))

    def timelock_s(self) -> int:
        """How long a proposal made now would wait."""
        return int(self._contract.read("timelock"))

    def paused_until_s(self) -> int | None:
        """When claims open again; None when they are open."""
        until_s = int(self._contract.read("pausedUntil"))
        return until_s if self._chain_time_s() < until_s else None

    def pending(self, block: BlockIdentifier = "pending") -> Proposal | None:
        """The proposal that waits, None when there is none."""
        root, inputs_hash, total_wei, proposal_id, valid_at_s = self._contract.read("pending", block=block)
        if not proposal_id:
            return None
        return Proposal(proposal_id, _hex(root), _hex(inputs_hash), total_wei, valid_at_s)

    def shortfall(self, total_wei: int, block: BlockIdentifier = "pending") -> int:
        """What the reserve lacks, in wei, for a root of this total to be accepted; 0 when nothing."""
        reserved = int(self._token.read("balanceOf", self.reserve, block=block))
        return max(0, total_wei - self.total_allocated(block) - reserved)

    def propose_root(
        self, owner_key: LocalAccount, root: str, total_wei: int, inputs_hash: str
    ) -> TxDone | None:
        """Propose a root; None when it waits or is accepted already.

        Raises WindrowError `chain_rejected`: ProposalOpen, TotalDecreased, EmptyRoot, OwnableUnauthorizedAccount.
        """
        self._contract.sender.wait_idle(owner_key.address)
        if self.root() == root and self.total_allocated() == total_wei:
            return None
        waiting = self.pending()
        if waiting is not None and (waiting.root, waiting.total_wei, waiting.inputs_hash) == (
            root,
            total_wei,
            inputs_hash,
        ):
            return None
        return self._contract.write(
            owner_key, "proposeRoot", _bytes32(root), total_wei, _bytes32(inputs_hash)
        )

    def valid_at_s(self, root: str) -> int | None:
        """Chain time from which a proposed root can be accepted; None when it does not wait."""
        waiting = self.pending()
        return waiting.valid_at_s if waiting is not None and waiting.root == root else None

    def wait_valid(self, root: str, wait_s_max: float = RECEIPT_WAIT_S_MAX) -> None:
        """Wait until a proposed root can be accepted; at once when it is accepted.

        Raises WindrowError `not_found` when it was never proposed, `chain_pending` when the wait is longer than
        `wait_s_max`.
        """
        if self.root() == root:
            return
        valid_at_s = self.valid_at_s(root)
        if valid_at_s is None:
            raise WindrowError("not_found", f"root {root} is not proposed")
        deadline_s = self._monotonic_s() + wait_s_max
        while (now_s := self._chain_time_s()) < valid_at_s:
            if self._monotonic_s() >= deadline_s:
                raise WindrowError("chain_pending", f"root {root} is valid in {valid_at_s - now_s} s")
            self._sleep_s(_POLL_S)

    def accept_root(self, owner_key: LocalAccount, root: str) -> TxDone | None:
        """Accept the proposed root; None when it is accepted already.

        Raises WindrowError `chain_rejected`: TooEarly, Underfunded, NotThisProposal, NoProposal.
        """
        self._contract.sender.wait_idle(owner_key.address)
        if self.root() == root and self.valid_at_s(root) is None:
            return None
        return self._contract.write(owner_key, "acceptRoot", _bytes32(root))

    def claim(
        self,
        sender_key: LocalAccount,
        account: str,
        cumulative_wei: int,
        proof: Sequence[str],
        fee_wei_max: int | None = None,
    ) -> TxDone | None:
        """Have an account paid what its leaf allots beyond what it had; None when that is nothing.

        Raises WindrowError `chain_rejected`: InvalidProof, ClaimsPaused.
        """
        self._contract.sender.wait_idle(sender_key.address)
        if self.claimed(account) >= cumulative_wei:
            return None
        return self.send_claim(sender_key, account, cumulative_wei, proof, fee_wei_max)

    def send_claim(
        self,
        sender_key: LocalAccount,
        account: str,
        cumulative_wei: int,
        proof: Sequence[str],
        fee_wei_max: int | None,
    ) -> TxDone:
        """Send a claim without looking first. Raises as `claim` does, and NothingToClaim."""
        return self._contract.write(
            sender_key,
            "claim",
            Web3.to_checksum_address(account),
            cumulative_wei,
            [_bytes32(step) for step in proof],
            gas_max=CLAIM_GAS_MAX,
            fee_wei_max=fee_wei_max,
        )

    def pause(self, owner_key: LocalAccount) -> TxDone:
        """Stop claims for seven days. Raises WindrowError `chain_rejected` (PauseTooSoon)."""
        return self._contract.write(owner_key, "pause")

    def resume(self, owner_key: LocalAccount) -> TxDone:
        """Open claims again."""
        return self._contract.write(owner_key, "resume")

    def raise_timelock(self, owner_key: LocalAccount, timelock_s: int) -> TxDone:
        """Lengthen the wait of later proposals. Raises WindrowError `chain_rejected` (BadTimelock)."""
        return self._contract.write(owner_key, "raiseTimelock", timelock_s)

    def accepted_roots(self, from_block: int, to_block: int) -> list[AcceptedRoot]:
        """The roots accepted in a range of blocks, in order."""
        return [
            AcceptedRoot(
                event["args"]["id"],
                _hex(event["args"]["root"]),
                _hex(event["args"]["inputsHash"]),
                event["args"]["totalAllocated"],
                _hex(event["transactionHash"]),
                event["blockNumber"],
            )
            for event in self._contract.events("RootAccepted", from_block, to_block)
        ]

    def claims(self, from_block: int, to_block: int, account: str | None = None) -> list[Claimed]:
        """The payments in a range of blocks, in order."""
        filters = {} if account is None else {"account": Web3.to_checksum_address(account)}
        return [
            Claimed(
                event["args"]["account"],
                event["args"]["amount"],
                event["args"]["cumulativeAmount"],
                _hex(event["transactionHash"]),
                event["blockNumber"],
            )
            for event in self._contract.events("Claimed", from_block, to_block, filters)
        ]


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()


def _bytes32(text: str) -> bytes:
    digits = text.removeprefix("0x")
    if len(digits) != 64:
        raise WindrowError("bad_proof", f"{text[:80]} is not 32 bytes of hex")
    try:
        return bytes.fromhex(digits)
    except ValueError as error:
        raise WindrowError("bad_proof", f"{text[:80]} is not 32 bytes of hex") from error
