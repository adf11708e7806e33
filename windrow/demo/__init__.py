"""`windrow demo`: a whole network as separate processes on loopback, with nothing pretended."""
