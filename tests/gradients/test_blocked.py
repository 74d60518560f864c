"""Weights that no gradient reaches, and the operation that lets none through."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_ext.gradients import check_gradients
from keras_ext.gradients.blocked import Trace, blockers, step


def test_a_way_around_lets_the_gradient_through() -> None:
    steps = (
        step("Round", ["w"], ["a"], ["a"]),
        step("mul", ["w"], ["b"], ["b"]),
        step("add", ["a", "b"], ["c"], ["c"]),
    )
    assert blockers(Trace(steps, ("w",), "c"), 0) == ()


def test_each_dead_end_on_the_way_is_named_and_no_other() -> None:
    steps = (
        step("argmax", ["w"], ["a"], []),
        step("sign", ["w"], ["unused"], ["unused"]),
        step("shape", ["w"], ["s"], []),
        step("detach", ["w"], ["b"], ["b"]),
        step("take", ["v", "a", "b", "s"], ["c"], ["c"]),
    )
    trace = Trace(steps, ("w", "v", "other"), "c")
    assert [found.name for found in blockers(trace, 0)] == ["argmax", "stop_gradient"]
    assert blockers(trace, 1) == ()
    assert blockers(trace, 2) is None


class Steps(layers.Layer):
    """Does to its input what ``kind`` says."""

    def __init__(self, kind: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def call(self, x):
        if self.kind == "argmax":
            return ops.cast(ops.argmax(x, axis=-1, keepdims=True), x.dtype)
        return getattr(ops, self.kind)(x)


@pytest.mark.parametrize("kind", ["round", "argmax", "stop_gradient"])
def test_the_operation_is_named(kind: str, batch) -> None:
    model = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4), Steps(kind, name="steps"), layers.Dense(3)]
    )
    model.compile(loss="mse")
    report = check_gradients(model, batch[0], np.ones((6, 3)))
    kernel, bias, *after = report.variables
    assert {row.status for row in (kernel, bias)} == {
        "wrong" if kind == "stop_gradient" else "untested"
    }
    assert kernel.reason.startswith(f"no gradient comes through {kind}")
    assert ("in layer 'steps'" in kernel.reason) == (keras.backend.backend() != "torch")
    assert [row.status for row in after] == ["ok", "ok"]
    assert [row.reason for row in after] == ["", ""]
    assert "fit will not train this weight" in str(report)


def test_a_weight_that_the_cost_does_not_depend_on_is_disconnected(batch) -> None:
    inputs = keras.Input((5,))
    model = keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(2, name="idle")(inputs)])
    model.compile(loss=["mse", None])
    report = check_gradients(model, batch[0], [np.ones((6, 3)), np.ones((6, 2))])
    assert [row.status for row in report.variables] == ["ok", "ok", "untested", "untested"]
    assert all("disconnected" in row.reason for row in report.variables[2:])
    assert report.ok
    assert "idle/kernel" in report.advice[-1]
