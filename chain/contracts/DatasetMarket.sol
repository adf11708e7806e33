// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @notice What the market needs of a token beyond ERC-20 (EIP-3009, signatures as bytes).
interface IAuthorizedToken {
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;

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

/// @notice What the market needs of a token of which a part of each sale is destroyed (OpenZeppelin's ERC20Burnable).
interface IBurnableToken {
    function burn(uint256 value) external;

    function burnFrom(address account, uint256 value) external;
}

/// @notice What the market needs of a reward distributor: where it takes what it allots from.
interface IReservingDistributor {
    function reserve() external view returns (address);
}

/// @title Sells versions of exports; each sale leaves a public row naming the manifest that was bought
/// @notice price = royalties + burned + fees exactly: the first two are rounded down, fees are the rest. Royalties go
///         straight to the reward distributor's reserve, fees to the treasury, and what is burned nobody has any more. The market
///         keeps nothing but what waits in an order under terms, of which nothing is burned before it is a sale.
/// @dev What is listed never changes: manifest, price and share are fixed for the life of an export version, so a
///      buyer cannot be given other terms than those seen. A listing can be closed and opened again.
contract DatasetMarket is TwoStepOwned {
    using SafeERC20 for IERC20;

    struct Listing {
        bytes32 manifestHash;
        uint128 price; // in the token's smallest unit
        uint16 royaltyBps; // of 10,000
        uint16 burnBps;
        bool open;
    }

    /// @dev What a price is made of.
    struct Parts {
        uint256 royalties;
        uint256 fees;
        uint256 burned;
    }

    /// @dev A price paid under terms: released as a sale, or given back whole.
    struct Order {
        address buyer;
        uint64 refundableAt; // from then on anyone may have it given back
        bytes32 exportId;
        bytes32 terms; // SHA-256 of what the buyer asserts of the export
        uint256 price;
    }

    uint16 public constant BPS = 10_000;
    uint64 public constant HOLD_S = 1 days;
    bytes32 private constant _PAYMENT = keccak256("Windrow export payment");

    IERC20 public immutable token;
    address public immutable distributor;
    address public immutable reserve;
    uint256 public immutable createdInBlock = block.number;

    address public treasury;
    /// @notice Who judges orders and brings signed transfers in; may take nothing for itself.
    address public settler;
    uint256 public saleCount;
    uint256 public orderCount;
    /// @notice The sum of all orders under way.
    uint256 public heldTotal;
    mapping(uint256 orderId => Order) public orders;
    /// @notice The sale that a signed transfer paid for, by keccak256(buyer, nonce); 0 when there is none.
    mapping(bytes32 payment => uint256 saleId) public saleOf;
    mapping(bytes32 exportId => Listing) public listings;

    event Listed(bytes32 indexed exportId, bytes32 manifestHash, uint256 price, uint16 royaltyBps, uint16 burnBps);
    event ListingChanged(bytes32 indexed exportId, bool open);
    event TreasuryChanged(address indexed previous, address indexed current);
    event SettlerChanged(address indexed previous, address indexed current);
    event Ordered(
        uint256 indexed orderId,
        address indexed buyer,
        bytes32 indexed exportId,
        bytes32 manifestHash,
        uint256 price,
        bytes32 terms,
        uint64 refundableAt
    );
    event Settled(uint256 indexed orderId, uint256 indexed saleId);
    event Refunded(uint256 indexed orderId, address indexed buyer, uint256 price);
    event Purchased(
        uint256 indexed saleId,
        address indexed buyer,
        bytes32 indexed exportId,
        bytes32 manifestHash,
        uint256 price,
        uint256 royalties,
        uint256 fees,
        uint256 burned
    );

    error AlreadyListed(bytes32 exportId, bytes32 manifestHash);
    error NotListed(bytes32 exportId);
    error ListingClosed(bytes32 exportId);
    error BadListing();
    error BadAddress();
    error NotSettler(address caller);
    error NoOrder(uint256 orderId);
    error TooLate(uint256 orderId, uint64 refundableAt);
    error TooEarly(uint256 orderId, uint64 refundableAt);
    error PaymentUsed(uint256 saleId);
    error WrongAmountReceived(uint256 expected, uint256 received);

    constructor(IERC20 token_, address distributor_, address treasury_, address owner_) TwoStepOwned(owner_) {
        if (address(token_).code.length == 0 || distributor_.code.length == 0) revert BadAddress();
        token = token_;
        distributor = distributor_;
        reserve = IReservingDistributor(distributor_).reserve();
        _setTreasury(treasury_);
        _setSettler(owner_);
    }

    modifier onlySettler() {
        if (msg.sender != settler) revert NotSettler(msg.sender);
        _;
    }

    /// @notice Offer an export version. Its terms are final.
    /// @param royaltyBps The owners' share of the price in basis points, 1 to 9,999.
    /// @param burnBps The share that a sale destroys, at most what royalties leave; 0 for a token that cannot burn.
    function list(
        bytes32 exportId,
        bytes32 manifestHash,
        uint128 price,
        uint16 royaltyBps,
        uint16 burnBps
    ) external onlyOwner {
        bytes32 known = listings[exportId].manifestHash;
        if (known != bytes32(0)) revert AlreadyListed(exportId, known);
        if (manifestHash == bytes32(0) || price == 0 || royaltyBps == 0 || royaltyBps >= BPS) revert BadListing();
        if (burnBps > BPS - royaltyBps) revert BadListing();
        listings[exportId] = Listing(manifestHash, price, royaltyBps, burnBps, true);
        emit Listed(exportId, manifestHash, price, royaltyBps, burnBps);
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

    /// @notice Name another settler; the zero address stops orders from being settled, and all are given back.
    function setSettler(address settler_) external onlyOwner {
        _setSettler(settler_);
    }

    /// @notice Buy with an allowance given to this contract before.
    function buy(bytes32 exportId) external returns (uint256 saleId) {
        Parts memory parts;
        (saleId, parts) = _record(exportId, msg.sender);
        uint256 before = token.balanceOf(reserve);
        token.safeTransferFrom(msg.sender, reserve, parts.royalties);
        _requireRoyalties(before, parts.royalties);
        token.safeTransferFrom(msg.sender, treasury, parts.fees);
        if (parts.burned != 0) IBurnableToken(address(token)).burnFrom(msg.sender, parts.burned);
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
        Parts memory parts;
        (saleId, parts) = _record(exportId, buyer);
        IAuthorizedToken(address(token)).receiveWithAuthorization(
            buyer, address(this), _price(parts), validAfter, validBefore, paymentNonce(exportId, salt), signature
        );
        _payOut(parts);
    }

    /// @notice Turn a signed EIP-3009 transfer to this market, as x402 clients make it, into a sale.
    /// @dev Its nonce names no export, so only the settler may say what it was for. Whoever brought the transfer in
    ///      before changes nothing: the money is here, and the sale is made of it once. The settler has to know then
    ///      that it was this transfer and not a cancelled one; the balance is checked either way.
    function buyWithTransfer(
        address buyer,
        bytes32 exportId,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external onlySettler returns (uint256 saleId) {
        Parts memory parts;
        (saleId, parts) = _record(exportId, buyer);
        bytes32 payment = keccak256(abi.encode(buyer, nonce));
        if (saleOf[payment] != 0) revert PaymentUsed(saleOf[payment]);
        saleOf[payment] = saleId;
        uint256 price = _price(parts);
        if (!IAuthorizedToken(address(token)).authorizationState(buyer, nonce)) {
            IAuthorizedToken(address(token)).transferWithAuthorization(
                buyer, address(this), price, validAfter, validBefore, nonce, signature
            );
        }
        uint256 free = token.balanceOf(address(this)) - heldTotal;
        if (free < price) revert WrongAmountReceived(price, free);
        _payOut(parts);
    }

    /// @notice Pay under terms, with an allowance given before: the price waits here until the order is settled.
    /// @param terms SHA-256 of what the buyer asserts of the export.
    function order(bytes32 exportId, bytes32 terms) external returns (uint256 orderId) {
        Listing memory listing = _openListing(exportId);
        uint64 refundableAt = uint64(block.timestamp) + HOLD_S;
        orderId = ++orderCount;
        orders[orderId] = Order(msg.sender, refundableAt, exportId, terms, listing.price);
        heldTotal += listing.price;
        emit Ordered(orderId, msg.sender, exportId, listing.manifestHash, listing.price, terms, refundableAt);
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), listing.price);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != listing.price) revert WrongAmountReceived(listing.price, received);
    }

    /// @notice The terms hold: the order becomes a sale. The buyer may waive the terms.
    function settle(uint256 orderId) external returns (uint256 saleId) {
        Order memory held = _takeOrder(orderId);
        if (msg.sender != settler && msg.sender != held.buyer) revert NotSettler(msg.sender);
        if (block.timestamp >= held.refundableAt) revert TooLate(orderId, held.refundableAt);
        Parts memory parts;
        (saleId, parts) = _record(held.exportId, held.buyer);
        emit Settled(orderId, saleId);
        _payOut(parts);
    }

    /// @notice The terms do not hold, or nobody judged them for a day: all of the price goes back.
    function refund(uint256 orderId) external {
        Order memory held = _takeOrder(orderId);
        if (msg.sender != settler && block.timestamp < held.refundableAt) revert TooEarly(orderId, held.refundableAt);
        emit Refunded(orderId, held.buyer, held.price);
        token.safeTransfer(held.buyer, held.price);
    }

    /// @notice The EIP-3009 nonce that pays for this export, of this manifest, in this market and chain.
    function paymentNonce(bytes32 exportId, bytes32 salt) public view returns (bytes32) {
        return
            keccak256(
                abi.encode(_PAYMENT, block.chainid, address(this), exportId, listings[exportId].manifestHash, salt)
            );
    }

    /// @notice What a sale of this export gives its owners and the treasury, and what it destroys.
    function split(bytes32 exportId) external view returns (uint256 royalties, uint256 fees, uint256 burned) {
        Listing memory listing = listings[exportId];
        if (listing.manifestHash == bytes32(0)) revert NotListed(exportId);
        Parts memory parts = _split(listing);
        return (parts.royalties, parts.fees, parts.burned);
    }

    function _setTreasury(address treasury_) private {
        // Fees sent to the reserve would be royalties, and from the distributor nobody could take them.
        if (treasury_ == address(0) || treasury_ == address(this)) revert BadAddress();
        if (treasury_ == reserve || treasury_ == distributor) revert BadAddress();
        emit TreasuryChanged(treasury, treasury_);
        treasury = treasury_;
    }

    function _setSettler(address settler_) private {
        emit SettlerChanged(settler, settler_);
        settler = settler_;
    }

    function _openListing(bytes32 exportId) private view returns (Listing memory listing) {
        listing = listings[exportId];
        if (listing.manifestHash == bytes32(0)) revert NotListed(exportId);
        if (!listing.open) revert ListingClosed(exportId);
    }

    /// @dev An order ends once: it is forgotten before any money moves.
    function _takeOrder(uint256 orderId) private returns (Order memory held) {
        held = orders[orderId];
        if (held.buyer == address(0)) revert NoOrder(orderId);
        delete orders[orderId];
        heldTotal -= held.price;
    }

    function _payOut(Parts memory parts) private {
        uint256 before = token.balanceOf(reserve);
        token.safeTransfer(reserve, parts.royalties);
        _requireRoyalties(before, parts.royalties);
        token.safeTransfer(treasury, parts.fees);
        if (parts.burned != 0) IBurnableToken(address(token)).burn(parts.burned);
    }

    /// @dev Writes the sale down before any money moves.
    function _record(bytes32 exportId, address buyer) private returns (uint256 saleId, Parts memory parts) {
        Listing memory listing = _openListing(exportId);
        saleId = ++saleCount;
        parts = _split(listing);
        emit Purchased(
            saleId,
            buyer,
            exportId,
            listing.manifestHash,
            listing.price,
            parts.royalties,
            parts.fees,
            parts.burned
        );
    }

    function _split(Listing memory listing) private pure returns (Parts memory parts) {
        parts.royalties = (uint256(listing.price) * listing.royaltyBps) / BPS;
        parts.burned = (uint256(listing.price) * listing.burnBps) / BPS;
        parts.fees = listing.price - parts.royalties - parts.burned;
    }

    function _price(Parts memory parts) private pure returns (uint256) {
        return parts.royalties + parts.fees + parts.burned;
    }

    /// @dev A token that keeps a part of each transfer would let roots be accepted on money that is not there.
    function _requireRoyalties(uint256 before, uint256 royalties) private view {
        uint256 received = token.balanceOf(reserve) - before;
        if (received != royalties) revert WrongAmountReceived(royalties, received);
    }
}
