"""What the figures show is what the records say."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from keras_ext.records import Mistakes
from keras_ext.reports import figures


def line(axes: Any, label: str) -> Any:
    """The line of this name."""
    return next(item for item in axes.lines if item.get_label() == label)


def words(axes: Any) -> list[str]:
    """All that is written onto the axes."""
    return [item.get_text() for item in axes.texts]


class TestLearningCurves:
    def test_lines_and_bands(self, samples: ModuleType) -> None:
        history = samples.sample_result().history
        axes = figures.learning_curves(history, optimal_error=0.002).axes[0]
        for split, band in zip(("train", "validation"), axes.collections, strict=True):
            shown = line(axes, split)
            assert list(shown.get_xdata()) == [1, 2, 3, 4, 5, 6]
            assert list(shown.get_ydata()) == [row[f"{split}_error"] for row in history]
            corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
            for row in history:
                assert (row["epoch"] + 1, row[f"{split}_low"]) in corners
                assert (row["epoch"] + 1, row[f"{split}_high"]) in corners
        assert set(line(axes, "optimal").get_ydata()) == {0.002}

    def test_the_train_validation_error_stands_between(self) -> None:
        errors = {"train_error": 0.1, "train_validation_error": 0.15, "validation_error": 0.3}
        history = [{"epoch": epoch, **errors} for epoch in range(2)]
        axes = figures.learning_curves(history).axes[0]
        labels = [item.get_label() for item in axes.lines]
        assert labels == ["train", "train-validation", "validation"]
        assert list(line(axes, "train-validation").get_ydata()) == [0.15, 0.15]

    def test_only_measured_epochs_are_marked(self) -> None:
        history = [
            {
                "epoch": e,
                "train_error": 0.1,
                "validation_error": 0.2,
                "measured_epoch": 2 * (e // 2),
            }
            for e in range(5)
        ]
        axes = figures.learning_curves(history).axes[0]
        assert list(line(axes, "validation").get_xdata()) == [1, 3, 5]

    def test_values_that_are_not_finite_leave_a_hole(self) -> None:
        errors = [0.3, inf, nan, 0.1]
        history = [
            {"epoch": e, "train_error": error, "validation_error": 0.4, "train_high": error}
            for e, error in enumerate(errors)
        ]
        axes = figures.learning_curves(history).axes[0]
        assert np.isnan(line(axes, "train").get_ydata()).tolist() == [False, True, True, False]
        assert np.isfinite(axes.get_ylim()).all()

    @pytest.mark.parametrize(
        ("errors", "scale"),
        [((0.02, 0.01), "linear"), ((0.5, 0.01), "log"), ((0.5, 0.01, 0.0), "symlog")],
    )
    def test_scale_by_the_range_of_errors(self, errors: tuple[float, ...], scale: str) -> None:
        history = [
            {"epoch": e, "train_error": error, "validation_error": error}
            for e, error in enumerate(errors)
        ]
        axes = figures.learning_curves(history).axes[0]
        assert axes.get_yscale() == scale
        low, high = axes.get_ylim()
        assert low <= min(errors) <= max(errors) <= high
        assert (0.0 in axes.get_yticks()) == (scale != "log")

    @pytest.mark.parametrize(("proportion", "shown"), [(True, "5 %"), (False, "0.05")])
    def test_unit(self, proportion: bool, shown: str) -> None:
        history = [{"epoch": 0, "train_error": 0.05, "validation_error": 0.06}]
        axes = figures.learning_curves(history, proportion=proportion).axes[0]
        assert axes.yaxis.get_major_formatter()(0.05, 0) == shown

    def test_a_single_epoch(self, samples: ModuleType) -> None:
        (row,) = samples.history(0.015, 0.028, 1)
        axes = figures.learning_curves([row], optimal_error=0.002).axes[0]
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1.0]
        stems = {
            tuple(stem[:, 1]) for item in axes.collections[1::2] for stem in item.get_segments()
        }
        assert stems == {
            (row[f"{split}_low"], row[f"{split}_high"]) for split in ("train", "validation")
        }
        assert axes.get_ylim()[0] < 0.002

    def test_all_errors_are_zero(self) -> None:
        history = [{"epoch": 0, "train_error": 0.0, "validation_error": 0.0}]
        assert figures.learning_curves(history).axes[0].get_ylim() == (0.0, 1.0)


class TestIterationCosts:
    def test_every_iteration_is_there(self) -> None:
        axes = figures.iteration_costs([[2.0, 1.0, nan], [1.5]]).axes[0]
        shown = line(axes, "each mini-batch")
        assert list(shown.get_xdata()) == [1, 2, 3, 4]
        assert np.array_equal(shown.get_ydata(), [2.0, 1.0, nan, 1.5], equal_nan=True)
        assert words(axes) == ["epoch 1", "epoch 2"]


class TestRoundBars:
    def test_bars_are_stairs_to_the_validation_error(self, samples: ModuleType) -> None:
        rounds = samples.sample_result().rounds
        axes = figures.round_bars(rounds).axes[0]
        bars = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
        triples = [bars[first : first + 3] for first in range(0, len(bars), 3)]
        for item, (floor, bias, variance) in zip(rounds, triples, strict=True):
            assert floor == (0.0, 0.002)
            assert sum(bias) == pytest.approx(item.train.error)
            assert bias[0] == 0.002
            assert variance[0] == item.train.error
            assert sum(variance) == pytest.approx(item.validation.error)

    def test_whiskers_are_the_intervals(self, samples: ModuleType) -> None:
        (first, *_) = samples.sample_result().rounds
        axes = figures.round_bars([first]).axes[0]
        spans = {tuple(item.get_xdata()) for item in axes.lines}
        bias, variance = first.diagnosis.avoidable_bias, first.diagnosis.variance
        assert (0.002 + bias.low, 0.002 + bias.high) in spans
        assert (first.train.error + variance.low, first.train.error + variance.high) in spans

    def test_the_knob_stands_between_the_rounds(self, samples: ModuleType) -> None:
        axes = figures.round_bars(samples.sample_result().rounds).axes[0]
        titles = {item.get_text(): item.xy[1] for item in axes.texts}
        assert titles["Round 2 · augmentation magnitude 0 → 0.25 · kept"] == pytest.approx(4.2)
        assert "Round 3 · dropout rate 0 → 0.1 · discarded" in titles
        above = axes.patches[2].get_y() + axes.patches[2].get_height()
        assert above < 4.2 < axes.patches[3].get_y()

    def test_verdict_decides_the_shade(self, samples: ModuleType) -> None:
        rounds = samples.sample_result().rounds
        axes = figures.round_bars(rounds).axes[0]
        shades = [bar.get_alpha() for bar in axes.patches]
        gaps = [
            gap
            for item in rounds
            for gap in (item.diagnosis.avoidable_bias, item.diagnosis.variance)
        ]
        found = {
            gap.verdict: shade
            for gap, shade in zip(gaps, [s for i, s in enumerate(shades) if i % 3], strict=True)
        }
        assert found["present"] > found["inconclusive"] > found["absent"]

    def test_words_fit_into_the_figure(self, samples: ModuleType) -> None:
        rounds = samples.sample_result().rounds
        rates = (0.1, 0.25, 0.35, 0.5)
        rounds = (*rounds, replace(rounds[2], before=rates, after=rates))
        for width in (4.3, 9.6):
            figure = figures.round_bars(rounds, width=width)
            figure.draw_without_rendering()
            right = figure.bbox.x1
            assert all(item.get_window_extent().x1 <= right for item in figure.axes[0].texts)

    def test_hostile_knob(self, samples: ModuleType) -> None:
        item = replace(samples.sample_result().rounds[1], knob="$\\frac{$", after="$x_{$")
        figure = figures.round_bars([item])
        figure.draw_without_rendering()
        assert any("frac{" in item.get_text() for item in figure.axes[0].texts)


class TestConfusion:
    def test_only_errors_are_numbered(self, samples: ModuleType) -> None:
        found = samples.mistakes()
        axes = figures.confusion(found).axes[0]
        shown = {(item.xy[1], item.xy[0]): int(item.get_text()) for item in axes.texts}
        assert shown == samples.CONFUSED
        assert axes.yaxis_inverted()
        assert [item.get_text() for item in axes.get_xticklabels()] == list(found.classes)

    def test_more_is_darker(self) -> None:
        axes = figures.confusion(Mistakes(((0, 9), (1, 0)), (), ("a", "b"))).axes[0]
        shades = {item.get_xy(): item.get_alpha() for item in axes.patches if item.get_width() < 1}
        assert shades[(0.53, -0.47)] > shades[(-0.47, 0.53)] > 0

    def test_many_classes_stay_readable(self) -> None:
        count = 200
        matrix = np.eye(count, k=1, dtype=int)
        names = tuple(f"class number {number}" for number in range(count))
        axes = figures.confusion(Mistakes(tuple(map(tuple, matrix.tolist())), (), names)).axes[0]
        assert not axes.texts
        assert len(axes.get_xticks()) <= 50

    def test_nothing_wrong(self) -> None:
        axes = figures.confusion(Mistakes(((5, 0), (0, 5)), (), ("a", "b"))).axes[0]
        assert not axes.texts
