"""Dropout, augmentation and early stopping, in quick mode: what mathematics fixes, with margins."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module

import numpy as np
import pytest

from keras_ext import data
from keras_ext.chart_records import Panel
from keras_ext.claim_records import Finding
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Arrays
from keras_ext.reports.figures import chart
from recipes.article import augmentation, dropout
from recipes.article.copies import EXAMPLES, VERSIONS
from recipes.article.effort import Effort
from recipes.article.reasons import why_not
from recipes.article.trained import wrong

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
NAMES = ("dropout", "augmentation", "early_stopping")


@cache
def found(name: str) -> Finding:
    """What an experiment finds in quick mode."""
    finding: Finding = import_module(f"recipes.article.{name}").experiment(Effort("quick"))
    return finding


def panels(finding: Finding) -> Iterator[Panel]:
    for picture in finding.charts:
        yield from picture.panels


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_axes_and_intervals_and_is_drawn_on_a_phone(name):
    finding = found(name)
    assert finding.charts
    for picture in finding.charts:
        assert "95 % interval" in picture.caption
        for width in (4.3, 9.6):
            assert len(chart(picture, width=width).axes) == len(picture.panels)
    for panel in panels(finding):
        assert panel.x_label
        assert panel.y_label
        banded = [line for line in panel.lines if line.low]
        assert banded
        for line in banded:
            assert all(np.less_equal(line.low, line.y))
            assert all(np.less_equal(line.y, line.high))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_have_intervals_and_the_verdict_follows_from_the_rules(name):
    finding = found(name)
    for number in finding.numbers:
        assert number.low is not None
        assert number.high is not None
        assert number.seeds == 3
        assert number.low <= number.value <= number.high
    held = [rule.held for rule in finding.rules]
    assert (finding.verdict == "held") == all(held)
    assert (finding.verdict == "did not hold here") == (not any(held))


def test_augmented_images_are_shown_beside_their_originals():
    (pictures,) = found("augmentation").pictures
    originals, versions = pictures.arrays()
    assert len(originals) == EXAMPLES
    assert versions.shape[:2] == (EXAMPLES, VERSIONS)
    assert min(np.ptp(image) for image in originals) > 50
    assert all(
        np.any(version != original)
        for original, row in zip(originals, versions, strict=True)
        for version in row
    )


def test_the_cost_falls_at_every_iteration_until_dropout_is_on():
    values = found("dropout").values
    assert values["step"] < -1e-4
    assert values["rises"] > 0.1
    assert found("dropout").rules[0].held


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_does_nothing_at_inference_and_keeps_the_mean_in_training(rate):
    moved, mean = dropout.in_training_and_not(rate, seed=1)
    assert moved == 0
    # The standard deviation of 0 or 1 / keep_prob is the root of rate / (1 - rate).
    assert abs(mean - 1) < 4 * np.sqrt(rate / (1 - rate) / dropout.DRAWN)
    assert mean != 1


def test_how_many_inputs_carry_a_unit():
    import keras

    one, all_alike = np.zeros((8, 2)), np.full((8, 2), -0.3)
    one[3] = 2.0
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8), keras.layers.Dense(2)])
    for kernel, expected in ((one, 1.0), (all_alike, 8.0)):
        model.layers[1].kernel.assign(kernel)
        assert dropout.carrying(model) == pytest.approx(expected)


def test_early_stopping_is_the_beginning_of_the_run_without_it():
    values = found("early_stopping").values
    assert values["apart"] == pytest.approx(0, abs=1e-6)
    assert values["above"] > 0.1


def test_why_an_interval_is_not_above_0_depends_on_the_mean():
    assert why_not(over_seeds([-0.1, -0.2]), "too few passes") == "too few passes"
    assert "2 seeds" in why_not(over_seeds([-0.1, 0.2]), "too few passes")


def test_wrong_answers_are_counted_over_all_chunks():
    import keras

    one_hot = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1]]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    arrays = Arrays(one_hot, np.array([0, 1, 2, 1, 2], "int32"))
    assert wrong(model, arrays, chunk=2) == pytest.approx(2 / 5)


def test_copies_stand_behind_their_originals_and_are_changed():
    digits = data.sample(data.load("mnist").part("test"), 12, seed=0)
    both: Arrays = augmentation.with_copies(digits, augmentation.WAYS["mnist"], seed=0)
    assert both.x.shape == (24, 28, 28, 1)
    assert both.x.dtype == np.uint8
    assert np.array_equal(both.x[:12], digits.x)
    assert np.array_equal(both.y, np.tile(digits.y, 2))
    changed = (both.x[12:] != digits.x).reshape(12, -1).any(axis=1)
    assert changed.all()


def test_the_page_says_which_images_and_leaves_digits_unflipped():
    setup = found("augmentation").setup
    assert ("CIFAR-10, with flips" in setup) or ("MNIST" in setup and "without flips" in setup)
    assert augmentation.WAYS["mnist"].flip is None
