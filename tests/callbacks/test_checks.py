"""Checks of arguments, and copies that share."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from keras_ext.callbacks.checks import copy_sharing, not_negative, of_type, whole_number
from keras_ext.errors import ConfigError


@pytest.mark.parametrize("value", [True, 1.0, -1, "3", None, np.float64(2)])
def test_whole_numbers(value):
    with pytest.raises(ConfigError, match="every="):
        whole_number("every", value, 0)
    assert type(whole_number("every", np.int64(3), 1)) is int


@pytest.mark.parametrize("value", [True, -0.1, "3", None, np.inf, np.nan, 1j])
def test_numbers_that_are_not_negative(value):
    with pytest.raises(ConfigError, match="tolerance="):
        not_negative("tolerance", value)
    assert type(not_negative("tolerance", np.float32(0.5))) is float
    assert type(not_negative("tolerance", 0)) is float


def test_of_type():
    assert of_type("label", "a", str, "text") == "a"
    with pytest.raises(ConfigError, match="label must be text, got label=3"):
        of_type("label", 3, str, "text")


def test_a_copy_shares_what_it_is_told_to():
    class Part:
        def __init__(self):
            self.data = {"x": object()}
            self.mine = [self.data["x"], [1]]

        def __deepcopy__(self, memo):
            return copy_sharing(self, memo, [self.data["x"]])

    part = Part()
    twin = copy.deepcopy(part)
    assert type(twin) is Part
    assert twin.mine[0] is part.data["x"] is twin.data["x"]
    assert twin.mine[1] is not part.mine[1]
    assert twin.data is not part.data
    pair = copy.deepcopy([part, part])
    assert pair[0] is pair[1]
