// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that calls somewhere, once, in the middle of each transfer and remembers whether that worked.
contract ReentrantToken is ERC20 {
    address public target;
    bytes public message;
    bool public succeeded;
    bytes public answer;

    constructor() ERC20("Reentrant", "REE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function arm(address target_, bytes calldata message_) external {
        target = target_;
        message = message_;
    }

    function _update(address from, address to, uint256 value) internal override {
        address called = target;
        if (called != address(0) && from != address(0)) {
            target = address(0);
            (succeeded, answer) = called.call(message);
        }
        super._update(from, to, value);
    }
}
