"""Keeps the tests apart from the user's home, and from each other."""

from __future__ import annotations

import os
import random
import sys
import tempfile

import numpy as np
import pytest
from hypothesis import settings

# Programs, not tests: `make benchmark` runs them.
collect_ignore = ["benchmarks", "experiments"]

# Without a clock, and with the same examples every time.
settings.register_profile("no_clock", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("no_clock")


def pytest_configure(config: pytest.Config) -> None:
    """Give Keras and the data cache a home of their own before either is imported.

    Through the environment, so that processes started by tests have it too. Keras would read, and
    on first use write, the user's keras.json. ``TFDS_DATA_DIR`` stays: data sets there are wanted.
    """
    home = tempfile.TemporaryDirectory(prefix="keras-ext-tests-")
    config.add_cleanup(home.cleanup)
    os.environ["KERAS_HOME"] = os.path.join(home.name, "keras")
    os.environ["KERAS_EXT_CACHE"] = os.path.join(home.name, "cache")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # The recipes switch it on, too late for this process but not for those that tests start: what
    # two of them compute would differ in the last bit.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs TensorFlow where Keras runs on something else."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if item.get_closest_marker("tensorflow") and backend != "tensorflow":
        pytest.skip(f"needs TensorFlow, the backend is {backend}")


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Start each test from the same random state, without importing Keras for those that don't."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    else:
        random.seed(0)
        np.random.seed(0)


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches come from the host, unless a test asks for others, also where there is a GPU."""
    monkeypatch.setattr("keras_ext.accelerator.on_accelerator", lambda: False)


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator for the numbers of a test."""
    return np.random.default_rng(0)
