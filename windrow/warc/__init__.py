"""WARC files in and out: documents of the operator's own, and documents of the lake for other tools."""
