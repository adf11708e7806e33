"""The operator's console: signing in with a wallet, roles, and questions in SQL as pages, files and Arrow."""
