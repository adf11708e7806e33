"""Audit epochs, the life of an audit, and what validators' committed secrets draw from the log."""
