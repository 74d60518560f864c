"""Which cores and which GPU each of several workers on one machine gets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
VISIBLE = "CUDA_VISIBLE_DEVICES"
SHARING = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""TensorFlow and JAX else take all of a GPU's memory, and the next worker finds none."""


def shares(workers: int, cores: int, devices: Sequence[str]) -> tuple[dict[str, str], ...]:
    """Environment variables of each worker: its part of the cores, and one GPU where there are any.

    With more workers than GPUs, some share one.

    Args:
        workers: how many there are.
        cores: of the machine, for this process.
        devices: GPUs as ``CUDA_VISIBLE_DEVICES`` names them.

    >>> two = shares(2, cores=16, devices=["0", "1"])
    >>> two[1]["CUDA_VISIBLE_DEVICES"], two[1]["OMP_NUM_THREADS"]
    ('1', '8')
    """
    threads = dict.fromkeys(THREADS, str(max(1, cores // workers)))
    if not devices:
        return tuple(dict(threads) for _ in range(workers))
    common = threads | (SHARING if workers > len(devices) else {})
    return tuple({**common, VISIBLE: devices[n % len(devices)]} for n in range(workers))


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def devices(environ: Mapping[str, str] = os.environ, dev: Path = Path("/dev")) -> tuple[str, ...]:
    """NVIDIA's GPUs, without asking the driver: whoever asks in TensorFlow takes their memory.

    >>> devices({"CUDA_VISIBLE_DEVICES": "2,GPU-8f3a"}), devices({"CUDA_VISIBLE_DEVICES": ""})
    (('2', 'GPU-8f3a'), ())
    """
    if VISIBLE in environ:
        named = [name.strip() for name in environ[VISIBLE].split(",")]
        # What stands after -1 is invisible.
        return tuple(named[: named.index("-1")] if "-1" in named else filter(None, named))
    found = [path for path in dev.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return tuple(str(number) for number in range(len(found)))
