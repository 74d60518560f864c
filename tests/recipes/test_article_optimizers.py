"""Momentum, RMSprop and Adam: what mathematics fixes in their experiments."""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import pytest

from recipes.article import adam, bowl, momentum, rmsprop
from recipes.article.effort import Effort

STEPS = 60


def test_momentum_is_that_of_keras_with_one_minus_beta_in_the_rate() -> None:
    ours = bowl.walk(momentum.update, STEPS)
    rate = (1 - momentum.BETA) * momentum.ALPHA
    same = bowl.keras_walk(keras.optimizers.SGD(rate, momentum=momentum.BETA), STEPS)
    longer = bowl.keras_walk(keras.optimizers.SGD(momentum.ALPHA, momentum=momentum.BETA), STEPS)
    assert bowl.apart(ours, same) < 1e-6
    assert bowl.apart(ours, longer) > 0.1


def test_momentum_without_beta_is_gradient_descent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(momentum, "BETA", 0.0)
    plain = bowl.walk(partial(bowl.descend, rate=momentum.ALPHA), STEPS)
    assert bowl.apart(bowl.walk(momentum.update, STEPS), plain) < 1e-12
    exact = bowl.START * (1 - momentum.ALPHA * bowl.CURVATURES) ** STEPS
    assert np.allclose(plain[-1], exact, rtol=1e-9)


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_the_path_does_not_depend_on_the_scale_of_the_cost(name: str) -> None:
    update = {"rmsprop": rmsprop.update, "adam": adam.update}[name]
    assert bowl.apart(bowl.walk(update, STEPS), bowl.walk(update, STEPS, scale=1000.0)) < 1e-6


def test_rmsprop_of_keras_has_epsilon_inside_the_root() -> None:
    made = keras.optimizers.RMSprop(rmsprop.ALPHA, rho=rmsprop.BETA, epsilon=rmsprop.EPSILON)
    theirs = bowl.keras_walk(made, STEPS)
    paths = [
        bowl.walk(partial(rmsprop.update, epsilon=rmsprop.EPSILON, inside=inside), STEPS)
        for inside in (True, False)
    ]
    assert bowl.apart(paths[0], theirs) < 1e-6
    assert bowl.apart(paths[1], theirs) > 1e-4


def test_the_first_steps_are_those_of_the_formulas() -> None:
    first = {
        name: np.abs(bowl.walk(update, 1)[1] - bowl.START)
        for name, update in {
            "rmsprop": rmsprop.update,
            "adam": adam.update,
            "biased": partial(adam.update, correct=False),
        }.items()
    }
    assert np.allclose(first["rmsprop"], rmsprop.ALPHA / np.sqrt(0.1), rtol=1e-6)
    assert np.allclose(first["adam"], adam.ALPHA, rtol=1e-6)
    assert np.allclose(first["biased"], adam.ALPHA * 0.1 / np.sqrt(0.001), rtol=1e-6)


def test_adam_of_keras_adds_epsilon_to_the_uncorrected_root() -> None:
    made = keras.optimizers.Adam(adam.ALPHA, adam.BETA_1, adam.BETA_2, adam.EPSILON)
    theirs = bowl.keras_walk(made, STEPS)
    paths = [
        bowl.walk(partial(adam.update, epsilon=adam.EPSILON, keras_epsilon=theirs_), STEPS)
        for theirs_ in (True, False)
    ]
    assert bowl.apart(paths[0], theirs) < 1e-5
    assert bowl.apart(paths[1], theirs) > 1e-4


def test_arrival_is_the_step_after_which_a_path_stays_near() -> None:
    far, near = [10.0, 0.0], [0.01, 0.0]
    assert bowl.arrival(np.array([far, near, far, near, near])) == 3
    assert bowl.arrival(np.array([near, near])) == 0


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("module", [momentum, rmsprop, adam])
def test_a_quick_look_shows_what_mathematics_fixes(module) -> None:
    found = module.experiment(Effort("quick"))
    fixed = [rule for rule in found.rules if "MNIST" not in rule.text]
    assert len(fixed) >= 2
    assert all(rule.held for rule in fixed)
    # A fifth of the iterations or less would be a mistake in the count.
    assert all(0.2 < n.value < 5 for n in found.numbers if "iterations" in n.name)
