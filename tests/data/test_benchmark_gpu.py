"""``make benchmark-gpu`` where there is no GPU: one line, and nothing is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

tf = pytest.importorskip("tensorflow", reason="its GPUs are asked for")

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line() -> None:
    run = subprocess.run(
        [sys.executable, "tests/benchmarks/gpu.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout == (
        "no GPU is visible to TensorFlow: nothing was measured (make benchmark needs none)\n"
    )
