"""The machine behind the `Env` port as a simulation: seeded, in virtual time, with every fault a machine can have."""
