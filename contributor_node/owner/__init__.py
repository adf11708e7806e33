"""What the owner of a node sets, asks and is told."""
