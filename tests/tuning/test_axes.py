"""Values, places and notches of a hyperparameter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keras_ext.errors import ConfigError
from keras_ext.tuning.axes import Axis, active, with_role
from tests.tuning.surface import AXES

places = st.floats(0, 1)


@given(st.sampled_from(AXES), places)
def test_every_place_has_a_value_of_the_axis(axis: Axis, place: float) -> None:
    value = axis.value(place)
    if axis.choices:
        assert value in axis.choices
    else:
        assert axis.low <= value <= axis.high
        assert isinstance(value, int) == axis.whole
    assert 0 <= axis.place(value) <= 1


@given(st.sampled_from([axis for axis in AXES if not axis.choices and not axis.whole]), places)
def test_place_and_value_are_each_others_way_back(axis: Axis, place: float) -> None:
    assert axis.place(axis.value(place)) == pytest.approx(place, abs=1e-4)


@given(st.sampled_from(AXES), places, st.floats(0.5, 3), st.sampled_from([1, -1]))
def test_a_turn_goes_its_way_and_stays_inside(
    axis: Axis, place: float, size: float, sign: int
) -> None:
    value = axis.value(place)
    after = axis.moved(value, sign * size)
    assume(after is not None)
    assert (after > value) == (sign > 0)
    assert after in axis.choices if axis.choices else axis.low <= after <= axis.high


def test_momentum_moves_on_a_scale_of_one_minus_beta() -> None:
    axis = AXES[1]
    assert axis.value(0.5) == pytest.approx(1 - (0.5 * 0.01) ** 0.5, abs=1e-4)
    assert axis.moved(0.9, 1) == pytest.approx(1 - 0.1 / 3, abs=1e-4)


@pytest.mark.parametrize(
    ("axis", "value", "notches", "after"),
    [
        (AXES[0], 1e-3, 1, 3e-3),
        (AXES[0], 1e-3, -1, 1e-3 / 3),
        (AXES[0], 0.1, 1, None),
        (AXES[3], 64, 2, 256),
        (AXES[3], 256, 1, None),
        (AXES[4], 2, 1, 3),
        (AXES[4], 2, 0.4, None),
        (AXES[5], 0.0, 1, 0.1),
        (AXES[6], 1e-6, 1, 1e-4),
        (AXES[6], 1e-4, -1, 1e-6),
        (AXES[7], 0.65, 1, 0.7),
        (AXES[7], 0.7, 1, None),
        (AXES[8], 0.25, 1.5, 0.625),
        (Axis("width", 5, low=1, high=100, whole=True, role="units"), 5, 0.1, None),
        (Axis("on", True, choices=(False, True), ordered=False), True, 1, None),
        (Axis("beta", 0.9, choices=(0.5, 0.9, 0.99), role="momentum"), 0.9, 1, 0.99),
        (Axis("plain", 0.5, low=0, high=2), 0.5, 1, 0.9),
        (Axis("one", 3, low=3, high=3), 3, 1, None),
    ],
)
def test_notches_are_those_of_the_table(axis: Axis, value: Any, notches: float, after: Any) -> None:
    moved = axis.moved(value, notches)
    assert moved == (after if after is None else pytest.approx(after, rel=1e-4))


def test_a_parent_of_another_value_takes_its_children_with_it() -> None:
    axes = [
        Axis("kind", "a", choices=("a", "b"), ordered=False),
        Axis("size", 1, low=1, high=9, whole=True, parents=(("kind", ("b",)),)),
        Axis("depth", 1, low=1, high=9, whole=True, parents=(("size", (1,)),)),
    ]
    assert active(axes, {"kind": "a", "size": 1, "depth": 2}) == {"kind": "a"}
    everything = {"kind": "b", "size": 1, "depth": 2}
    assert active(axes, everything) == everything


def test_with_role_finds_the_axis() -> None:
    assert with_role(AXES, "l2") is AXES[6]
    assert with_role(AXES, "epochs") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "cubic"}, "scale='cubic'"),
        ({"role": "speed"}, "role='speed'"),
        ({"scale": "log", "low": 0.0}, "log scale from 0"),
        ({"scale": "complement", "high": 1.0}, "complement scale"),
    ],
)
def test_what_cannot_be_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Axis("x", 0.5, **options)
