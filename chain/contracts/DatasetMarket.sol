// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @notice The one call of WIND that the market needs beyond ERC-20.
interface IReceiveWithAuthorization {
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}

/// @title Sells versions of exports; each sale leaves a public row naming the manifest that was bought
/// @notice price = royalties + fees exactly: royalties are rounded down, fees are the rest. Royalties go straight to the
///         reward distributor, fees to the treasury. The market keeps nothing.
/// @dev What is listed never changes: manifest, price and share are fixed for the life of an export version, so a
///      buyer cannot be given other terms than those seen. A listing can be closed and opened again.
contract DatasetMarket is TwoStepOwned {
    using SafeERC20 for IERC20;

    struct Listing {
        bytes32 manifestHash;
        uint128 price; // in the token's smallest unit
        uint16 royaltyBps; // of 10,000
        bool open;
    }

    uint16 public constant BPS = 10_000;
    bytes32 private constant _PAYMENT = keccak256("Windrow export payment");

    IERC20 public immutable token;
    address public immutable distributor;
    uint256 public immutable createdInBlock = block.number;

    address public treasury;
    uint256 public saleCount;
    mapping(bytes32 exportId => Listing) public listings;

    event Listed(bytes32 indexed exportId, bytes32 manifestHash, uint256 price, uint16 royaltyBps);
    event ListingChanged(bytes32 indexed exportId, bool open);
    event TreasuryChanged(address indexed previous, address indexed current);
    event Purchased(
        uint256 indexed saleId,
        address indexed buyer,
        bytes32 indexed exportId,
        bytes32 manifestHash,
        uint256 price,
        uint256 royalties,
        uint256 fees
    );

    error AlreadyListed(bytes32 exportId, bytes32 manifestHash);
    error NotListed(bytes32 exportId);
    error ListingClosed(bytes32 exportId);
    error BadListing();
    error BadAddress();
    error WrongAmountReceived(uint256 expected, uint256 received);

    constructor(IERC20 token_, address distributor_, address treasury_, address owner_) TwoStepOwned(owner_) {
        if (address(token_).code.length == 0 || distributor_.code.length == 0) revert BadAddress();
        token = token_;
        distributor = distributor_;
        _setTreasury(treasury_);
    }

    /// @notice Offer an export version. Its terms are final.
    /// @param royaltyBps The owners' share of the price in basis points, 1 to 9,999.
    function list(bytes32 exportId, bytes32 manifestHash, uint128 price, uint16 royaltyBps) external onlyOwner {
        bytes32 known = listings[exportId].manifestHash;
        if (known != bytes32(0)) revert AlreadyListed(exportId, known);
        if (manifestHash == bytes32(0) || price == 0 || royaltyBps == 0 || royaltyBps >= BPS) revert BadListing();
        listings[exportId] = Listing(manifestHash, price, royaltyBps, true);
        emit Listed(exportId, manifestHash, price, royaltyBps);
    }

    /// @notice Close a listing to new buyers, or open it again.
    function setOpen(bytes32 exportId, bool open) external onlyOwner {
        if (listings[exportId].manifestHash == bytes32(0)) revert NotListed(exportId);
        listings[exportId].open = open;
        emit ListingChanged(exportId, open);
    }

    /// @notice Send fees somewhere else from now on.
    function setTreasury(address treasury_) external onlyOwner {
        _setTreasury(treasury_);
    }

    /// @notice Buy with an allowance given to this contract before.
    function buy(bytes32 exportId) external returns (uint256 saleId) {
        uint256 royalties;
        uint256 fees;
        (saleId, royalties, fees) = _record(exportId, msg.sender);
        uint256 before = token.balanceOf(distributor);
        token.safeTransferFrom(msg.sender, distributor, royalties);
        _requireRoyalties(before, royalties);
        token.safeTransferFrom(msg.sender, treasury, fees);
    }

    /// @notice Buy for `buyer` with their EIP-3009 signature; anyone may send it and pay the gas.
    /// @dev The signed nonce is `paymentNonce(exportId, salt)`, so the same signature can buy nothing else.
    function buyWithAuthorization(
        address buyer,
        bytes32 exportId,
        bytes32 salt,
        uint256 validAfter,
        uint256 validBefore,
        bytes calldata signature
    ) external returns (uint256 saleId) {
        uint256 royalties;
        uint256 fees;
        (saleId, royalties, fees) = _record(exportId, buyer);
        bytes32 nonce = paymentNonce(exportId, salt);
        IReceiveWithAuthorization(address(token)).receiveWithAuthorization(
            buyer, address(this), royalties + fees, validAfter, validBefore, nonce, signature
        );
        uint256 before = token.balanceOf(distributor);
        token.safeTransfer(distributor, royalties);
        _requireRoyalties(before, royalties);
        token.safeTransfer(treasury, fees);
    }

    /// @notice The EIP-3009 nonce that pays for this export, of this manifest, in this market and chain.
    function paymentNonce(bytes32 exportId, bytes32 salt) public view returns (bytes32) {
        return
            keccak256(
                abi.encode(_PAYMENT, block.chainid, address(this), exportId, listings[exportId].manifestHash, salt)
            );
    }

    /// @notice What a sale of this export gives its owners and the treasury.
    function split(bytes32 exportId) external view returns (uint256 royalties, uint256 fees) {
        Listing memory listing = listings[exportId];
        if (listing.manifestHash == bytes32(0)) revert NotListed(exportId);
        return _split(listing);
    }

    function _setTreasury(address treasury_) private {
        // Fees sent to the distributor would be indistinguishable from royalties.
        if (treasury_ == address(0) || treasury_ == distributor || treasury_ == address(this)) revert BadAddress();
        emit TreasuryChanged(treasury, treasury_);
        treasury = treasury_;
    }

    /// @dev Writes the sale down before any money moves.
    function _record(bytes32 exportId, address buyer) private returns (uint256 saleId, uint256 royalties, uint256 fees) {
        Listing memory listing = listings[exportId];
        if (listing.manifestHash == bytes32(0)) revert NotListed(exportId);
        if (!listing.open) revert ListingClosed(exportId);
        saleId = ++saleCount;
        (royalties, fees) = _split(listing);
        emit Purchased(saleId, buyer, exportId, listing.manifestHash, listing.price, royalties, fees);
    }

    function _split(Listing memory listing) private pure returns (uint256 royalties, uint256 fees) {
        royalties = (uint256(listing.price) * listing.royaltyBps) / BPS;
        fees = listing.price - royalties;
    }

    /// @dev A token that keeps a part of each transfer would let roots be accepted on money that is not there.
    function _requireRoyalties(uint256 before, uint256 royalties) private view {
        uint256 received = token.balanceOf(distributor) - before;
        if (received != royalties) revert WrongAmountReceived(royalties, received);
    }
}
