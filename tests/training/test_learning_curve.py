"""Growing subsets, as many steps for each, and a prediction that the whole of MNIST confirms."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import data, models
from keras_ext.diagnosis import extrapolate
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.training import learning_curve
from keras_ext.training.learning_curve import LearningCurve, _nested, _plan

SIZES = (60, 120, 240, 480)


@pytest.fixture(scope="module")
def curve(digits: Splits) -> tuple[LearningCurve, list[str], list[int]]:
    """Two seeds on four small sizes, what was announced, and the steps of each run."""
    told: list[str] = []
    built: list[keras.Model] = []

    def build(*args: Any) -> keras.Model:
        built.append(models.build(*args))
        return built[-1]

    config = TrainConfig(
        model="mlp", units=16, layers=1, batch_norm=False, epochs=5, batch_size=50, seed=9
    )
    made = learning_curve(config, digits, SIZES[::-1], (0, 1), build=build, announce=told.append)
    return made, told, [int(model.optimizer.iterations) for model in built]


def test_subsets_are_nested_stratified_and_differ_by_seed(digits: Splits) -> None:
    numbered = Arrays(np.arange(1000)[:, None], digits.train.y, classes=digits.train.classes)
    drawn = {}
    for seed in (0, 1):
        subsets = _nested(numbered, SIZES, seed)
        assert [len(subset) for subset in subsets] == list(SIZES)
        rows = [set(subset.x[:, 0].tolist()) for subset in subsets]
        assert all(small < large for small, large in itertools.pairwise(rows))
        shares = np.bincount(numbered.y, minlength=10) / 1000
        for subset in subsets:
            counts = np.bincount(subset.y, minlength=10)
            assert np.abs(counts - shares * len(subset)).max() < 3
        drawn[seed] = rows[0]
    assert drawn[0] != drawn[1]


def test_every_size_takes_as_many_steps(curve: Any) -> None:
    made, _, steps = curve
    assert made.steps == 5 * 10
    assert steps == [50] * 8


def test_steps_may_be_given(digits: Splits, small: TrainConfig) -> None:
    made = learning_curve(replace(small, epochs=3), digits, [300], [0], steps=31)
    assert made.steps == 30
    assert made.extrapolation.law is None
    assert "1 sizes are too few" in made.extrapolation.predictions[0].refusal
    assert _plan(replace(small, epochs=3), digits.train, 300, 2).per_epoch == 1


def test_points_hold_all_errors_by_rising_size(curve: Any, digits: Splits) -> None:
    made, _, _ = curve
    assert [point.size for point in made.points] == list(SIZES)
    for point in made.points:
        assert len(point.train_errors) == len(point.validation_errors) == 2
        wrong = np.array(point.validation_errors) * len(digits.validation)
        assert wrong == pytest.approx(np.round(wrong))
        assert point.validation_error == pytest.approx(np.mean(point.validation_errors))
    assert made.points[0].validation_error > made.points[-1].validation_error


@pytest.mark.slow
def test_a_run_is_that_of_its_seed_alone(curve: Any, digits: Splits) -> None:
    made, _, _ = curve
    config = replace(made.config, seed=4)
    again = learning_curve(config, digits, SIZES, [1], steps=made.steps)
    one = [point.validation_errors[1] for point in made.points]
    assert [point.validation_errors[0] for point in again.points] == one


def test_predictions_are_those_of_the_pure_part(curve: Any) -> None:
    made, _, _ = curve
    errors = [point.validation_errors for point in made.points]
    assert made.extrapolation == extrapolate(SIZES, errors)
    assert [item.size for item in made.extrapolation.predictions] == [960, 4800]
    assert made.predict(1000) == extrapolate(SIZES, errors, targets=[1000]).predictions


def test_what_is_announced(curve: Any) -> None:
    made, told, _ = curve
    assert len(told) == 1 + 8 + 2
    assert told[0] == "8 runs of 50 steps with 50 examples each"
    assert told[1].startswith("seed 0, 60 examples: train error ")
    assert told[8].startswith("seed 1, 480 examples: train error ")
    summary = made.summary().splitlines()
    assert summary[-2:] == told[-2:]
    assert summary[0].startswith("       60 examples: train error ")
    assert "960 examples (2 times as many): " in summary[4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": []}, r"sizes=\[\]"),
        ({"sizes": 100}, "sizes must be a list of whole numbers, got sizes=100"),
        ({"seeds": 3}, "seeds must be a list of whole numbers, got seeds=3"),
        (
            {"sizes": [100, 1001]},
            r"from 1 to 1000 \(.*\), got sizes=\[100, 1001\]",
        ),
        ({"sizes": [100.0]}, r"sizes=\[100.0\]"),
        ({"sizes": [100, 100]}, "sizes must differ"),
        ({"seeds": []}, r"seeds=\[\]"),
        ({"seeds": [0, 0]}, r"seeds=\[0, 0\]"),
        ({"seeds": [-1]}, r"seeds=\[-1\]"),
        ({"steps": 0}, "steps=0"),
        ({"steps": True}, "steps=True"),
    ],
)
def test_bad_arguments(
    digits: Splits, small: TrainConfig, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        learning_curve(small, digits, **{"sizes": [100], "seeds": [0], **changes})


def test_a_size_without_room_for_each_class(digits: Splits, small: TrainConfig) -> None:
    with pytest.raises(DataError, match="5 examples has no room for each of 10 classes"):
        learning_curve(small, digits, [5], [0])


@pytest.mark.slow
def test_a_quarter_of_mnist_predicts_the_error_on_all_of_it() -> None:
    """Fifteen runs on 15,000 digits at the most, then all 56,052 under the same three seeds."""
    splits = data.split(data.load("mnist"), seed=0, validation=3_948)
    config = TrainConfig(
        model="mlp",
        units=64,
        layers=1,
        batch_norm=False,
        learning_rate=0.005,
        batch_size=128,
        epochs=20,
    )
    curve = learning_curve(config, splits, [940, 1875, 3750, 7500, 15_000], [0, 1, 2])
    everything = len(splits.train)
    (prediction,) = curve.predict(everything)
    measured = learning_curve(config, splits, [everything], [0, 1, 2], steps=curve.steps).points[0]
    now = curve.points[-1].validation_error
    print(curve.summary(), prediction, measured, sep="\n")
    assert prediction.error is not None
    assert prediction.low is not None
    assert prediction.high is not None
    assert prediction.low <= measured.validation_error <= prediction.high
    # The trivial interval: no error at all, or no better than with a quarter of the data.
    assert prediction.high - prediction.low < 0.5 * now
    assert prediction.high < now
