"""Records check what they are given, and survive JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Augmentation, TrainConfig


def test_config_survives_json() -> None:
    config = TrainConfig(
        dropout=(0.1, 0.2), augmentation=Augmentation(flip="horizontal"), batch_size=7
    )
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "unknown field epoch"),
        ({"epochs": "3"}, "epochs must be int, got '3'"),
        ({"epochs": 3.5}, "epochs must be int"),
        ({"epochs": True}, "epochs must be int"),
        ({"epochs": 0}, "epochs must be at least 1, got epochs=0"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), got dropout=1.0"),
        ({"dropout": "much"}, "dropout must be float | tuple[float, ...], got 'much'"),
        ({"dropout": [0.1, "x"]}, "dropout must be float"),
        ({"learning_rate": 0}, "learning_rate must be above 0, got learning_rate=0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"l2": float("nan")}, "l2 must be at least 0, got l2=nan"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        (
            {"optimizer": "lion"},
            "optimizer must be one of sgd, rmsprop, adam, adamw, got optimizer='lion'",
        ),
        ({"augmentation": {"rotate": 3}}, "unknown field augmentation.rotate"),
        ({"augmentation": {"rotation": "3"}}, "augmentation.rotation must be float, got '3'"),
        ({"augmentation": {"magnitude": 2}}, "magnitude must be from 0 to 1, got magnitude=2.0"),
        ({"augmentation": 3}, "augmentation must be an object with fields, got 3"),
    ],
)
def test_bad_configuration_is_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_dict(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": 2.5}, "crop must be int, got 2.5"),
        ({"crop": True}, "crop must be int, got True"),
        ({"mixup": True}, "mixup must be float, got True"),
        ({"rotation": "10"}, "rotation must be float, got '10'"),
        ({"zoom": (0.1, 0.2)}, "zoom must be float, got (0.1, 0.2)"),
        ({"noise": None}, "noise must be float, got None"),
        ({"flip": True}, "flip must be str | None, got True"),
        ({"fill_mode": 0}, "fill_mode must be str, got 0"),
        ({"value_range": 255}, "value_range must be tuple[float, ...], got 255"),
        ({"value_range": ("0", "1")}, "value_range must be float, got '0'"),
        ({"value_range": (0, 1, 2)}, "value_range must be (lowest, highest), got value_range="),
        ({"value_range": (1, 0)}, "value_range must be (lowest, highest), got value_range="),
        ({"zoom": 0.95}, "zoom must be from 0 to 0.9, got zoom=0.95"),
    ],
)
def test_bad_augmentation_is_named(values: dict, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Augmentation(**values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_and_lists_are_taken() -> None:
    made = Augmentation(crop=np.int64(2), zoom=np.float32(0.5), rotation=10, value_range=[0, 1])
    assert made == Augmentation(crop=2, zoom=0.5, rotation=10.0, value_range=(0.0, 1.0))
    assert json.loads(json.dumps(TrainConfig(augmentation=made, units=np.int32(8)).to_dict()))
    assert hash(made) == hash(Augmentation(crop=2, zoom=0.5, rotation=10, value_range=(0, 1)))
    with pytest.raises(ConfigError, match=r"units must be int, got 2\.5"):
        TrainConfig(units=2.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="augmentation must be an object with fields, got 'much'"):
        TrainConfig(augmentation="much")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("y", "classes", "message"),
    [
        (np.zeros(3), ("a", "b"), "got float64 of shape (3,): y.astype('int32') if they are class"),
        (np.eye(3), ("a", "b", "c"), "of shape (3, 3): y.argmax(axis=1) makes class numbers of"),
        (np.eye(3, dtype=int), (), "got int64 of shape (3, 3): y.argmax(axis=1) makes class"),
        (np.zeros((3, 1), int), (), "got int64 of shape (3, 1): y.ravel() has that shape"),
        (np.zeros((3, 1)), ("a",), "(3, 1): y.astype('int32') if they are class numbers, cl"),
        (np.array(["a", "b", "a"]), (), "or floats for regression; got <U1 of shape (3,)"),
    ],
)
def test_labels_that_are_no_class_numbers(
    y: np.ndarray, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError) as caught:
        Arrays(np.zeros((3, 2)), y, classes=classes)
    assert message in str(caught.value)
    assert "y must have class numbers of shape (examples,)" in str(caught.value)


@pytest.mark.parametrize("x", [np.zeros((3, 2), complex), np.array([[None]] * 3)])
def test_examples_that_are_no_numbers(x: np.ndarray) -> None:
    with pytest.raises(DataError, match=f"x must be numbers of one shape .* got {x.dtype}"):
        Arrays(x, np.zeros(3))


@pytest.mark.parametrize("name", ["x", "y"])
def test_lists_are_no_arrays(name: str) -> None:
    parts = {"x": np.zeros((2, 1)), "y": np.zeros(2)} | {name: [0, 1]}
    with pytest.raises(DataError, match=f"{name} must be an array, got list: np.asarray makes one"):
        Arrays(**parts)  # type: ignore[arg-type]


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="x has 3 examples but y has 2"):
        Arrays(np.zeros((3, 1)), np.zeros(2))


def test_published_splits_must_lie_in_the_rows() -> None:
    with pytest.raises(DataError, match="'test' is rows 2:9 of 3"):
        Arrays(np.zeros((3, 1)), np.zeros(3), published={"test": (2, 9)})


def test_part_takes_the_published_rows() -> None:
    arrays = Arrays(
        np.arange(6)[:, None], np.arange(6), published={"train": (0, 4), "test": (4, 6)}
    )
    assert arrays.part("test").y.tolist() == [4, 5]
    with pytest.raises(DataError, match="not 'validation'"):
        arrays.part("validation")


@pytest.mark.parametrize(
    ("augmentation", "active"),
    [
        (Augmentation(), False),
        (Augmentation(rotation=5), True),
        (Augmentation(rotation=5, magnitude=0), False),
        (Augmentation(flip="horizontal"), True),
    ],
)
def test_augmentation_is_active_when_it_changes_anything(
    augmentation: Augmentation, active: bool
) -> None:
    assert augmentation.active is active


def test_whole_numbers_are_classes_and_floats_are_values() -> None:
    assert Arrays(np.zeros((3, 1)), np.array([0, 2, 1])).classes == ("0", "1", "2")
    assert Arrays(np.zeros((3, 1)), np.array([0, 2, 1]), classes=("a", "b", "c")).classes[0] == "a"
    assert Arrays(np.zeros((3, 1)), np.array([0.0, 2.0, 1.0])).classes == ()
    assert Arrays(np.zeros((3, 1)), np.array([0, 2, 1])).take(slice(0, 1)).classes == (
        "0",
        "1",
        "2",
    )
