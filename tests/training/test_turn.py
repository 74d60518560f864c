"""One notch changes one field."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation, TrainConfig
from keras_ext.training.turn import KNOBS, knob_values, turn

CONFIG = TrainConfig(augmentation=Augmentation(rotation=10, magnitude=0.0))


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("epochs", 10),
        ("units", 64),
        ("layers", 3),
        ("learning_rate", 0.003),
        ("magnitude", 0.25),
        ("dropout", 0.1),
        ("l2", 1e-4),
    ],
)
def test_one_notch_up(knob: str, value: float) -> None:
    turned = turn(CONFIG, knob)
    assert turned is not None
    assert knob_values(turned)[knob] == pytest.approx(value)


@given(st.lists(st.tuples(st.sampled_from(KNOBS), st.booleans()), max_size=12))
def test_any_turns_leave_a_valid_configuration_with_one_change_each(
    turns: list[tuple[str, bool]],
) -> None:
    config = CONFIG
    for knob, up in turns:
        turned = turn(config, knob, up=up)
        if turned is None:
            continue
        before, after = knob_values(config), knob_values(turned)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {knob}
        assert (after[knob] > before[knob]) == up
        assert TrainConfig.from_dict(turned.to_dict()) == turned
        config = turned if turned.epochs < 1000 and turned.units < 10000 else CONFIG


def test_magnitude_is_no_knob_where_nothing_is_augmented() -> None:
    with pytest.raises(ConfigError, match="magnitude"):
        turn(TrainConfig(), "magnitude")


def test_unknown_knob_is_named() -> None:
    with pytest.raises(ConfigError, match="knob='colour'"):
        turn(CONFIG, "colour")


def test_every_knob_is_a_field() -> None:
    names = {field.name for field in dataclasses.fields(TrainConfig)} | {"magnitude"}
    assert set(KNOBS) <= names
