"""Other builders of the same Merkle tree, each a program of its own (see `bench/merkle.py`)."""
