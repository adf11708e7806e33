// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that burns a tenth of every transfer, or stops and begins again with that: what a distributor and a
///         market must not be fooled by.
contract FeeToken is ERC20 {
    bool public honest;

    constructor() ERC20("Fee", "FEE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function setHonest(bool honest_) external {
        honest = honest_;
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (!honest && from != address(0) && to != address(0)) _burn(to, value / 10);
    }
}
