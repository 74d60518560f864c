"""Many trials need no more memory than a few."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.training import reuse
from keras_ext.tuning import default_space
from keras_ext.tuning.space import declare, point
from keras_ext.tuning.trainer import Trainer

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

MOST = 0.1
"""MiB a trial; it is 0.01. KerasTuner's users report some 50."""

MOST_OTHER_SHAPES = 1.0
"""MiB a trial that is compiled; it is 0.0 to 0.4, and was 4.8 with what was traced kept."""


def resident() -> float:
    """MiB of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")


def small() -> Splits:
    """Sixty examples in three parts."""
    x = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
    whole = Arrays(x, (x[:, 0] > 0).astype("int32"), "half")
    return Splits(*(whole.take(slice(a, a + 20)) for a in (0, 20, 40)))


def living() -> tuple[int, int]:
    """How many graphs and variables this process holds."""
    from tensorflow.python.framework.func_graph import FuncGraph

    gc.collect()
    kinds = [type(item) for item in gc.get_objects()]
    return (
        sum(issubclass(kind, FuncGraph) for kind in kinds),
        sum(issubclass(kind, keras.Variable) for kind in kinds),
    )


@needs_proc
def test_memory_does_not_grow_over_200_trials(tmp_path):
    rng = np.random.default_rng(0)
    base = TrainConfig(model="mlp", units=8, layers=1, epochs=1, batch_size=10, dropout=0.1)
    hp = declare(default_space, base)
    trainer, found = Trainer(small()), []
    for number in range(200):
        values = {"learning_rate": float(rng.uniform(1e-4, 1e-1)), "dropout": 0.1 + number / 1000}
        hp.values.update(values, batch_size=32, momentum=0.9)
        config = point(default_space, hp, base)
        trainer.train(config, tmp_path / str(number), epochs=None, on_epoch=lambda *_: None)
        if number in (49, 199):
            found.append((*living(), resident()))
    (*objects, before), (*later, after) = found
    assert trainer.models.compiled == 1
    assert objects == later
    assert (after - before) / 150 < MOST


@needs_proc
def test_nothing_is_kept_of_a_structure_that_gives_way_to_another(tmp_path, monkeypatch):
    monkeypatch.setattr(reuse, "MOST", 2)
    trainer, found = Trainer(small()), []
    base = TrainConfig(model="mlp", layers=1, epochs=1, batch_size=10, batch_norm=False)
    for number in range(40):
        config = replace(base, units=4 + number)
        trainer.train(config, tmp_path / str(number), epochs=None, on_epoch=lambda *_: None)
        if number in (7, 39):
            found.append((*living(), resident()))
    (*objects, before), (*later, after) = found
    assert trainer.models.compiled == 40
    assert objects == later
    assert (after - before) / 32 < MOST_OTHER_SHAPES
