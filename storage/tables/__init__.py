"""Every table of the house's state, on SQLite and PostgreSQL alike."""
