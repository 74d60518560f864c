"""The rule for the mini-batch."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data import mini_batch_size
from keras_ext.errors import ConfigError


@pytest.mark.parametrize(
    ("examples", "size"),
    [
        (1, 1),
        (1_999, 1_999),
        (2_000, 64),
        (15_999, 64),
        (16_000, 128),
        (127_999, 128),
        (128_000, 256),
        (1_023_999, 256),
        (1_024_000, 512),
        (10**9, 512),
    ],
)
def test_each_side_of_every_step(examples: int, size: int) -> None:
    assert mini_batch_size(examples) == size


@given(st.integers(2_000, 10**12))
def test_law_powers_of_two_from_64_to_512(examples: int) -> None:
    size = mini_batch_size(examples)
    formula = 64 * 2 ** math.floor(math.log(examples / 2000) / math.log(8) + 1e-12)
    assert size == min(512, formula)


def test_no_examples() -> None:
    with pytest.raises(ConfigError, match="examples=0"):
        mini_batch_size(0)
