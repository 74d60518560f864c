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
