"""Programs of peers that `bench/curate.py` runs in environments of their own."""
