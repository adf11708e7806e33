"""Runs on a contributor's computer: may I work, fetch politely, extract, sign, keep until acknowledged."""
