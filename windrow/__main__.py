"""`python -m windrow …`: the command, where no script is on PATH."""

from windrow.cli import main

main()
