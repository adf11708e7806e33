// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.26;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EfficientHashLib} from "solady/src/utils/EfficientHashLib.sol";
import {MerkleProofLib} from "solady/src/utils/MerkleProofLib.sol";
import {RewardReserve} from "./RewardReserve.sol";
import {TwoStepOwned} from "./TwoStepOwned.sol";

/// @title Pays what an epoch's Merkle tree allots, to the account named and to nobody else
/// @notice A leaf is keccak256(keccak256(abi.encode(account, cumulativeAmount))): 32 bytes hashed twice, so no pair of
///         tree nodes can be read as a leaf. Amounts are cumulative: a claim pays what the leaf says less what the
///         account has had before. Anyone may send a claim and pay its gas.
/// @dev A root is proposed, waits for the timelock written into the proposal, and is then accepted by the owner if the
///      money is there: what it allots beyond the root before it comes out of the reserve in the same call. Only claims
///      take money from here, so what lies here is at least what is allotted less what was paid, and no claim has to
///      count it. No second proposal enters the window of an open one. One token, one distributor.
contract RewardDistributor is TwoStepOwned {
    using SafeERC20 for IERC20;

    struct Proposal {
        bytes32 root;
        bytes32 inputsHash; // what the tree was computed from, so that anyone can compute it again
        uint256 totalAllocated; // sum of all leaves, in the token's smallest unit
        uint64 id;
        uint64 validAt; // chain time from which it can be accepted; fixed when proposed
    }

    uint64 public constant TIMELOCK_MAX = 30 days;
    uint64 public constant PAUSE_MAX = 7 days;
    uint64 public constant PAUSE_GAP = 7 days; // claims stay open at least this long between two pauses
    uint256 public constant PROOF_LENGTH_MAX = 64;

    IERC20 public immutable token;
    /// @notice Where royalties, budgets and mints go. What lies there is allotted to nobody yet.
    RewardReserve public immutable reserve;
    uint256 public immutable createdInBlock = block.number;

    uint64 public timelock;
    uint64 public proposalCount;
    /// @notice Until when claims are paused; in the past when they are open.
    uint64 public pausedUntil;

    /// @notice The root that was accepted last.
    bytes32 public root;
    /// @dev What claims are checked against, so that they read one word: `root`, or zero from a pause until the first
    ///      claim after it.
    bytes32 private _openRoot;
    uint256 public totalAllocated;
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
    error ProposalOpen(uint64 id, uint64 validAt);
    error NoProposal();
    error NotThisProposal(bytes32 pendingRoot);
    error TooEarly(uint64 validAt);
    error Underfunded(uint256 needed, uint256 found);
    error ClaimsPaused(uint64 until);
    error PauseTooSoon(uint64 possibleAt);
    error InvalidProof();
    error NothingToClaim(address account, uint256 alreadyClaimed);

    constructor(IERC20 token_, uint64 timelock_, address owner_) TwoStepOwned(owner_) {
        if (address(token_).code.length == 0) revert BadToken();
        if (timelock_ == 0 || timelock_ > TIMELOCK_MAX) revert BadTimelock(timelock_);
        token = token_;
        timelock = timelock_;
        reserve = new RewardReserve(token_);
    }

    /// @notice The proposal that waits, all zero when there is none.
    function pending() external view returns (Proposal memory) {
        return _pending;
    }

    /// @notice Propose the root of a tree whose leaves sum to `totalAllocated_`.
    /// @dev A proposal whose window is over and which was not accepted is dropped, visibly, by the next one.
    function proposeRoot(bytes32 root_, uint256 totalAllocated_, bytes32 inputsHash) external onlyOwner returns (uint64 id) {
        if (root_ == bytes32(0)) revert EmptyRoot();
        if (totalAllocated_ < totalAllocated) revert TotalDecreased(totalAllocated_, totalAllocated);
        if (_pending.id != 0) {
            if (block.timestamp < _pending.validAt) revert ProposalOpen(_pending.id, _pending.validAt);
            emit RootDropped(_pending.id, _pending.root);
        }
        id = ++proposalCount;
        uint64 validAt = uint64(block.timestamp) + timelock;
        _pending = Proposal(root_, inputsHash, totalAllocated_, id, validAt);
        emit RootProposed(id, root_, totalAllocated_, inputsHash, validAt);
    }

    /// @notice Make the waiting root the one that claims are checked against, and take what it allots out of the reserve.
    /// @param root_ The root the caller means, so that what was checked off chain is what is accepted.
    function acceptRoot(bytes32 root_) external onlyOwner {
        Proposal memory proposal = _pending;
        if (proposal.id == 0) revert NoProposal();
        if (proposal.root != root_) revert NotThisProposal(proposal.root);
        if (block.timestamp < proposal.validAt) revert TooEarly(proposal.validAt);
        uint256 needed = proposal.totalAllocated - totalAllocated;
        uint256 found = token.balanceOf(address(reserve));
        if (found < needed) revert Underfunded(needed, found);
        root = proposal.root;
        if (block.timestamp >= pausedUntil) _openRoot = proposal.root;
        totalAllocated = proposal.totalAllocated;
        delete _pending;
        emit RootAccepted(proposal.id, proposal.root, proposal.totalAllocated, proposal.inputsHash);
        uint256 wanted = token.balanceOf(address(this)) + needed;
        reserve.release(needed);
        uint256 held = token.balanceOf(address(this));
        if (held < wanted) revert Underfunded(wanted, held); // a token that keeps a part of a transfer, or calls back
    }

    /// @notice Pay `account` what its leaf allots beyond what it has had. Anyone may call.
    /// @return amount What was paid now, in the token's smallest unit.
    function claim(address account, uint256 cumulativeAmount, bytes32[] calldata proof) external returns (uint256 amount) {
        bytes32 open = _openRoot;
        if (open == bytes32(0)) open = _reopened();
        bytes32 inner = EfficientHashLib.hash(uint256(uint160(account)), cumulativeAmount);
        bytes32 leaf = EfficientHashLib.hash(inner);
        if (proof.length > PROOF_LENGTH_MAX || !MerkleProofLib.verifyCalldata(proof, open, leaf)) revert InvalidProof();
        uint256 before = claimed[account];
        if (cumulativeAmount <= before) revert NothingToClaim(account, before);
        unchecked {
            amount = cumulativeAmount - before;
        }
        claimed[account] = cumulativeAmount;
        emit Claimed(account, amount, cumulativeAmount);
        token.safeTransfer(account, amount);
    }

    /// @dev The first claim after a pause that nobody ended writes the root back for those after it.
    function _reopened() private returns (bytes32 open) {
        if (block.timestamp < pausedUntil) revert ClaimsPaused(pausedUntil);
        open = root;
        _openRoot = open;
    }

    /// @notice Stop claims for seven days at most; they reopen by themselves.
    /// @dev Roots can still be replaced meanwhile: that is what a pause is for.
    function pause() external onlyOwner {
        if (pausedUntil != 0) {
            uint64 possibleAt = pausedUntil + PAUSE_GAP;
            if (block.timestamp < possibleAt) revert PauseTooSoon(possibleAt);
        }
        pausedUntil = uint64(block.timestamp) + PAUSE_MAX;
        _openRoot = bytes32(0);
        emit ClaimsPausedUntil(pausedUntil);
    }

    /// @notice Reopen claims before the pause runs out.
    function resume() external onlyOwner {
        if (block.timestamp < pausedUntil) {
            pausedUntil = uint64(block.timestamp);
            _openRoot = root;
        }
        emit ClaimsResumed();
    }

    /// @notice Lengthen the wait of later proposals. It can never be shortened, and an open proposal keeps its own.
    function raiseTimelock(uint64 timelock_) external onlyOwner {
        if (timelock_ <= timelock || timelock_ > TIMELOCK_MAX) revert BadTimelock(timelock_);
        emit TimelockRaised(timelock, timelock_);
        timelock = timelock_;
    }
}
