"""Another finder of personal data, a program that runs in an environment of its own (see `bench/redaction.py`)."""
