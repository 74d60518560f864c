"""Sizes by what they can see: against the exact binomial power, and the rules of thumb."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data import split_sizes
from keras_ext.errors import ConfigError


def power(count: int, error: float, gap: float) -> float:
    """How often an error of error + gap has its 95 % interval (Wilson) above ``error``: exact."""
    binom = pytest.importorskip("scipy.stats").binom
    critical = math.floor(count * error + 1.959964 * math.sqrt(count * error * (1 - error)))
    return float(binom.sf(critical, count, error + gap))


@pytest.mark.parametrize(
    ("error", "gap"), [(0.02, 0.004), (0.1, 0.01), (0.5, 0.05), (0.005, 0.002), (0.3, 0.3)]
)
def test_the_examples_needed_see_the_gap_four_times_in_five(error: float, gap: float) -> None:
    sizes = split_sizes(10**7, expected_error=error, detectable_gap=gap)
    assert sizes.validation == sizes.test == sizes.needed
    assert power(sizes.needed, error, gap) == pytest.approx(0.8, abs=0.05)


def test_a_capped_part_says_which_gap_it_sees() -> None:
    sizes = split_sizes(10_000)
    assert power(2000, 0.02, sizes.validation_gap) == pytest.approx(0.8, abs=0.03)
    assert power(1000, 0.02, sizes.test_gap) == pytest.approx(0.8, abs=0.03)
    assert sizes.reason == (
        "to see a gap of 0.004 at an expected error of 0.02 takes 10,161 examples: validation gets "
        "2,000, the 20% of all that it may have, and sees gaps from 0.0093 on; test gets 1,000, "
        "the 10% of all that it may have, and sees gaps from 0.014 on; 7,000 are left to train on"
    )
    assert split_sizes(5, expected_error=0.4, detectable_gap=0.1).reason.count("sees none") == 2


@pytest.mark.parametrize(
    ("examples", "percent"),
    [(500, (70, 20, 10)), (10_000, (70, 20, 10)), (50_000, (70, 20, 10)), (10**6, (98, 1, 1))],
)
def test_the_defaults_agree_with_the_rules_of_thumb(
    examples: int, percent: tuple[int, int, int]
) -> None:
    sizes = split_sizes(examples)
    parts = (sizes.train, sizes.validation, sizes.test)
    assert tuple(round(100 * part / examples) for part in parts) == percent


def test_enough_for_all_is_said_in_few_words() -> None:
    assert split_sizes(1_000_000).reason == (
        "to see a gap of 0.004 at an expected error of 0.02 takes 10,161 examples: validation gets "
        "as many; test gets as many; 979,678 are left to train on"
    )


@given(st.integers(1, 3_000_000), st.floats(0.001, 0.5), st.floats(0.001, 0.4))
def test_law_the_parts_are_a_whole_and_never_shrink(
    examples: int, error: float, gap: float
) -> None:
    now, later = (
        split_sizes(n, expected_error=error, detectable_gap=gap)
        for n in (examples, examples + examples // 10 + 1)
    )
    assert now.train + now.validation + now.test == examples
    assert now.validation <= math.ceil(0.2 * examples)
    assert now.test <= now.validation <= now.needed
    assert (later.validation, later.test) >= (now.validation, now.test)
    assert later.validation_gap <= now.validation_gap


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"examples": 0}, "examples=0"),
        ({"examples": 1.5}, "examples=1.5"),
        ({"examples": True}, "examples=True"),
        ({"expected_error": 0}, "expected_error=0"),
        ({"expected_error": 2.0}, r"expected_error=2\.0"),
        ({"detectable_gap": 0}, "detectable_gap=0"),
        ({"expected_error": 0.6, "detectable_gap": 0.4}, r"below 1 - expected_error = 0\.4, got"),
        ({"detectable_gap": float("nan")}, "detectable_gap=nan"),
    ],
)
def test_what_has_no_sizes(arguments: dict[str, float], message: str) -> None:
    arguments = {"examples": 100, **arguments}
    with pytest.raises(ConfigError, match=message):
        split_sizes(arguments.pop("examples"), **arguments)  # type: ignore[arg-type]
