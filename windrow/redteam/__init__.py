"""The adversary suite: cheats that speak the public protocol against a real aggregator and a web that changes."""
