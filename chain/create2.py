"""Where a contract will lie before it is created: CREATE2 through the factory most chains already have.

Rules: an address follows from the factory, the salt and the creation code with its arguments, and from nothing else.
So creating the same contract twice is the same as once, whatever else the deploying key has sent. The factory is the
keyless one at 0x4e59…956C: it creates what it is given (salt ‖ creation code) and has no owner.

Does not: send anything; `chain/deploy.py` does.

Usage::

    address = create2_address(salt, creation_code)
"""

from __future__ import annotations

from typing import Final

from windrow_protocol.merkle import checksum_address, keccak256

FACTORY_ADDRESS: Final = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
FACTORY_CODE: Final = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f5"
    "8015156039578182fd5b8082525050506014600cf3"
)


def create2_address(salt: bytes, creation_code: bytes) -> str:
    """The checksummed address the factory creates `creation_code` at (EIP-1014). `salt` is 32 bytes.

    Raises ValueError when the salt is not 32 bytes.
    """
    if len(salt) != 32:
        raise ValueError("a CREATE2 salt has 32 bytes")
    factory = bytes.fromhex(FACTORY_ADDRESS[2:])
    digest = keccak256(b"\xff" + factory + salt + keccak256(creation_code))
    return checksum_address("0x" + digest[12:].hex())
