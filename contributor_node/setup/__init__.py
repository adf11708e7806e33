"""Making a machine a node, keeping it one, and saying why it would earn nothing."""
