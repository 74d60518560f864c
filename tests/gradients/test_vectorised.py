"""Many points at once give what one at a time gives, and where they can't, nothing breaks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from keras_ext.gradients import adapter, ahead, check_gradients, copies
from keras_ext.gradients.backend.vectorised import Cost


def _model() -> keras.Model:
    hidden = [layers.Dense(12, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((9,)), *hidden, layers.Dense(3)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.fixture
def data(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.standard_normal((6, 9)).astype("float32"), rng.integers(0, 3, 6)


def test_costs_at_once_are_those_one_at_a_time(data) -> None:
    """Masks of dropout and statistics of batch norm included."""
    with copies.computing_in("float64"):
        flat = adapter.flatten(
            _model(), (*data, None), loss=None, training=True, build=None, dtype="float64"
        )
        where = flat.segments[0]
        rows = flat.theta[where] + 0.1 * np.random.default_rng(1).standard_normal((5, 108))
        found = flat.cost.many(flat.theta, where, rows)
        assert found is not None
        for row, cost in zip(rows, found, strict=True):
            moved = flat.theta.copy()
            moved[where] = row
            assert cost == pytest.approx(flat.cost(moved), rel=1e-12)


def test_verdicts_are_those_one_at_a_time(data, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model()
    together = check_gradients(model, *data, method="exhaustive")
    monkeypatch.setattr(ahead, "WORTHWHILE", 10**9)
    alone = check_gradients(model, *data, method="exhaustive")
    assert [row.status for row in together.variables] == [row.status for row in alone.variables]
    assert together.relative_error < 1e-7
    assert alone.relative_error < 1e-7


def _sum(theta: np.ndarray) -> float:
    return float(np.sum(theta))


def _raising(number: int):
    raise NotImplementedError("no rule for this operation")


def _wrong(number: int):
    return lambda theta, rows: np.zeros(len(rows))


@pytest.mark.parametrize("make", [None, _raising, _wrong])
def test_what_cannot_be_done_at_once_says_so(make) -> None:
    cost = Cost(_sum, make, [0, 3], "float64")
    assert cost(np.ones(3)) == 3
    assert cost.many(np.ones(3), slice(0, 3), np.full((4, 3), 2.0)) is None
