"""Shifts that are there are found, and none where there is none, at the stated level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keras_ext.data import Arrays, DistributionReport, load, same_distribution
from keras_ext.data._domains import chi_square_tail, tell_apart
from keras_ext.errors import ConfigError, DataError


def table(rng: np.random.Generator, count: int, shift: float = 0.0, scale: float = 1.0) -> Arrays:
    x = rng.normal(size=(count, 8))
    x[:, 3] = x[:, 3] * scale + shift
    return Arrays(x, (rng.random(count) < 0.5).astype(int), "table", ("no", "yes"))


@pytest.fixture(scope="module")
def digits() -> Arrays:
    """Ten thousand of MNIST's training images, so that all are of one distribution."""
    arrays = load("mnist").part("train")
    rows = np.random.default_rng(0).permutation(len(arrays))[:10_000]
    return arrays.take(rows)


def halves(arrays: Arrays, size: int, seed: int = 0) -> tuple[Arrays, Arrays]:
    rows = np.random.default_rng(seed).permutation(len(arrays))
    return arrays.take(rows[:size]), arrays.take(rows[size : 2 * size])


def by_name(report: DistributionReport) -> dict[str, Any]:
    return {test.name: test for test in report.tests}


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 10, 999, 2000])
def test_the_tail_of_chi_square(freedom: int) -> None:
    chi2 = pytest.importorskip("scipy.stats").chi2
    for statistic in (0.01, 1, freedom / 2, freedom, 1.2 * freedom, freedom + 30):
        expected = chi2.sf(statistic, freedom)
        assert chi_square_tail(statistic, freedom) == pytest.approx(expected, rel=1e-9)
    assert chi_square_tail(0, freedom) == 1


def test_scores_are_those_of_a_ridge_regression_fold_by_fold(rng: np.random.Generator) -> None:
    columns = rng.normal(size=(60, 3)).astype(np.float32)
    columns[30:, 0] += 2
    accuracy, p_value, scores = tell_apart(columns, seed=0)
    z = (columns - columns.mean(0)) / columns.std(0)
    z = np.concatenate([z, (z**2 - (z**2).mean(0)) / (z**2).std(0)], axis=1)
    sides = np.repeat([-1.0, 1.0], 30)
    from keras_ext.data._seeding import Stream, permutation

    fold = permutation(60, Stream.COMPARISON, 0, 200) % 5
    for number in range(5):
        a, b = z[fold != number], sides[fold != number]
        weights = np.linalg.lstsq(
            np.concatenate([a, np.sqrt(6) * np.eye(6)]), np.concatenate([b, np.zeros(6)])
        )[0]
        assert np.allclose(scores[fold == number], z[fold == number] @ weights, atol=1e-4)
    assert accuracy == np.mean((scores > 0) == (sides > 0))
    assert 0.65 < accuracy < 0.95
    assert p_value <= 0.025


def test_no_difference_is_claimed_where_there_is_none(rng: np.random.Generator) -> None:
    report = same_distribution(table(rng, 500), table(rng, 700))
    assert report.same
    assert report.summary().startswith("one distribution, as far as can be seen\nlabels do not")
    assert all(0 < test.p_value <= 1 for test in report.tests)


@pytest.mark.parametrize(("shift", "scale"), [(0.7, 1.0), (0.0, 2.0)])
def test_a_feature_that_moves_or_widens(
    rng: np.random.Generator, shift: float, scale: float
) -> None:
    report = same_distribution(table(rng, 500), table(rng, 700, shift, scale))
    assert not report.same
    found = by_name(report)
    assert found["examples"].differs
    assert not found["labels"].differs
    if shift:
        assert report.features[0].name == "feature 3"
        assert report.features[0].effect == pytest.approx(0.66, abs=0.12)
        assert report.features[0].second == pytest.approx(0.7, abs=0.15)


def test_values_that_are_missing_in_one_part_only(rng: np.random.Generator) -> None:
    first, second = table(rng, 300), table(rng, 300)
    second.x[rng.random(300) < 0.4, 5] = np.nan
    report = same_distribution(first, second)
    assert not report.same
    assert report.features[0].name == "feature 5 missing"
    assert np.isfinite(report.features[0].effect)


@pytest.mark.slow
def test_large_data_do_not_cry_wolf(rng: np.random.Generator) -> None:
    """A hundredth of the labels differ: significant in a million, and too little to matter."""
    parts = [
        Arrays(rng.normal(size=(10**6, 1)), (rng.random(10**6) < share).astype(int))
        for share in (0.5, 0.51)
    ]
    report = same_distribution(*parts)
    labels = by_name(report)["labels"]
    assert labels.p_value < 1e-9
    assert labels.effect == pytest.approx(0.01, abs=0.002)
    assert report.same
    assert "too little to matter" in labels.message
    assert not same_distribution(*parts, smallest_effect=0.005).same


def test_values_for_regression_and_rare_classes(rng: np.random.Generator) -> None:
    x = rng.normal(size=(600, 2))
    values = rng.normal(size=600)
    same = same_distribution(Arrays(x[:300], values[:300]), Arrays(x[300:], values[300:]))
    assert same.same
    moved = same_distribution(Arrays(x[:300], values[:300]), Arrays(x[300:], values[300:] + 1))
    assert [test.name for test in moved.tests if test.differs] == ["labels"]
    labels = np.where(np.arange(600) % 300 < 3, np.arange(600), 0)  # six classes of one example
    rare = same_distribution(Arrays(x[:300], labels[:300]), Arrays(x[300:], labels[300:]))
    assert by_name(rare)["labels"].p_value > 0.5
    wide = same_distribution(
        Arrays(x[:300], np.zeros((300, 2))), Arrays(x[300:], np.zeros((300, 2)))
    )
    assert [test.name for test in wide.tests] == ["examples"]


@pytest.mark.slow
def test_very_many_features(rng: np.random.Generator) -> None:
    x = rng.normal(size=(200, 1500))
    y = np.zeros(200, int)
    assert same_distribution(Arrays(x[:100], y[:100]), Arrays(x[100:], y[100:])).same
    x[100:] += 0.3
    assert not same_distribution(Arrays(x[:100], y[:100]), Arrays(x[100:], y[100:])).same


def test_brightness_is_named(digits: Arrays) -> None:
    first, second = halves(digits, 1000)
    brighter = np.clip(second.x.astype(int) + 15, 0, 255).astype(np.uint8)
    report = same_distribution(first, Arrays(brighter, second.y, "d", second.classes))
    assert by_name(report)["examples"].effect > 0.9
    assert not by_name(report)["labels"].differs
    brightness = next(shift for shift in report.features if shift.name == "brightness")
    assert brightness.second - brightness.first == pytest.approx(14.9, abs=1.5)
    assert "brightness: 33" in report.summary()


def test_another_class_balance_is_named(digits: Arrays) -> None:
    first, second = halves(digits, 1500)
    rows = np.flatnonzero((second.y != 7) | (np.arange(1500) % 3 == 0))
    report = same_distribution(first, second.take(rows))
    assert by_name(report)["labels"].differs
    assert "most label 7: 11.6% and 4.0%" in by_name(report)["labels"].message


def test_rotated_images_are_found_and_the_strangest_named(digits: Arrays) -> None:
    first, second = halves(digits, 1000)
    x = second.x.copy()
    x[:500] = np.rot90(x[:500], axes=(1, 2))
    report = same_distribution(first, Arrays(x, second.y, "d", second.classes))
    assert not report.same
    assert all(row < 500 for row in report.rows)
    assert len(report.rows) == 5


@pytest.mark.slow
def test_false_alarms_stay_at_their_level() -> None:
    """200 random splits of real digits; 5 % of 200 makes 19 or fewer with a chance of 0.997."""
    arrays = load("mnist").part("train")
    arrays = Arrays(arrays.x[:, 4:24:2, 4:24:2], arrays.y)
    claims, tails = 0, []
    for seed in range(200):
        first, second = halves(arrays, 250, seed)
        report = same_distribution(first, second, smallest_effect=0.0, seed=seed)
        claims += not report.same
        tails.append([test.p_value for test in report.tests])
    assert claims <= 19
    for p_values in np.array(tails).T:
        assert 0.4 < np.mean(p_values) < 0.6
        assert np.mean(p_values <= 0.1) < 0.17


@pytest.mark.slow
@pytest.mark.parametrize("degrees", [5, 10, 20])
def test_a_rotation_by_some_degrees_is_found(digits: Arrays, degrees: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    first, second = halves(digits, 1000)
    x = ndimage.rotate(second.x, degrees, axes=(1, 2), reshape=False, order=1)
    report = same_distribution(first, Arrays(x, second.y, "d", second.classes))
    assert by_name(report)["examples"].differs


def test_what_cannot_be_compared(rng: np.random.Generator) -> None:
    part = table(rng, 50)
    with pytest.raises(DataError, match=r"shape \(8,\) can't be compared with \(7,\)"):
        same_distribution(part, Arrays(part.x[:, :7], part.y))
    with pytest.raises(DataError, match="takes 20 examples of each part, got 19"):
        same_distribution(part, part.take(slice(0, 19)))
    with pytest.raises(ConfigError, match=r"significance must be a share .* significance=1\.5"):
        same_distribution(part, part, significance=1.5)
    with pytest.raises(ConfigError, match="seed=-1"):
        same_distribution(part, part, seed=-1)
