"""Since when, by how much, and what to turn; chance alone is no overfitting."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keras_ext.diagnosis.overfitting import Look, look, overfitting

INF = math.inf


def looks(values: list[float], width: float = 0.01) -> list[Look]:
    """As a callback would make them, with intervals of a given half-width."""
    rows, best = [], INF
    for epoch, value in enumerate(values):
        above = value - best
        row = Look(epoch, value, above, above - width, above + width)
        if value < best:
            row, best = Look(epoch, value, 0.0, 0.0, 0.0), value
        rows.append(row)
    return rows


def test_a_run_above_the_best_is_named_with_its_begin():
    rows = looks([0.5, 0.2, 0.205, 0.22, 0.24, 0.25])
    found = overfitting(rows, patience=3, knobs={"dropout": 0.1, "l2": 0.0})
    assert (found.present, found.since, found.best_epoch, found.best) == (True, 3, 1, 0.2)
    assert (found.above, found.low, found.high) == pytest.approx((0.05, 0.04, 0.06))
    assert [item.knob for item in found.remedies][:2] == ["dropout", "l2"]
    assert not overfitting(rows, patience=4).present


def test_a_break_starts_the_run_anew():
    found = overfitting(looks([0.2, 0.25, 0.25, 0.205, 0.25]), patience=2)
    assert (found.since, found.present) == (4, False)
    found = overfitting(looks([0.2, 0.25, 0.25, 0.205]), patience=2)
    assert (found.since, found.present) == (None, False)


def test_a_new_best_ends_it():
    found = overfitting(looks([0.2, 0.25, 0.25, 0.1]), patience=2)
    assert (found.since, found.best_epoch, found.above) == (None, 3, 0.0)


def test_what_is_not_finite_is_above_the_best_and_never_the_best():
    rows = [look(0, None, None, looks=1), look(1, np.array([0.0, np.inf]), None, looks=2)]
    assert [row.value for row in rows] == [INF, INF]
    found = overfitting(rows, patience=2)
    assert (found.best_epoch, found.best, found.present) == (None, INF, True)
    rows.append(look(2, np.array([0.0, 1.0]), None, looks=3))
    assert overfitting(rows).best_epoch == 2


def test_nothing_is_measured_yet():
    found = overfitting([])
    assert (found.present, found.since, found.best_epoch) == (False, None, None)


def test_with_measurements_far_apart_epochs_count_not_measurements():
    rows = [Look(epoch, 0.25, 0.05, 0.04, 0.06) for epoch in (5, 10, 15)]
    rows.insert(0, Look(0, 0.2, 0.0, 0.0, 0.0))
    assert overfitting(rows, patience=11).present
    assert not overfitting(rows, patience=12).present


def test_the_interval_widens_with_the_number_of_looks(rng):
    best, now = rng.random(500), rng.random(500)
    few, many = look(3, now, best, looks=4), look(3, now, best, looks=400)
    if few.above > 0:
        assert many.low < few.low
        assert many.high > few.high
    else:
        assert few.low == 0


@pytest.mark.parametrize("patience", [3, 5])
def test_chance_alone_is_seldom_taken_for_overfitting(patience, rng):
    """Errors of the same size in every epoch, each epoch on its own, over 40 epochs."""
    false = 0
    for _ in range(100):
        rows, best = [], None
        for epoch in range(40):
            now = (rng.random(1000) < 0.1).astype(float)
            rows.append(look(epoch, now, best, looks=epoch + 1))
            if rows[-1].above == 0:
                best = now
            if overfitting(rows, patience=patience).present:
                false += 1
                break
    assert false <= 5


def test_a_real_rise_is_found(rng):
    wrong = (rng.random(5000) < 0.08).astype(float)
    rows = [look(0, wrong, None, looks=1)]
    for epoch in range(1, 12):
        now = np.where(rng.random(5000) < 0.002 * epoch, 1.0, wrong)
        rows.append(look(epoch, now, wrong, looks=epoch + 1))
    found = overfitting(rows, patience=5)
    assert found.present
    assert found.since <= 4
    assert found.low < 0.02 < found.high
