"""The course of a run is that of a plain fit, and divergence is a result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_ext.callbacks import measure
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from keras_ext.training.round import train_round

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(
    model="mlp", units=8, layers=1, epochs=2, batch_size=100, schedule="constant", seed=3
)


@pytest.fixture(scope="module")
def small(digits) -> Arrays:
    return digits.train.take(slice(0, 450))


def test_costs_and_errors_are_those_of_a_measured_round(digits, small) -> None:
    found = course(CONFIG, small, validation=digits.validation)
    made, _ = train_round(CONFIG, replace(digits, train=small), quiet=True)
    assert found.costs.tolist() == [cost for epoch in made.iteration_costs for cost in epoch]
    assert found.errors.tolist() == [row["validation_error"] for row in made.history]
    assert (
        found.errors[-1]
        == measure(found.model, (digits.validation.x, digits.validation.y))[0].error
    )
    assert (found.seconds > 0).all()


@pytest.mark.slow
def test_a_model_that_is_used_again_gives_the_same(small) -> None:
    make = CompiledModels()
    first = course(CONFIG, small, make=make).costs
    course(replace(CONFIG, learning_rate=0.1, seed=4), small, make=make)
    assert (course(CONFIG, small, make=make).costs == first).all()
    assert (make.compiled, make.reused) == (1, 2)


@pytest.mark.slow
def test_epochs_may_be_of_any_number_of_steps(digits, small) -> None:
    """Full batches: one pass is one step, and seven of them count as an epoch."""
    config = replace(CONFIG, batch_size=450, epochs=3)
    make = CompiledModels()
    found = course(config, small, validation=digits.validation, make=make, steps_per_epoch=7)
    assert (found.costs.shape, found.errors.shape) == ((21,), (3,))
    passes = course(replace(config, epochs=21), small)
    assert np.allclose(found.costs, passes.costs, rtol=1e-4)
    course(config, small, make=make)
    assert make.compiled == 2


def test_it_stops_at_the_target(digits, small) -> None:
    config = replace(CONFIG, epochs=6, learning_rate=0.02)
    whole = course(config, small, validation=digits.validation)
    target = float(whole.errors[2]) + 1e-9
    first = int(np.flatnonzero(whole.errors < target)[0])
    found = course(config, small, validation=digits.validation, until=target)
    assert found.errors.tolist() == whole.errors[: first + 1].tolist()


def test_a_run_that_diverges_is_a_result(digits, small) -> None:
    config = replace(CONFIG, optimizer="sgd", learning_rate=1e30, batch_norm=False)
    found = course(config, small, validation=digits.validation)
    assert not np.isfinite(found.costs).all()
    assert found.errors[-1] == 1.0


def test_the_model_is_shown_after_each_epoch(small) -> None:
    seen = []
    course(CONFIG, small, after_epoch=lambda model: seen.append(int(model.optimizer.iterations)))
    assert seen == [5, 10]
