// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @title Pays what an epoch's Merkle tree allots, to the account named and to nobody else
/// @notice A leaf is keccak256(keccak256(abi.encode(account, cumulativeAmount))): 32 bytes hashed twice, so no pair of
///         tree nodes can be read as a leaf. Amounts are cumulative: a claim pays what the leaf says less what the
///         account has had before. Anyone may send a claim and pay its gas.
/// @dev A root is proposed, waits for the timelock written into the proposal, and is then accepted by the owner if the
///      money is there. No second proposal enters the window of an open one. One token, one distributor.
contract RewardDistributor is TwoStepOwned {
    using SafeERC20 for IERC20;

    struct Proposal {
        bytes32 root;
        bytes32 inputsHash; // what the tree was computed from, so that anyone can compute it again
        uint256 totalAllocated; // sum of all leaves, in the token's smallest unit
        uint64 id;
        uint64 validAt; // chain time from which it can be accepted; fixed when proposed
    }

    /// @dev What every claim reads and writes besides its own account, in one word of storage: three cost 4,200 gas more.
    struct Gate {
        uint64 pausedUntil;
        uint192 unclaimed; // what is allocated less what was paid
    }

    uint64 public constant TIMELOCK_MAX = 30 days;
    uint64 public constant PAUSE_MAX = 7 days;
    uint64 public constant PAUSE_GAP = 7 days; // claims stay open at least this long between two pauses
    uint256 public constant PROOF_LENGTH_MAX = 64;

    IERC20 public immutable token;
    uint256 public immutable createdInBlock = block.number;

    uint64 public timelock;
    uint64 public proposalCount;

    bytes32 public root;
    uint256 public totalAllocated;
    Gate private _gate;
    mapping(address account => uint256) public claimed;

    Proposal private _pending;

    event RootProposed(
        uint64 indexed id, bytes32 indexed root, uint256 totalAllocated, bytes32 inputsHash, uint64 validAt
    );
    event RootDropped(uint64 indexed id, bytes32 indexed root);
    event RootAccepted(uint64 indexed id, bytes32 indexed root, uint256 totalAllocated, bytes32 inputsHash);
    event Claimed(address indexed account, uint256 amount, uint256 cumulativeAmount);
    event TimelockRaised(uint64 previous, uint64 current);
    event ClaimsPausedUntil(uint64 until);
    event ClaimsResumed();

    error BadTimelock(uint64 given);
    error BadToken();
    error EmptyRoot();
    error TotalDecreased(uint256 given, uint256 current);
    error TotalTooLarge(uint256 given, uint256 largest);
    error ProposalOpen(uint64 id, uint64 validAt);
    error NoProposal();
    error NotThisProposal(bytes32 pendingRoot);
    error TooEarly(uint64 validAt);
    error Underfunded(uint256 owed, uint256 balance);
    error ClaimsPaused(uint64 until);
    error PauseTooSoon(uint64 possibleAt);
    error InvalidProof();
    error NothingToClaim(address account, uint256 alreadyClaimed);
    error AllocationExceeded(uint256 wouldBeClaimed, uint256 allocated);

    constructor(IERC20 token_, uint64 timelock_, address owner_) TwoStepOwned(owner_) {
        if (address(token_).code.length == 0) revert BadToken();
        if (timelock_ == 0 || timelock_ > TIMELOCK_MAX) revert BadTimelock(timelock_);
        token = token_;
        timelock = timelock_;
    }

    /// @notice The proposal that waits, all zero when there is none.
    function pending() external view returns (Proposal memory) {
        return _pending;
    }

    /// @notice Until when claims are paused; in the past when they are open.
    function pausedUntil() external view returns (uint64) {
        return _gate.pausedUntil;
    }

    /// @notice What was paid in all, in the token's smallest unit.
    function totalClaimed() public view returns (uint256) {
        return totalAllocated - _gate.unclaimed;
    }

    /// @notice Propose the root of a tree whose leaves sum to `totalAllocated_`.
    /// @dev A proposal whose window is over and which was not accepted is dropped, visibly, by the next one.
    function proposeRoot(bytes32 root_, uint256 totalAllocated_, bytes32 inputsHash) external onlyOwner returns (uint64 id) {
        if (root_ == bytes32(0)) revert EmptyRoot();
        if (totalAllocated_ < totalAllocated) revert TotalDecreased(totalAllocated_, totalAllocated);
        if (totalAllocated_ > type(uint192).max) revert TotalTooLarge(totalAllocated_, type(uint192).max);
        if (_pending.id != 0) {
            if (block.timestamp < _pending.validAt) revert ProposalOpen(_pending.id, _pending.validAt);
            emit RootDropped(_pending.id, _pending.root);
        }
        id = ++proposalCount;
        uint64 validAt = uint64(block.timestamp) + timelock;
        _pending = Proposal(root_, inputsHash, totalAllocated_, id, validAt);
        emit RootProposed(id, root_, totalAllocated_, inputsHash, validAt);
    }

    /// @notice Make the waiting root the one that claims are checked against.
    /// @param root_ The root the caller means, so that what was checked off chain is what is accepted.
    function acceptRoot(bytes32 root_) external onlyOwner {
        Proposal memory proposal = _pending;
        if (proposal.id == 0) revert NoProposal();
        if (proposal.root != root_) revert NotThisProposal(proposal.root);
        if (block.timestamp < proposal.validAt) revert TooEarly(proposal.validAt);
        uint256 owed = proposal.totalAllocated - totalClaimed();
        uint256 balance = token.balanceOf(address(this));
        if (balance < owed) revert Underfunded(owed, balance);
        root = proposal.root;
        _gate.unclaimed = uint192(owed); // at most the total, which was bounded when it was proposed
        totalAllocated = proposal.totalAllocated;
        delete _pending;
        emit RootAccepted(proposal.id, proposal.root, proposal.totalAllocated, proposal.inputsHash);
    }

    /// @notice Pay `account` what its leaf allots beyond what it has had. Anyone may call.
    /// @return amount What was paid now, in the token's smallest unit.
    function claim(address account, uint256 cumulativeAmount, bytes32[] calldata proof) external returns (uint256 amount) {
        Gate memory gate = _gate;
        if (block.timestamp < gate.pausedUntil) revert ClaimsPaused(gate.pausedUntil);
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, cumulativeAmount))));
        if (proof.length > PROOF_LENGTH_MAX || !MerkleProof.verifyCalldata(proof, root, leaf)) revert InvalidProof();
        uint256 before = claimed[account];
        if (cumulativeAmount <= before) revert NothingToClaim(account, before);
        amount = cumulativeAmount - before;
        if (amount > gate.unclaimed) revert AllocationExceeded(totalClaimed() + amount, totalAllocated);
        claimed[account] = cumulativeAmount;
        _gate = Gate(gate.pausedUntil, gate.unclaimed - uint192(amount));
        emit Claimed(account, amount, cumulativeAmount);
        token.safeTransfer(account, amount);
    }

    /// @notice Stop claims for seven days at most; they reopen by themselves.
    /// @dev Roots can still be replaced meanwhile: that is what a pause is for.
    function pause() external onlyOwner {
        uint64 until = _gate.pausedUntil;
        if (until != 0) {
            uint64 possibleAt = until + PAUSE_GAP;
            if (block.timestamp < possibleAt) revert PauseTooSoon(possibleAt);
        }
        until = uint64(block.timestamp) + PAUSE_MAX;
        _gate.pausedUntil = until;
        emit ClaimsPausedUntil(until);
    }

    /// @notice Reopen claims before the pause runs out.
    function resume() external onlyOwner {
        if (block.timestamp < _gate.pausedUntil) _gate.pausedUntil = uint64(block.timestamp);
        emit ClaimsResumed();
    }

    /// @notice Lengthen the wait of later proposals. It can never be shortened, and an open proposal keeps its own.
    function raiseTimelock(uint64 timelock_) external onlyOwner {
        if (timelock_ <= timelock || timelock_ > TIMELOCK_MAX) revert BadTimelock(timelock_);
        emit TimelockRaised(timelock, timelock_);
        timelock = timelock_;
    }
}
