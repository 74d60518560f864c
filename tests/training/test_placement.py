"""Wherever the training images are, a run gives the same errors, and its model is the core."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import memory
from keras_ext.callbacks import (
    BiasVariance,
    GradientCheck,
    LayerHealth,
    OrthogonalEarlyStopping,
    RegularizationActivation,
    TimeBasedDecay,
    TrainingState,
)
from keras_ext.records import Augmentation, RunResult, Splits, TrainConfig
from keras_ext.training import improve, open_test, preflight, run
from keras_ext.training.crossentropy import MixedCrossentropy
from keras_ext.training.round import loss_of

MOVES = Augmentation(rotation=15, translation=0.1, magnitude=0.5)


@pytest.fixture
def moved(small: TrainConfig) -> TrainConfig:
    return replace(small, augmentation=MOVES, dropout=0.2, l2=1e-4, steps_per_execution=4)


@pytest.mark.slow
@pytest.mark.usefixtures("no_accelerator")
def test_the_same_costs_and_errors_from_both(digits: Splits, moved: TrainConfig) -> None:
    config = replace(moved, dropout=0.0)
    host, device = (
        run(config, digits, placement=placement, quiet=True) for placement in ("host", "device")
    )
    for one, other in zip(host.iteration_costs, device.iteration_costs, strict=True):
        assert other == pytest.approx(one, rel=2e-3)
    assert host.errors["train"].error == pytest.approx(device.errors["train"].error, abs=0.01)
    automatic = run(config, digits, quiet=True)
    assert automatic.iteration_costs == host.iteration_costs


@pytest.mark.slow
def test_a_run_on_images_that_are_too_many_for_the_memory(
    digits: Splits, moved: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "x.npy", digits.train.x)
    mapped = replace(digits.train, x=np.load(tmp_path / "x.npy", mmap_mode="r"))
    expected = run(moved, digits, placement="host", quiet=True)
    monkeypatch.setattr(memory, "SHARE", 0.0)
    streamed = run(moved, replace(digits, train=mapped), placement="host", quiet=True)
    assert streamed.iteration_costs == expected.iteration_costs
    assert streamed.errors == expected.errors


@pytest.mark.slow
def test_errors_and_files_are_those_of_the_core(
    digits: Splits, moved: TrainConfig, tmp_path: Path
) -> None:
    result = run(moved, digits, placement="device", directory=tmp_path, quiet=True)
    result = open_test(result, digits)
    images = digits.validation.x[:50]
    predicted = result.model.predict(digits.validation.x, verbose=0).argmax(axis=1)
    assert result.errors["validation"].error == pytest.approx(
        float(np.mean(predicted != digits.validation.y))
    )
    loaded = keras.saving.load_model(tmp_path / "model.keras", custom_objects={}, compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} == {"keras"}
    assert np.array_equal(
        loaded.predict(images, verbose=0), result.model.predict(images, verbose=0)
    )
    assert (tmp_path / "model.keras").stat().st_size < digits.train.x.nbytes


def examine(splits: Splits, folder: Path) -> list[keras.callbacks.Callback]:
    """Every callback that looks into a model, and those of Keras that keep or change it."""
    x, y = splits.train.x[:200], splits.train.y[:200]
    watch = BiasVariance((x, y), (splits.validation.x, splits.validation.y))
    parts = [
        watch,
        OrthogonalEarlyStopping(watch, restore="best_validation"),
        GradientCheck(x, y, every=1),
        LayerHealth(x, y),
        RegularizationActivation(after_epochs=1, on_rising_cost="ignore"),
        TimeBasedDecay(0.1),
        keras.callbacks.ModelCheckpoint(folder / "whole.keras"),
        keras.callbacks.ModelCheckpoint(folder / "some.weights.h5", save_weights_only=True),
        keras.callbacks.EarlyStopping("validation_error", restore_best_weights=True, mode="min"),
    ]
    return [*parts, TrainingState(folder / "state", parts, keep=True)]


@pytest.mark.slow
def test_callbacks_look_into_the_core(digits: Splits, moved: TrainConfig, tmp_path: Path) -> None:
    found = {}
    config = replace(moved, schedule="constant", dropout=0.2)
    for placement in ("host", "device"):
        folder = tmp_path / placement
        folder.mkdir()
        watching = examine(digits, folder)
        result = run(config, digits, callbacks=watching, placement=placement, quiet=True)
        found[placement] = result, watching, folder
        assert watching[2].report.ok
        assert (folder / "state").is_dir()
    one, other = found["host"], found["device"]
    assert set(other[0].history[0]) == set(one[0].history[0])
    for row, same in zip(one[1][3].report.layers, other[1][3].report.layers, strict=True):
        assert row.name.split("_")[0] == same.name.split("_")[0]
    sizes = [sum(path.stat().st_size for path in side[2].rglob("*.*")) for side in (one, other)]
    assert sizes[1] < 1.2 * sizes[0]
    for name in ("whole.keras", "some.weights.h5"):
        model = other[0].model
        expected = model.predict(digits.test.x, verbose=0)
        if name.endswith(".keras"):
            model = keras.saving.load_model(other[2] / name, compile=False)
        else:
            model.load_weights(other[2] / name)
        np.testing.assert_allclose(model.predict(digits.test.x, verbose=0), expected, atol=1e-5)


def test_live_strengths_of_the_core_are_turned(digits: Splits, moved: TrainConfig) -> None:
    from keras_ext.regularization import knobs

    seen: list[dict[str, Any]] = []

    class Turn(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            found = knobs(self.model)
            seen.append({name: knob.value for name, knob in found.items()})
            found["dropout"].value = 0.0

    result = run(moved, digits, callbacks=[Turn()], placement="device", quiet=True)
    assert seen == [
        {"dropout": 0.2, "l2": 1e-4, "magnitude": 0.5},
        {"dropout": 0.0, "l2": 1e-4, "magnitude": 0.5},
    ]
    assert knobs(result.model)["dropout"].value == 0.0
    assert set(knobs(result.model)) == {"dropout", "l2"}


@pytest.mark.usefixtures("no_accelerator")
def test_what_was_chosen_is_told_once(digits: Splits, small: TrainConfig) -> None:
    lines: list[str] = []
    improve(replace(small, epochs=1), digits, max_rounds=1, announce=lines.append, quiet=True)
    told = [line for line in lines if line.startswith("training images from the")]
    assert told == ["training images from the host: there is no accelerator"]


@pytest.mark.parametrize("placement", ["host", "device"])
@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_examples_train_with_shares_and_are_judged_by_classes(
    digits: Splits, small: TrainConfig, placement: str, mix: str
) -> None:
    augmentation = Augmentation(**{mix: 1.0})
    config = replace(small, augmentation=augmentation, epochs=3)
    result: RunResult = run(config, digits, placement=placement, quiet=True)
    assert result.errors["validation"].error < 0.3
    predicted = result.model.predict(digits.train.x, verbose=0)
    log_probability = predicted - np.log(np.exp(predicted).sum(axis=1, keepdims=True))
    cost = -log_probability[np.arange(1000), digits.train.y].mean()
    assert result.history[-1]["train_cost"] == pytest.approx(float(cost), rel=0.2)
    # A mixed example costs more than a clean one: nobody can say which of two it is.
    assert np.mean(result.iteration_costs[-1]) > 1.2 * result.history[-1]["train_cost"]


def test_loss_follows_the_labels(digits: Splits) -> None:
    plain, mixing = Augmentation(rotation=5), Augmentation(mixup=0.2)
    assert type(loss_of(digits.train, plain)) is keras.losses.SparseCategoricalCrossentropy
    off = replace(mixing, magnitude=0.0)
    assert type(loss_of(digits.train, off)) is keras.losses.SparseCategoricalCrossentropy
    loss = loss_of(digits.train, mixing)
    assert isinstance(loss, MixedCrossentropy)
    logits = np.random.default_rng(0).normal(size=(6, 10)).astype("float32")
    classes = np.arange(6)
    stock = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(classes, logits)
    for labels in (classes, classes[:, None], np.eye(10, dtype="float32")[classes]):
        assert float(loss(labels, logits)) == pytest.approx(float(stock), rel=1e-6)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(classes, logits)) == pytest.approx(float(stock), rel=1e-6)


def test_checks_before_training_take_a_mixing_configuration(
    digits: Splits, small: TrainConfig
) -> None:
    config = replace(small, augmentation=Augmentation(mixup=0.4))
    assert all(check.passed for check in preflight(config, digits))
