"""The front door: the `windrow` command, configuration, `up` and `demo`. The only place that wires rooms together."""
