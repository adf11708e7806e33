"""The only road out of this machine, and what is written of everything that takes it."""
