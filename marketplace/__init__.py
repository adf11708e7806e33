"""Catalogue, samples, payment, delivery and the offline provenance check."""
