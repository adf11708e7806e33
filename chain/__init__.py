"""Solidity contracts, the RPC client, the embedded devnet and the relayer."""
