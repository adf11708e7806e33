"""Programs that try the contracts: mutants of their source, random sequences, gas beside others' distributors."""
