"""WIND: who may mint, EIP-2612, EIP-3009 in both spellings, and contract wallets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from chain_lab import BUYER, CHAIN_ID, OWNER, RELAYER, STRANGER, House, RevertedError
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.typed_data import (
    TOKEN_DECIMALS,
    TOKEN_NAME,
    Authorization,
    TokenDomain,
    cancel_authorization,
    permit,
    receive_authorization,
    transfer_authorization,
)

WIND = 10**18
BYTES = "address,address,uint256,uint256,uint256,bytes32,bytes"
VRS = "address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32"


@pytest.fixture(scope="module")
def payer() -> LocalAccount:
    key: LocalAccount = Account.from_key(b"\x07" * 32)
    return key


def domain(house: House) -> TokenDomain:
    return TokenDomain(CHAIN_ID, house.token.address)


def authorization(house: House, payer: LocalAccount, payee: str = BUYER) -> Authorization:
    house.lab.send(OWNER, house.token, "mint", payer.address, 10 * WIND)
    now_s = house.lab.now_s
    return Authorization(payer.address, payee, 3 * WIND, now_s - 1, now_s + 60, b"\x42" * 32)


def arguments(given: Authorization) -> tuple[object, ...]:
    return (
        given.payer,
        given.payee,
        given.value_wei,
        given.valid_after_s,
        given.valid_before_s,
        given.nonce,
    )


def vrs(key: LocalAccount, message: dict[str, Any]) -> tuple[int, bytes, bytes]:
    signed = key.sign_typed_data(full_message=message)
    return signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big")


def signature(key: LocalAccount, message: dict[str, Any]) -> bytes:
    return bytes(key.sign_typed_data(full_message=message).signature)


def test_token_says_who_it_is(house: House) -> None:
    assert house.lab.read(house.token, "name") == TOKEN_NAME == "Windrow"
    assert house.lab.read(house.token, "symbol") == "WIND"
    assert house.lab.read(house.token, "decimals") == TOKEN_DECIMALS == 18


def test_only_the_minter_mints_and_the_owner_names_it(house: House) -> None:
    with pytest.raises(RevertedError, match="NotMinter"):
        house.lab.send(STRANGER, house.token, "mint", STRANGER, 1)
    with pytest.raises(RevertedError, match="OwnableUnauthorizedAccount"):
        house.lab.send(STRANGER, house.token, "setMinter", STRANGER)
    house.lab.send(OWNER, house.token, "setMinter", RELAYER)
    with pytest.raises(RevertedError, match="NotMinter"):
        house.lab.send(OWNER, house.token, "mint", OWNER, 1)
    house.lab.send(RELAYER, house.token, "mint", BUYER, 5)
    assert house.balance(BUYER) == 5
    with pytest.raises(RevertedError, match="OwnerRequired"):
        house.lab.send(OWNER, house.token, "renounceOwnership")


def test_burning_lowers_supply(house: House) -> None:
    house.lab.send(OWNER, house.token, "mint", BUYER, 5)
    house.lab.send(BUYER, house.token, "burn", 2)
    assert house.balance(BUYER) == 3
    assert house.lab.read(house.token, "totalSupply") == 3


def test_permit_gives_an_allowance_once_and_only_before_its_deadline(
    house: House, payer: LocalAccount
) -> None:
    deadline_s = house.lab.now_s + 5
    signed = vrs(payer, permit(domain(house), payer.address, BUYER, 7, 0, deadline_s))
    house.lab.send(STRANGER, house.token, "permit", payer.address, BUYER, 7, deadline_s, *signed)
    assert house.lab.read(house.token, "allowance", payer.address, BUYER) == 7
    with pytest.raises(RevertedError, match="ERC2612InvalidSigner"):
        house.lab.send(STRANGER, house.token, "permit", payer.address, BUYER, 7, deadline_s, *signed)
    later = vrs(payer, permit(domain(house), payer.address, BUYER, 9, 1, deadline_s))
    house.lab.now_s = deadline_s + 1
    with pytest.raises(RevertedError, match="ERC2612ExpiredSignature"):
        house.lab.send(STRANGER, house.token, "permit", payer.address, BUYER, 9, deadline_s, *later)


@pytest.mark.parametrize("spelling", ["bytes", "vrs"])
def test_signed_transfer_moves_once(house: House, payer: LocalAccount, spelling: str) -> None:
    given = authorization(house, payer)
    message = transfer_authorization(domain(house), given)
    signed = (signature(payer, message),) if spelling == "bytes" else vrs(payer, message)
    function = f"transferWithAuthorization({BYTES if spelling == 'bytes' else VRS})"
    house.lab.send(STRANGER, house.token, function, *arguments(given), *signed)
    assert house.balance(BUYER) == 3 * WIND
    assert house.lab.read(house.token, "authorizationState", payer.address, given.nonce) is True
    with pytest.raises(RevertedError, match="ERC3009UsedAuthorization"):
        house.lab.send(STRANGER, house.token, function, *arguments(given), *signed)


@pytest.mark.parametrize("spelling", ["bytes", "vrs"])
def test_receive_is_for_the_payee_alone(house: House, payer: LocalAccount, spelling: str) -> None:
    given = authorization(house, payer)
    message = receive_authorization(domain(house), given)
    signed = (signature(payer, message),) if spelling == "bytes" else vrs(payer, message)
    function = f"receiveWithAuthorization({BYTES if spelling == 'bytes' else VRS})"
    with pytest.raises(RevertedError, match="ERC20InvalidReceiver"):
        house.lab.send(STRANGER, house.token, function, *arguments(given), *signed)
    house.lab.send(BUYER, house.token, function, *arguments(given), *signed)
    assert house.balance(BUYER) == 3 * WIND


@pytest.mark.parametrize("function", ["transferWithAuthorization", "receiveWithAuthorization"])
def test_a_signature_of_somebody_else_moves_nothing(house: House, payer: LocalAccount, function: str) -> None:
    """Not even when the payee, who alone may send it, sends it."""
    given, other = authorization(house, payer), Account.from_key(b"\x08" * 32)
    message = (transfer_authorization if function[0] == "t" else receive_authorization)(domain(house), given)
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(
            BUYER, house.token, f"{function}({BYTES})", *arguments(given), signature(other, message)
        )


def test_receive_signature_is_no_transfer_signature(house: House, payer: LocalAccount) -> None:
    given = authorization(house, payer)
    signed = signature(payer, receive_authorization(domain(house), given))
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(
            STRANGER, house.token, f"transferWithAuthorization({BYTES})", *arguments(given), signed
        )


@pytest.mark.parametrize("spelling", ["bytes", "vrs"])
def test_cancelled_authorization_is_useless(house: House, payer: LocalAccount, spelling: str) -> None:
    given = authorization(house, payer)
    message = cancel_authorization(domain(house), payer.address, given.nonce)
    if spelling == "bytes":
        house.lab.send(
            STRANGER,
            house.token,
            "cancelAuthorization(address,bytes32,bytes)",
            payer.address,
            given.nonce,
            signature(payer, message),
        )
    else:
        function = "cancelAuthorization(address,bytes32,uint8,bytes32,bytes32)"
        house.lab.send(STRANGER, house.token, function, payer.address, given.nonce, *vrs(payer, message))
    signed = signature(payer, transfer_authorization(domain(house), given))
    with pytest.raises(RevertedError, match="ERC3009UsedAuthorization"):
        house.lab.send(
            STRANGER, house.token, f"transferWithAuthorization({BYTES})", *arguments(given), signed
        )


def test_stranger_cannot_cancel(house: House, payer: LocalAccount) -> None:
    other: LocalAccount = Account.from_key(b"\x08" * 32)
    signed = signature(other, cancel_authorization(domain(house), payer.address, b"\x42" * 32))
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(
            STRANGER,
            house.token,
            "cancelAuthorization(address,bytes32,bytes)",
            payer.address,
            b"\x42" * 32,
            signed,
        )


@pytest.mark.parametrize("change", ["value", "payee", "nonce", "before", "after", "chain", "token"])
def test_changed_authorization_is_refused(house: House, payer: LocalAccount, change: str) -> None:
    given = authorization(house, payer)
    where = domain(house)
    if change in ("chain", "token"):
        where = replace(where, chain_id=1) if change == "chain" else replace(where, token=STRANGER)
    signed = signature(payer, transfer_authorization(where, given))
    sent = {
        "value": replace(given, value_wei=given.value_wei + 1),
        "payee": replace(given, payee=STRANGER),
        "nonce": replace(given, nonce=b"\x43" * 32),
        "before": replace(given, valid_before_s=given.valid_before_s + 1),
        "after": replace(given, valid_after_s=given.valid_after_s - 1),
    }.get(change, given)
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(STRANGER, house.token, f"transferWithAuthorization({BYTES})", *arguments(sent), signed)


@pytest.mark.parametrize(("shift_s", "works"), [(-2, False), (-1, False), (0, True), (59, True), (60, False)])
def test_authorization_has_its_time(house: House, payer: LocalAccount, shift_s: int, works: bool) -> None:
    given = authorization(house, payer)
    signed = signature(payer, transfer_authorization(domain(house), given))
    house.lab.now_s += shift_s
    function = f"transferWithAuthorization({BYTES})"
    if works:
        house.lab.send(STRANGER, house.token, function, *arguments(given), signed)
        return
    with pytest.raises(RevertedError, match="ERC3009InvalidAuthorizationTime"):
        house.lab.send(STRANGER, house.token, function, *arguments(given), signed)


def test_contract_wallet_pays_by_its_own_rule(house: House, payer: LocalAccount) -> None:
    wallet = house.lab.create("OneKeyWallet", payer.address)
    house.lab.send(OWNER, house.token, "mint", wallet.address, WIND)
    given = Authorization(wallet.address, BUYER, WIND, 0, house.lab.now_s + 60, b"\x01" * 32)
    message = transfer_authorization(domain(house), given)
    function = f"transferWithAuthorization({BYTES})"
    other: LocalAccount = Account.from_key(b"\x09" * 32)
    with pytest.raises(RevertedError, match="ERC3009InvalidSignature"):
        house.lab.send(STRANGER, house.token, function, *arguments(given), signature(other, message))
    house.lab.send(STRANGER, house.token, function, *arguments(given), signature(payer, message))
    assert house.balance(BUYER) == WIND
