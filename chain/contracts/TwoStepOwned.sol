// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title An owner who can hand over in two steps and can never walk away
/// @notice A contract without an owner could never accept another root or close a listing, so renouncing is refused.
abstract contract TwoStepOwned is Ownable2Step {
    error OwnerRequired();

    constructor(address owner_) Ownable(owner_) {}

    /// @notice Always refused.
    function renounceOwnership() public view override onlyOwner {
        revert OwnerRequired();
    }
}
