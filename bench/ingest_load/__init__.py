"""What `bench/ingest.py` and `bench/road.py` share: homes that are filled, clients that press, a bare reference."""
