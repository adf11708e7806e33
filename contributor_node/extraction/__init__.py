"""From a page's bytes to its main text."""
