// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

/// @notice Makes several calls in one transaction, so that their events lie in one receipt.
contract Batch {
    error CallFailed(uint256 place);

    function run(address called, bytes[] calldata messages) external {
        for (uint256 place = 0; place < messages.length; place++) {
            (bool succeeded,) = called.call(messages[place]);
            if (!succeeded) revert CallFailed(place);
        }
    }
}
