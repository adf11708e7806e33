"""Other near-duplicate engines, each a program that runs in an environment of its own (see `bench/dedup.py`)."""
