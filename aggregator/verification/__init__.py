"""Audits: what is drawn, what the truth is compared with, and what the verdict says."""
