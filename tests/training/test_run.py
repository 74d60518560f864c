"""A run trains, measures, records and saves; the same seed gives the same run."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.errors import DivergedError, OutputError
from keras_ext.records import SCHEMA, Arrays, RunResult, Splits, TrainConfig
from keras_ext.reports import print_report
from keras_ext.training import open_test, run
from keras_ext.training.iteration_cost import IterationCost
from keras_ext.training.round import batch_size, compiled_model
from keras_ext.training.run import augmented_images


def test_result_has_what_the_design_promises(digits: Splits, small: TrainConfig) -> None:
    result = open_test(run(small, digits, quiet=True), digits)
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["schema"] == SCHEMA
    assert values["seed"] == 3
    assert values["config"] == json.loads(json.dumps(small.to_dict()))
    assert set(values["errors"]) == {"train", "validation", "test"}
    for estimate in values["errors"].values():
        assert 0 <= estimate["low"] <= estimate["error"] <= estimate["high"] <= 1
    assert values["errors"]["test"]["count"] == 500
    assert [row["epoch"] for row in values["history"]] == [0, 1]
    assert {"train_error", "validation_error", "train_cost", "learning_rate"} <= set(
        values["history"][0]
    )
    assert {"avoidable_bias", "variance", "dominant"} <= set(values["diagnosis"])
    assert len(values["rounds"]) == 1
    assert values["versions"]["keras"] == keras.__version__
    assert values["seconds"] > 0
    assert values["sizes"] == {"train": 1000, "validation": 500, "test": 500}


def test_errors_are_those_of_the_returned_model(digits: Splits, small: TrainConfig) -> None:
    result = open_test(run(small, digits, quiet=True), digits)
    for name, arrays in (("validation", digits.validation), ("test", digits.test)):
        predicted = result.model.predict(arrays.x, verbose=0).argmax(axis=1)
        assert result.errors[name].error == pytest.approx(float(np.mean(predicted != arrays.y)))


def test_held_out_training_examples_tell_variance_from_mismatch(
    digits: Splits, small: TrainConfig
) -> None:
    """Validation is upside down, what was held out of the training examples is not."""
    turned = replace(digits.validation, x=digits.validation.x[:, ::-1])
    splits = replace(digits, validation=turned, train_validation=digits.test)
    result = run(replace(small, epochs=3), splits, quiet=True)
    assert set(result.errors) == {"train", "validation", "train_validation"}
    assert result.sizes["train_validation"] == 500
    assert result.diagnosis.dominant == "mismatch"
    assert result.rounds[0].train_validation == result.errors["train_validation"]
    predicted = result.model.predict(digits.test.x, verbose=0).argmax(axis=1)
    error = float(np.mean(predicted != digits.test.y))
    assert result.errors["train_validation"].error == pytest.approx(error)
    assert "train-validation" in printed(result)


def printed(result: RunResult) -> str:
    """The table of errors in a terminal."""
    stream = io.StringIO()
    print_report(result, console=Console(file=stream, width=100))
    return stream.getvalue()


def test_mistakes_agree_with_the_error(digits: Splits, small: TrainConfig) -> None:
    result = open_test(run(replace(small, epochs=1), digits, quiet=True), digits)
    assert result.mistakes is not None
    confusion = np.array(result.mistakes.confusion)
    assert confusion.sum() == 500
    assert 1 - np.trace(confusion) / 500 == pytest.approx(result.errors["test"].error)
    assert confusion.sum(axis=1).tolist() == np.bincount(digits.test.y, minlength=10).tolist()
    confidences = [max(mistake.probabilities) for mistake in result.mistakes.worst]
    assert confidences == sorted(confidences, reverse=True)
    for mistake in result.mistakes.worst:
        assert mistake.label == digits.test.y[mistake.row] != mistake.predicted
        assert np.array_equal(mistake.image, digits.test.x[mistake.row])


@pytest.mark.slow
def test_same_seed_same_run_other_seed_another(digits: Splits, small: TrainConfig) -> None:
    def costs(config: TrainConfig) -> Any:
        return run(config, digits, quiet=True).iteration_costs

    augmented = replace(
        small, dropout=0.2, augmentation=replace(small.augmentation, rotation=20, magnitude=0.5)
    )
    assert costs(augmented) == costs(augmented)
    assert costs(augmented) != costs(replace(augmented, seed=4))


def test_cost_of_every_iteration_is_kept(digits: Splits, small: TrainConfig) -> None:
    config = replace(small, steps_per_execution=7, l2=0.01)
    result = run(config, digits, quiet=True)
    assert [len(costs) for costs in result.iteration_costs] == [10, 10]
    assert result.iteration_costs[0][0] > 1.3 * result.iteration_costs[1][-1]
    reference = run(replace(config, steps_per_execution=1), digits, quiet=True)
    for costs, others in zip(result.iteration_costs, reference.iteration_costs, strict=True):
        assert costs == pytest.approx(others, rel=1e-4)


@pytest.mark.slow
def test_iteration_cost_contains_no_penalty(digits: Splits, small: TrainConfig) -> None:
    config = replace(small, l2=0.1)
    model, metric = compiled_model(config, digits.train)
    before = model.predict(digits.train.x[:100], verbose=0)
    model.fit(digits.train.x[:100], digits.train.y[:100], batch_size=100, verbose=0, shuffle=False)
    assert isinstance(metric, IterationCost)
    logits = before - before.max(axis=1, keepdims=True)
    log_probability = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    by_hand = -log_probability[np.arange(100), digits.train.y[:100]].mean()
    # Batch norm uses the batch's own statistics in training: near, not equal.
    assert metric.costs()[0] == pytest.approx(by_hand, rel=0.5)
    assert sum(float(loss) for loss in model.losses) > by_hand


@pytest.mark.slow
def test_saved_model_needs_stock_keras_alone(
    digits: Splits, small: TrainConfig, tmp_path: Path
) -> None:
    result = run(replace(small, dropout=0.3, l2=1e-3), digits, directory=tmp_path, quiet=True)
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={}, compile=False)
    modules = {type(layer).__module__.split(".")[0] for layer in loaded.layers}
    assert modules == {"keras"}
    images = digits.validation.x[:50]
    assert np.array_equal(
        loaded.predict(images, verbose=0), result.model.predict(images, verbose=0)
    )
    assert list((tmp_path / "tensorboard").rglob("events.out.tfevents.*"))
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("schedule", ["time_based", pytest.param("cosine", marks=pytest.mark.slow)])
@pytest.mark.parametrize("optimizer", ["adam", pytest.param("adamw", marks=pytest.mark.slow)])
def test_a_model_that_keras_saves_trains_on_when_loaded(
    digits: Splits, small: TrainConfig, tmp_path: Path, optimizer: str, schedule: str
) -> None:
    config = replace(small, optimizer=optimizer, schedule=schedule, momentum=0.8)
    model, _ = compiled_model(config, digits.train)
    x, y = digits.train.x[:64], digits.train.y[:64]
    model.fit(x, y, batch_size=32, verbose=0)
    model.save(tmp_path / "all.keras")
    loaded = keras.saving.load_model(tmp_path / "all.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert loaded.optimizer.get_config()["beta_1"] == 0.8
    costs = [one.fit(x, y, batch_size=64, verbose=0).history["loss"] for one in (model, loaded)]
    assert costs[0] == costs[1]


def test_own_builder_and_own_arrays(small: TrainConfig) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 5)).astype("float32")
    y = (x @ np.array([1.0, -2.0, 0.5, 0.0, 3.0]) + 4).astype("float32")
    whole = Arrays(x, y, name="plane")
    splits = Splits(
        whole.take(slice(0, 400)), whole.take(slice(400, 500)), whole.take(slice(500, 600))
    )
    seen = []

    def linear(
        config: TrainConfig, shape: tuple[int, ...], outputs: int, normalizer: Any
    ) -> keras.Model:
        seen.append((shape, outputs))
        return keras.Sequential([keras.Input(shape), normalizer, keras.layers.Dense(outputs)])

    config = replace(small, learning_rate=0.3, epochs=30, tolerance=0.01, optimal_error=0.0)
    result = open_test(run(config, splits, build=linear, quiet=True), splits)
    assert seen == [((5,), 1)]
    assert result.errors["test"].error < 0.01
    assert result.mistakes is None
    assert result.diagnosis.dominant == "none"


def test_a_cost_that_is_not_finite_names_epoch_and_first_remedy(
    digits: Splits, small: TrainConfig
) -> None:
    config = replace(
        small,
        optimizer="sgd",
        learning_rate=1e30,
        batch_norm=False,
        steps_per_execution=1,
        schedule="constant",
    )
    with pytest.raises(DivergedError, match=r"in epoch 1: try a lower learning rate first"):
        run(config, digits, quiet=True)


def test_unwritable_directory_is_named(digits: Splits, small: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"can't write to .*file"):
        run(replace(small, epochs=1), digits, directory=tmp_path / "file", quiet=True)


def test_batch_size_follows_the_rule_and_never_exceeds_the_examples(digits: Splits) -> None:
    assert batch_size(TrainConfig(), digits.train) == 1000
    assert batch_size(TrainConfig(batch_size=64), digits.train) == 64
    assert batch_size(TrainConfig(batch_size=5000), digits.train) == 1000


def test_augmented_images_are_carried_for_the_report(digits: Splits, small: TrainConfig) -> None:
    assert run(replace(small, epochs=1), digits, quiet=True).augmented is None
    moves = replace(small.augmentation, rotation=20, mixup=0.2, magnitude=0.5)
    result = run(replace(small, epochs=1, augmentation=moves), digits, quiet=True)
    shown = result.augmented
    assert shown is not None
    assert shown.kept
    assert shown.augmentation == replace(moves, mixup=0.0)
    assert np.array_equal(shown.originals, digits.train.x[:4])
    assert shown.versions.shape == (4, 7, 28, 28, 1)
    assert (shown.versions != shown.originals[:, None]).any(axis=(2, 3, 4)).all()
    assert "augmented" not in result.to_dict()
    assert json.dumps(result.to_dict())


def test_augmentation_that_was_not_kept_is_shown_as_such(
    digits: Splits, small: TrainConfig
) -> None:
    moves = replace(small.augmentation, rotation=20, magnitude=0.5)
    result = run(replace(small, epochs=1), digits, quiet=True)
    first = result.rounds[0]
    other = replace(first, config=replace(small, augmentation=moves), kept=False)
    shown = augmented_images(digits.train, [first, other], first)
    assert shown is not None
    assert not shown.kept
    assert shown.augmentation == moves
    table = Arrays(digits.train.x.reshape(1000, -1), digits.train.y)
    assert augmented_images(table, [other], other) is None
