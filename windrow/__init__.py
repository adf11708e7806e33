"""The front door: the `windrow` command, configuration, `up` and `demo`. Wires the rooms together."""
