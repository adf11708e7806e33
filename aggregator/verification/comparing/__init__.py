"""Decides what texts of one page say about each other: pure rules, no tables, no clock."""
