"""Silence for programs that print one line of JSON: the log of a house in a storm is long and says what it should."""

import logging

import structlog


def be_quiet() -> None:
    """Drop every log line of this process and of those it forks."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
