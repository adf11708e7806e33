"""The market as tools for an agent, which buys within a limit that its owner set."""
