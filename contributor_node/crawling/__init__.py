"""Leases in, results out: the crawl engine, its child process, the spider and the browser."""
