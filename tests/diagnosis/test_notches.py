"""One turn of each knob, by hand and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import KNOBS, notch
from keras_ext.errors import ConfigError


@pytest.mark.parametrize(
    ("knob", "value", "up", "expected"),
    [
        ("dropout", 0.0, True, 0.1),
        ("dropout", 0, True, 0.1),
        ("dropout", 0.2, True, 0.3),
        ("dropout", 0.75, True, 0.8),
        ("dropout", 0.8, True, None),
        ("dropout", 0.9, True, None),
        ("dropout", 0.1, False, 0.0),
        ("dropout", 0.05, False, 0.0),
        ("dropout", 0.0, False, None),
        ("dropout", (0.1, 0.8, 0.75), True, (0.2, 0.8, 0.8)),
        ("dropout", (0.8, 0.9), True, None),
        ("dropout", (0.0, 0.3), False, (0.0, 0.2)),
        ("l2", 0.0, True, 1e-4),
        ("l2", 1e-4, True, 3e-4),
        ("l2", 3e-4, True, 9e-4),
        ("l2", 0.5, True, 1.0),
        ("l2", 1.0, True, None),
        ("l2", 9e-4, False, 3e-4),
        ("l2", 2e-4, False, 1e-4),
        ("l2", 1e-4, False, 0.0),
        ("l2", 0.0, False, None),
        ("magnitude", 0.0, True, 0.25),
        ("magnitude", 0.9, True, 1.0),
        ("magnitude", 1.0, True, None),
        ("magnitude", 0.0, False, None),
        ("units", 32, True, 64),
        ("units", 33, False, 16),
        ("units", 1, False, None),
        ("layers", 2, True, 3),
        ("layers", 1, False, None),
        ("epochs", 3, True, 6),
        ("epochs", 3, False, 1),
        ("learning_rate", 0.001, True, 0.003),
        ("learning_rate", 0.003, False, 0.001),
    ],
)
def test_table(knob, value, up, expected):
    found = notch(knob, value, up)
    assert found == expected
    assert type(found) is type(expected)


@given(st.sampled_from(KNOBS), st.floats(1e-9, 1e4), st.booleans())
def test_a_turn_moves_in_its_direction_or_not_at_all(knob, value, up):
    new = notch(knob, value, up)
    assert new is None or (new > value if up else new < value)


@given(st.sampled_from(["units", "layers", "epochs"]), st.integers(1, 10**9), st.booleans())
def test_whole_numbers_stay_whole(knob, value, up):
    new = notch(knob, value, up)
    assert new is None or (type(new) is int and new >= 1)


@pytest.mark.parametrize("knob", ["dropout", "l2", "magnitude"])
def test_strengths_come_to_both_ends(knob):
    path = [0.0]
    while (new := notch(knob, path[-1])) is not None:
        path.append(new)
    assert path[-1] == {"dropout": 0.8, "l2": 1.0, "magnitude": 1.0}[knob]
    while (new := notch(knob, path[-1], up=False)) is not None:
        path.append(new)
    assert path[-1] == 0.0


@pytest.mark.parametrize("value", ["0.1", None, True, float("nan"), float("inf"), {}])
def test_only_numbers_can_be_turned(value):
    with pytest.raises(ConfigError, match="dropout="):
        notch("dropout", value)


def test_numbers_of_numpy_become_plain_ones():
    for value, new in ((np.float32(0.25), 0.35), (np.int64(0), 0.1)):
        assert notch("dropout", value) == new
        assert type(notch("dropout", value)) is float
    assert type(notch("units", np.int64(32))) is int


def test_unknown_knob_is_named():
    with pytest.raises(ConfigError, match="knob='droput'"):
        notch("droput", 0.1)
