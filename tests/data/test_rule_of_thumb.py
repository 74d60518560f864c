"""70/20/10 at one end, 98/1/1 at the other, smooth between."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data import rule_of_thumb
from keras_ext.errors import ConfigError


@pytest.mark.parametrize("examples", [1, 500, 10_000])
def test_small_data(examples: int) -> None:
    assert rule_of_thumb(examples) == (0.7, 0.2, 0.1)


@pytest.mark.parametrize("examples", [1_000_000, 50_000_000])
def test_large_data(examples: int) -> None:
    assert rule_of_thumb(examples) == (0.98, 0.01, 0.01)


@given(st.integers(1, 3_000_000))
def test_law_the_parts_are_a_whole_and_move_one_way(examples: int) -> None:
    now, later = rule_of_thumb(examples), rule_of_thumb(examples + examples // 10 + 1)
    assert math.isclose(sum(now), 1)
    assert later[0] >= now[0]
    assert later[1] <= now[1]
    assert later[2] <= now[2]


@pytest.mark.parametrize("examples", [10_000, 100_000, 999_999])
def test_no_jump_from_one_example_to_the_next(examples: int) -> None:
    here, there = rule_of_thumb(examples), rule_of_thumb(examples + 1)
    assert max(abs(a - b) for a, b in zip(here, there, strict=True)) < 1e-4


def test_equal_factors_of_examples_give_equal_factors_of_the_share() -> None:
    shares = [rule_of_thumb(n)[1] for n in (20_000, 40_000, 80_000)]
    assert math.isclose(shares[1] / shares[0], shares[2] / shares[1])


def test_no_examples() -> None:
    with pytest.raises(ConfigError, match="examples=0"):
        rule_of_thumb(0)
