"""Which page is fetched next, and by whom: the frontier and its leases."""
