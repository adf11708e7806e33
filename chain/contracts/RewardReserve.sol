// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Holds what came in and is allotted to nobody yet
/// @notice Anyone may send tokens here: royalties, budgets, mints. They leave in one way only: to the distributor that
///         created this contract, when it accepts a root, and as much as that root allots anew.
/// @dev It has no owner. What came in and what was claimed would lie in one balance otherwise, and a running total in
///      each claim would be the only way to tell them apart.
contract RewardReserve {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    address public immutable distributor = msg.sender;

    error NotDistributor(address caller);

    constructor(IERC20 token_) {
        token = token_;
    }

    /// @notice Give the distributor what it has just allotted.
    function release(uint256 amount) external {
        if (msg.sender != distributor) revert NotDistributor(msg.sender);
        token.safeTransfer(distributor, amount);
    }
}
