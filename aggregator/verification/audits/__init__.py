"""An audit from its opening to its verdict: what is opened, which truths are fetched, what is decided."""
