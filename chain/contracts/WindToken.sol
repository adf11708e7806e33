// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Burnable} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Burnable.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @title WIND, the network's own token
/// @notice 18 decimals; payable by signature through EIP-2612 (permit) and EIP-3009 (transfer with authorization).
/// @dev The owner names one minter and may mint nothing itself: the key that signs every epoch is not the key that
///      can take the network over. EIP-3009 nonces are free 32-byte values, as wallets and x402 expect.
contract WindToken is ERC20, ERC20Burnable, ERC20Permit, ERC3009, TwoStepOwned {
    /// @notice The only address that may mint.
    address public minter;
    /// @notice The block this contract was created in: where a reader of events starts.
    uint256 public immutable createdInBlock = block.number;

    event MinterChanged(address indexed previous, address indexed current);

    error NotMinter(address caller);

    constructor(address owner_, address minter_) ERC20("Windrow", "WIND") ERC20Permit("Windrow") TwoStepOwned(owner_) {
        _setMinter(minter_);
    }

    /// @notice Name another minter; the zero address stops minting until one is named.
    function setMinter(address minter_) external onlyOwner {
        _setMinter(minter_);
    }

    /// @notice Make `amount` new tokens for `to`.
    function mint(address to, uint256 amount) external {
        if (msg.sender != minter) revert NotMinter(msg.sender);
        _mint(to, amount);
    }

    /// @notice EIP-3009 transfer whose signature may come from a contract wallet (ERC-1271).
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        _requireSigned(
            from,
            keccak256(abi.encode(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice As above, but only the payee may send it, so nobody can front-run a contract that acts on the payment.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        if (to != msg.sender) revert ERC20InvalidReceiver(to);
        _requireSigned(
            from,
            keccak256(abi.encode(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, from, to, value, validAfter, validBefore, nonce)),
            signature
        );
        _transferWithAuthorization(from, to, value, validAfter, validBefore, nonce);
    }

    /// @notice Cancel an authorization that was signed and not yet used.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes calldata signature) external {
        _requireSigned(
            authorizer,
            keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)),
            signature
        );
        _cancelAuthorization(authorizer, nonce);
    }

    function _setMinter(address minter_) private {
        emit MinterChanged(minter, minter_);
        minter = minter_;
    }

    function _requireSigned(address signer, bytes32 structHash, bytes calldata signature) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        if (!SignatureChecker.isValidSignatureNow(signer, digest, signature)) revert ERC3009InvalidSignature();
    }
}
