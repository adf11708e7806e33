"""Epochs: from the ledger to a root on chain, and the second opinion on it."""
