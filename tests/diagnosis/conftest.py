"""Hypothesis without a clock and with the same examples every time."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no_clock", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("no_clock")
