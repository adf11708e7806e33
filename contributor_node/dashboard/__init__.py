"""The node's dashboard: a few small pages on loopback, served by the node's own process (see `site`)."""
