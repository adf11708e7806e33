"""A seeded model of a whole network under attack, in which the protocol's own rules decide; see `bench/fraud.py`."""
