"""The law against scipy and a brute force, its interval against many curves of known ends."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext.diagnosis import PowerLaw, extrapolate
from keras_ext.diagnosis.power_law import WIDEST, _curve
from keras_ext.errors import ConfigError

SIZES = [1000, 2000, 4000, 8000, 16000]
DIGITS = [
    [0.1274, 0.1173, 0.1094],
    [0.1003, 0.0907, 0.0922],
    [0.0666, 0.0638, 0.0613],
    [0.0469, 0.0476, 0.0469],
    [0.0355, 0.0372, 0.0342],
]
"""Measured: an MLP of 64 units on MNIST, three seeds."""


def curve(law, noise, seeds=3, sizes=SIZES, seed=0):
    errors = np.array([law.at(size) for size in sizes])
    rng = np.random.default_rng(seed)
    return errors[:, None] * (1 + noise * rng.normal(size=(len(sizes), seeds)))


@pytest.mark.parametrize(
    "law", [PowerLaw(0.0, 2.0, 0.5), PowerLaw(0.01, 3.0, 0.6), PowerLaw(0.02, 40.0, 1.0)]
)
def test_an_exact_law_is_found_again(law):
    found = extrapolate(SIZES, np.repeat(curve(law, 0.0), 2, axis=1))
    assert found.law.exponent == pytest.approx(law.exponent, rel=1e-4)
    assert found.law.floor == pytest.approx(law.floor, abs=1e-6)
    for prediction in found.predictions:
        assert prediction.error == pytest.approx(law.at(prediction.size), rel=1e-4)
        assert prediction.low <= prediction.error <= prediction.high
        assert prediction.high - prediction.low < 1e-3 * prediction.error


@pytest.mark.parametrize(
    ("law", "noise", "seeds"),
    [
        (PowerLaw(0.0, 2.0, 0.5), 0.03, 3),
        (PowerLaw(0.01, 2.0, 0.5), 0.03, 3),
        (PowerLaw(0.02, 3.0, 0.6), 0.05, 3),
        (PowerLaw(0.0, 2.0, 0.5), 0.01, 2),
        (PowerLaw(0.03, 1.0, 0.7), 0.02, 5),
    ],
)
def test_the_interval_covers_one_more_run(law, noise, seeds):
    """At least 93 of 100, where 95 are promised: 150 curves can't tell these apart."""
    hits = []
    for seed in range(150):
        for item in extrapolate(SIZES, curve(law, noise, seeds, seed=seed)).predictions:
            if item.error is not None:
                rng = np.random.default_rng((1, seed, item.size))
                hits.append(item.low <= law.at(item.size) * (1 + noise * rng.normal()) <= item.high)
    assert len(hits) > 150
    assert np.mean(hits) >= 0.93


def test_the_best_law_is_that_of_scipy():
    optimize = pytest.importorskip("scipy.optimize")
    errors = curve(PowerLaw(0.02, 3.0, 0.6), 0.02)
    mean = errors.mean(axis=1)
    (floor, scale, exponent), _ = optimize.curve_fit(
        lambda n, c, a, b: c + a * n**-b,
        np.array(SIZES, float),
        mean,
        p0=(0.01, 1.0, 0.5),
        sigma=mean,
        bounds=(0, [1, 100, 3]),
        x_scale=(0.01, 1.0, 0.5),
        ftol=1e-12,
        xtol=1e-12,
    )
    found = extrapolate(SIZES, errors).law
    assert found.exponent == pytest.approx(exponent, rel=1e-3)
    assert found.floor == pytest.approx(floor, rel=1e-3)
    assert found.scale == pytest.approx(scale, rel=5e-3)


def test_the_limits_are_those_of_all_laws_that_fit():
    errors = np.array(DIGITS)
    found, trouble = _curve(np.array(SIZES), errors, 0.95)
    assert trouble == ""
    inside = []
    x = np.array(SIZES) / SIZES[-1]
    for exponent in np.linspace(0.05, 1.5, 300):
        for floor in np.linspace(0, 0.035, 200):
            basis = x**-exponent
            scale = (found.weights * basis * (found.errors - floor)).sum()
            scale /= (found.weights * basis**2).sum()
            squares = (found.weights * (found.errors - floor - scale * basis) ** 2).sum()
            left = found.squares + found.limit - squares
            if left >= 0:
                slack = np.sqrt(left / (found.weights * basis**2).sum())
                inside += [floor + (scale + s) * 2**-exponent for s in (-slack, slack)]
    prediction = extrapolate(SIZES, errors).predictions[0]
    run = found.quantile * found.noise * prediction.error
    low = prediction.error - np.hypot(prediction.error - min(inside), run)
    high = prediction.error + np.hypot(max(inside) - prediction.error, run)
    assert (prediction.low, prediction.high) == pytest.approx((low, high), rel=5e-3)


@settings(max_examples=15)
@given(times=st.integers(2, 1000), factor=st.floats(0.01, 5))
def test_units_do_not_matter(times, factor):
    plain = extrapolate(SIZES, DIGITS)
    other = extrapolate([times * size for size in SIZES], factor * np.array(DIGITS))
    assert other.law.exponent == pytest.approx(plain.law.exponent, rel=1e-6)
    for one, two in zip(plain.predictions, other.predictions, strict=True):
        assert two.size == times * one.size
        expected = [factor * one.low, factor * one.error, factor * one.high]
        assert [two.low, two.error, two.high] == pytest.approx(expected, rel=1e-4)


@settings(max_examples=15)
@given(sizes=st.permutations(range(5)), seeds=st.permutations(range(3)))
def test_the_order_of_sizes_and_seeds_does_not_matter(sizes, seeds):
    other = extrapolate([SIZES[i] for i in sizes], np.array(DIGITS)[sizes][:, seeds])
    expected = [item.high for item in extrapolate(SIZES, DIGITS).predictions]
    assert [item.high for item in other.predictions] == pytest.approx(expected)


def test_further_away_and_surer_is_wider():
    def width(times, confidence):
        target = [times * SIZES[-1]]
        (item,) = extrapolate(SIZES, DIGITS, targets=target, confidence=confidence).predictions
        return (item.high - item.low) / item.error

    assert width(2, 0.8) < width(4, 0.8) < width(10, 0.8) < width(10, 0.95)


def test_a_poor_fit_makes_the_interval_wider():
    bent = curve(PowerLaw(0.0, 2.0, 0.5), 0.002)
    straight = extrapolate(SIZES, bent).predictions[0]
    bent[1] *= 1.08
    bent[3] *= 0.95
    crooked = extrapolate(SIZES, bent).predictions[0]
    assert crooked.high - crooked.low > 3 * (straight.high - straight.low)


@pytest.mark.parametrize(
    ("sizes", "errors", "reason"),
    [
        (SIZES[:3], DIGITS[:3], "3 sizes are too few"),
        (SIZES, [row[:1] for row in DIGITS], "one seed does not tell"),
        (SIZES, [*DIGITS[:4], [0.0, 0.0, 0.0]], "the error is 0 at size 16000"),
        (SIZES, [[0.1, 0.11]] * 5, "does not fall for sure"),
        (SIZES, DIGITS[::-1], "does not fall for sure"),
        (SIZES, curve(PowerLaw(0.05, 0.4 * 1000**3.5, 3.5), 0.002), "not a power law"),
        (SIZES, curve(PowerLaw(0.05, 0.4, 0.3), 0.1, 2), "does not fall for sure|anything from"),
    ],
)
def test_what_is_not_identified_is_refused(sizes, errors, reason):
    for item in extrapolate(sizes, errors).predictions:
        assert (item.error, item.low, item.high) == (None, None, None)
        assert re.search(reason, item.refusal), item.refusal


def test_a_wide_interval_is_refused_for_the_far_target_alone():
    near, far = extrapolate(SIZES, curve(PowerLaw(0.02, 3.0, 0.6), 0.05, seed=3)).predictions
    assert near.error is not None
    assert near.high - near.low <= WIDEST * 0.035
    assert far.error is None
    assert "take more sizes or seeds" in far.refusal


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": [1000, 1000, 2000, 4000, 8000]}, "sizes must differ"),
        ({"sizes": [0, 1000, 2000, 4000, 8000]}, "sizes must be whole numbers from 1"),
        ({"sizes": [0.5, 1, 2, 4, 8]}, "sizes must be whole numbers"),
        ({"sizes": []}, "sizes must be whole numbers"),
        ({"errors": [0.1] * 5}, r"errors must have shape \(sizes, seeds\) with 5 sizes"),
        ({"errors": [*DIGITS[:4], [0.1, 0.1, -0.1]]}, "errors=-0.1"),
        ({"errors": [*DIGITS[:4], [0.1, 0.1, np.nan]]}, "errors=nan"),
        ({"targets": [16_000]}, "targets must be above the largest size, 16000, got targets=16000"),
        ({"confidence": 1.0}, "confidence=1.0"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ConfigError, match=message):
        extrapolate(**{"sizes": SIZES, "errors": DIGITS, **changes})
