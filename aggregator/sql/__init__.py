"""Questions in SQL over documented views, answered in a child process that can do nothing else."""
