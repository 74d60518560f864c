"""Mini-batches, what to tune, batch norm: what holds whatever the training does."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext import data
from recipes.article import batch_norm, drift, mini_batches, what_to_tune
from recipes.article.effort import Effort

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]


@pytest.fixture(scope="module")
def digits():
    drawn = data.sample(data.load("mnist").part("train"), 1_500, seed=0)
    return drawn.take(slice(0, 500)), drawn.take(slice(500, None))


def test_scaling_the_first_weights_moves_nothing_behind_batch_norm(digits) -> None:
    """The inputs of deeper layers are the same but for epsilon; without, ReLU passes scale on."""
    moved = {}
    for name, norm in drift.KINDS.items():
        config = drift.replace(drift.BASE, batch_norm=norm, epochs=1)
        model = drift.course(config, digits[0]).model
        before = drift.inputs(model, digits[1].x)
        first = next(item for item in model.layers if hasattr(item, "kernel"))
        first.kernel.assign(3 * first.kernel)
        after = drift.inputs(model, digits[1].x)
        moved[name] = np.abs(after[0] - before[0]).max() / np.abs(before[0]).max()
    assert moved["with"] < 0.01
    assert moved["without"] > 1


def test_the_noise_of_batch_norm_falls_with_the_root_of_the_batch() -> None:
    found = batch_norm.experiment(Effort("quick"))
    assert found.values["power"] == pytest.approx(-0.5, abs=0.1)
    assert found.values["more"] > 0


def test_full_batches_fall_and_mini_batches_are_noisy() -> None:
    found = mini_batches.experiment(Effort("quick"))
    assert found.values["rises_64"] > 0.25
    assert found.values["monotone"] == 1.0


def test_the_importance_of_each_is_told_with_its_interval() -> None:
    found = what_to_tune.experiment(Effort("quick"))
    assert found.setup.startswith("16 random points")
    told = [number for number in found.numbers if number.name.startswith("importance")]
    assert len(told) == 8
    assert all(0 <= n.low <= n.high <= 1 and 0 <= n.value <= 1 for n in told)
    assert [n.value for n in told] == sorted((n.value for n in told), reverse=True)
