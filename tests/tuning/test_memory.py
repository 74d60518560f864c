"""Two hundred trials need no more memory than fifty."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.tuning import default_space
from keras_ext.tuning.space import declare, point
from keras_ext.tuning.trainer import Trainer

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

MOST = 0.25
"""MiB a trial; KerasTuner's users report some 50."""


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_does_not_grow_over_200_trials(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype("float32")
    whole = Arrays(x, (x[:, 0] > 0).astype("int32"), "half")
    splits = Splits(*(whole.take(slice(a, a + 20)) for a in (0, 20, 40)))
    base = TrainConfig(model="mlp", units=8, layers=1, epochs=1, batch_size=10, dropout=0.1)
    hp = declare(default_space, base)
    trainer, found = Trainer(splits), []
    for number in range(200):
        values = {"learning_rate": float(rng.uniform(1e-4, 1e-1)), "dropout": 0.1 + number / 1000}
        hp.values.update(values, batch_size=32, momentum=0.9)
        config = point(default_space, hp, base)
        trainer.train(config, tmp_path / str(number), epochs=None, on_epoch=lambda *_: None)
        if number in (49, 199):
            gc.collect()
            found.append(resident())
    assert trainer.models.compiled == 1
    assert (found[1] - found[0]) / 150 < MOST
