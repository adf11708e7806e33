"""What travels between parties and what is signed. Pure: no I/O, no clock, no randomness."""
