"""Several processes behind one address: gates that accept, and the one writer (docs/adr/0078)."""
