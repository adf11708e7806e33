"""What the node and its coordinator say to each other, and what waits to be said."""
