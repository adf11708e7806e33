"""Audit epochs as files: what is published, what validators are worth by it, and how anybody repeats it."""
