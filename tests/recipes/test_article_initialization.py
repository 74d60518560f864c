"""Initialisation: the factors of deep networks are those of the theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_ext import data
from keras_ext.callbacks import layer_health
from recipes.article import deep, initialization
from recipes.article.effort import Effort

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("gain", [0.25, 1.0, 2.0, 4.0])
def test_relu_multiplies_activations_and_gradients_by_the_root_of_half_the_gain(gain) -> None:
    digits = data.sample(data.load("mnist").part("train"), 256, seed=0)
    model = deep.network("relu", digits)
    reports = []
    for seed in (0, 1):
        deep.draw(model, gain, seed)
        reports.append(layer_health(model, digits.x, digits.y))
    for gradients in (False, True):
        assert deep.factor(reports, gradients) == pytest.approx(math.sqrt(gain / 2), rel=0.06)


def test_a_draw_depends_on_its_seed_alone_and_has_the_variance_asked_for() -> None:
    digits = data.sample(data.load("mnist").part("train"), 64, seed=0)
    model = deep.network("tanh", digits)
    deep.draw(model, 2.0, 5)
    first = [weight.copy() for weight in model.get_weights()]
    deep.draw(model, 0.25, 6)
    deep.draw(model, 2.0, 5)
    assert all(np.array_equal(a, b) for a, b in zip(first, model.get_weights(), strict=True))
    hidden = [item.kernel.numpy() for item in model.layers if getattr(item, "units", 0) == 64]
    gains = [kernel.var() * kernel.shape[0] for kernel in hidden]
    assert np.mean(gains) == pytest.approx(2.0, rel=0.02)


@pytest.mark.slow
def test_a_quick_look_shows_what_mathematics_fixes() -> None:
    found = initialization.experiment(Effort("quick"))
    assert found.values["off"] < 0.06
    assert found.values["tanh_1"] == pytest.approx(0.97, abs=0.03)
    assert found.values["tanh_0.25"] == pytest.approx(0.5, abs=0.03)
    assert [rule.held for rule in found.rules[:3]] == [True] * 3
