"""Random numbers that are the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from keras_ext.data._seeding import Stream, permutation, uniforms
from keras_ext.errors import ConfigError


def test_a_permutation_is_pinned_for_every_machine() -> None:
    assert permutation(8, Stream.SPLIT, 7).tolist() == [7, 5, 3, 0, 6, 1, 2, 4]
    assert uniforms((1, 3), Stream.AUGMENTATION, 7).tolist() == [
        [0.9721646709017112, 0.34737389087118775, 0.20493105271363554]
    ]


def test_every_number_comes_once() -> None:
    assert sorted(permutation(1000, Stream.ORDER, 3, 5)) == list(range(1000))


@pytest.mark.parametrize(
    "other", [(Stream.ORDER, 4, 0), (Stream.ORDER, 3, 1), (Stream.SAMPLE, 3, 0)]
)
def test_stream_seed_and_epoch_each_change_the_order(other: tuple[Stream, int, int]) -> None:
    assert (permutation(100, Stream.ORDER, 3) != permutation(100, *other)).any()


def test_uniforms_are_uniform_and_below_one() -> None:
    values = uniforms((20_000, 2), Stream.AUGMENTATION, 0)
    assert values.min() >= 0
    assert values.max() < 1
    assert np.abs(np.histogram(values, 10, (0, 1))[0] / 4000 - 1).max() < 0.06


@pytest.mark.parametrize("seed", [-1, 1.0, True, None, "0"])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match=r"seed must be a whole number from 0 on, got seed="):
        permutation(3, Stream.ORDER, seed)  # type: ignore[arg-type]
