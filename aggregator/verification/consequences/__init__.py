"""What follows from verdicts: for standings and pay, after appeals, and when a node leaves."""
