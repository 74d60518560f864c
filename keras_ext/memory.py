"""How much main memory there is, and whether an array is too large to be copied into it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

try:
    import resource
except ImportError:  # Not on Windows.
    resource = None  # type: ignore[assignment]

SHARE = 0.25
"""Arrays above this share of the memory are not copied, but read a few examples at a time."""

CONTROL_GROUPS = tuple(
    Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")
)
"""What a container may have, in versions 2 and 1."""


def memory_bytes() -> float:
    """Main memory that this process may use; infinite where nobody says.

    The least of the machine's, its container's and its own limits (``ulimit -v`` and ``-d``).
    """
    found = [float("inf")]
    if {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(getattr(os, "sysconf_names", ())):
        found.append(float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")))
    for limit in CONTROL_GROUPS:
        try:
            found.append(float(limit.read_text()))
        except (OSError, ValueError):
            continue
    if resource is not None:
        limits = [
            resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
        ]
        found += [float(limit) for limit in limits if limit != resource.RLIM_INFINITY]
    return min(found)


def too_large(array: Any) -> bool:
    """Whether an array is too large to be copied into memory."""
    return bool(getattr(array, "nbytes", 0) > SHARE * memory_bytes())
