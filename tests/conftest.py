"""What all tests share: no property test asserts a time, because machines are noisy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("windrow", deadline=None, derandomize=False)
settings.load_profile("windrow")
