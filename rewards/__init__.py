"""Rates, the double-entry ledger, royalties, epochs and settlement."""
