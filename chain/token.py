"""WIND on chain: balances, minting, transfers, allowances and payments by signature.

Rules: amounts are wei (10^-18 WIND). What sets something to a value is sent only if it differs; a transfer or a mint is
sent every time it is called, so its caller must know from elsewhere that it is due.

Does not: decide how much to mint; `DistributorOps.shortfall` says what is missing.

Usage::

    client.token.mint(minter_key, distributor_address, 10**18)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eth_typing import HexStr
from web3 import Web3
from web3.types import BlockIdentifier

from chain.assets import WIND, Asset
from chain.bound import BoundContract
from chain.sender import TxDone
from chain.typed_data import Authorization, permit, transfer_authorization
from windrow_protocol.merkle import checksum_address

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

_NOBODY = "0x" + "00" * 20


class TokenOps:
    """Operations of one WindToken."""

    def __init__(self, contract: BoundContract, chain_id: int, asset: Asset = WIND) -> None:
        self._contract = contract
        self.address: str = contract.address
        self.domain = asset.domain(chain_id, contract.address)

    def balance_of(self, account: str) -> int:
        """An account's WIND in wei."""
        return int(self._contract.read("balanceOf", Web3.to_checksum_address(account)))

    def total_supply(self, block: BlockIdentifier = "pending") -> int:
        """All WIND there is, in wei."""
        return int(self._contract.read("totalSupply", block=block))

    def minted_and_burned(self, from_block: int, to_block: int) -> tuple[int, int]:
        """All that was ever made and destroyed in a range of blocks, in wei: the transfers from and to nobody."""
        made, gone = (
            sum(
                event["args"]["value"]
                for event in self._contract.events("Transfer", from_block, to_block, of)
            )
            for of in ({"from": _NOBODY}, {"to": _NOBODY})
        )
        return made, gone

    def minter(self) -> str:
        """The only address that may mint."""
        return checksum_address(self._contract.read("minter"))

    def allowance(self, owner: str, spender: str) -> int:
        """What `spender` may take from `owner`, in wei."""
        return int(
            self._contract.read(
                "allowance", Web3.to_checksum_address(owner), Web3.to_checksum_address(spender)
            )
        )

    def authorization_used(self, payer: str, nonce: bytes, block: BlockIdentifier = "pending") -> bool:
        """Whether an EIP-3009 nonce of 32 bytes was used or cancelled."""
        account = Web3.to_checksum_address(payer)
        return bool(self._contract.read("authorizationState", account, nonce, block=block))

    def mint(self, minter_key: LocalAccount, to: str, amount_wei: int) -> TxDone:
        """Make new WIND. Raises WindrowError `chain_rejected` (NotMinter)."""
        return self._contract.write(minter_key, "mint", Web3.to_checksum_address(to), amount_wei)

    def set_minter(self, owner_key: LocalAccount, minter: str) -> TxDone | None:
        """Name the minter; None when it is the minter already."""
        self._contract.sender.wait_idle(owner_key.address)
        if self.minter().lower() == minter.lower():
            return None
        return self._contract.write(owner_key, "setMinter", Web3.to_checksum_address(minter))

    def transfer(self, key: LocalAccount, to: str, amount_wei: int) -> TxDone:
        """Send WIND."""
        return self._contract.write(key, "transfer", Web3.to_checksum_address(to), amount_wei)

    def burn(self, key: LocalAccount, amount_wei: int) -> TxDone:
        """Destroy own WIND."""
        return self._contract.write(key, "burn", amount_wei)

    def approve(self, key: LocalAccount, spender: str, amount_wei: int) -> TxDone | None:
        """Allow `spender` exactly this much; None when it is allowed already."""
        self._contract.sender.wait_idle(key.address)
        if self.allowance(key.address, spender) == amount_wei:
            return None
        return self._contract.write(key, "approve", Web3.to_checksum_address(spender), amount_wei)

    def permit(
        self,
        sender_key: LocalAccount,
        owner_key: LocalAccount,
        spender: str,
        amount_wei: int,
        deadline_s: int,
    ) -> TxDone:
        """Allow by signature (EIP-2612): the owner signs, the sender pays the gas. `deadline_s` is chain time."""
        nonce = int(self._contract.read("nonces", owner_key.address))
        message = permit(self.domain, owner_key.address, spender, amount_wei, nonce, deadline_s)
        signed = owner_key.sign_typed_data(full_message=message)
        return self._contract.write(
            sender_key,
            "permit",
            owner_key.address,
            Web3.to_checksum_address(spender),
            amount_wei,
            deadline_s,
            signed.v,
            signed.r.to_bytes(32, "big"),
            signed.s.to_bytes(32, "big"),
        )

    def sign_transfer(self, payer_key: LocalAccount, authorization: Authorization) -> bytes:
        """The payer's signature under an EIP-3009 transfer."""
        message = transfer_authorization(self.domain, authorization)
        return bytes(payer_key.sign_typed_data(full_message=message).signature)

    def transfer_with_authorization(
        self, sender_key: LocalAccount, authorization: Authorization, signature: bytes
    ) -> TxDone | None:
        """Send a signed transfer (EIP-3009); None when its nonce is used already."""
        self._contract.sender.wait_idle(sender_key.address)
        if self.authorization_used(authorization.payer, authorization.nonce):
            return None
        return self._contract.write(
            sender_key,
            "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)",
            Web3.to_checksum_address(authorization.payer),
            Web3.to_checksum_address(authorization.payee),
            authorization.value_wei,
            authorization.valid_after_s,
            authorization.valid_before_s,
            authorization.nonce,
            signature,
        )

    def cancel_authorization(
        self, sender_key: LocalAccount, authorizer: str, nonce: bytes, signature: bytes
    ) -> TxDone:
        """Send a signed cancelling (EIP-3009), after which nobody can use the nonce."""
        account = Web3.to_checksum_address(authorizer)
        name = "cancelAuthorization(address,bytes32,bytes)"
        return self._contract.write(sender_key, name, account, nonce, signature)

    def payment_tx(self, payer: str, nonce: bytes, from_block: int, to_block: int) -> str | None:
        """The transaction in which an EIP-3009 nonce was used, 0x hex."""
        filters = {"authorizer": Web3.to_checksum_address(payer), "nonce": nonce}
        for event in self._contract.events("AuthorizationUsed", from_block, to_block, filters):
            return "0x" + bytes(event["transactionHash"]).hex()
        return None

    def transferred(self, authorization: Authorization, from_block: int, to_block: int) -> bool:
        """Whether using an authorization moved exactly its value from payer to payee.

        The token writes the transfer directly after the use, so another transfer of the same transaction is not it.
        """
        tx = self.payment_tx(authorization.payer, authorization.nonce, from_block, to_block)
        if tx is None:
            return False
        receipt = self._contract.w3.eth.get_transaction_receipt(HexStr(tx))
        used = (
            event["logIndex"]
            for event in self._contract.events_in("AuthorizationUsed", receipt)
            if bytes(event["args"]["nonce"]) == authorization.nonce
            and event["args"]["authorizer"].lower() == authorization.payer.lower()
        )
        after = next(used) + 1
        wanted = (authorization.payer.lower(), authorization.payee.lower(), authorization.value_wei)
        return any(
            (
                event["logIndex"],
                event["args"]["from"].lower(),
                event["args"]["to"].lower(),
                event["args"]["value"],
            )
            == (after, *wanted)
            for event in self._contract.events_in("Transfer", receipt)
        )
