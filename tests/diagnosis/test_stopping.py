"""The report in words."""

from __future__ import annotations

from dataclasses import replace

from keras_ext.diagnosis import StoppingReport, convergence
from keras_ext.diagnosis.overfitting import Look, overfitting
from keras_ext.diagnosis.stopping import Conventional, Moment, Turn

LOOKS = [Look(0, 0.2, 0.0, 0.0, 0.0), *[Look(n, 0.25, 0.05, 0.04, 0.06) for n in range(1, 8)]]

REPORT = StoppingReport(
    stopped=True,
    convergence=convergence([2.0, 0.5, *[0.3] * 8]),
    overfitting=overfitting(LOOKS, patience=5, knobs={"dropout": 0.1}),
    kept=Moment(7, 0.3, 0.8, 0.25),
    turns=(Turn(5, "dropout", 0.0, 0.1), Turn(6, "l2", (0.0, 0.001), (0.0001, 0.003))),
    conventional=Conventional(5, Moment(0, 2.0, 1.0, 0.2), -1.7, (0.05, 0.04, 0.06)),
    monitor="error",
    patience=5,
)


def test_both_axes_are_told():
    assert REPORT.summary().splitlines() == [
        "optimization: converged, stopped; the cost has not fallen for 5 epochs",
        "kept: epoch 8, training cost 0.3, validation error 0.25, validation cost 0.8",
        "generalization: since epoch 2 the validation error has been significantly above its best,"
        " 0.2 in epoch 1, now by 0.05 [0.04, 0.06]; turn first: dropout 0.1 -> 0.2: regularize"
        " more: a higher dropout rate",
        "turned after epoch 6: dropout 0 -> 0.1",
        "turned after epoch 7: l2 (0, 0.001) -> (0.0001, 0.003)",
        "early stopping (validation error, patience 5) would have stopped in epoch 6 and kept epoch"
        " 1, training cost 2, validation error 0.2, validation cost 1; ours: training cost -1.7 and"
        " validation error +0.05 [0.04, 0.06]",
    ]


def test_what_is_unknown_is_left_out():
    other = replace(REPORT.conventional, stopped_epoch=None, error_difference=None)
    text = replace(REPORT, conventional=other, turns=(), monitor="cost").summary()
    assert "would have gone on and kept epoch 1" in text
    assert text.endswith("ours: training cost -1.7")
    assert "the validation cost has been significantly above" in text
    assert "early stopping" not in replace(REPORT, conventional=None).summary()


def test_a_run_without_overfitting_or_finite_errors():
    fine = replace(REPORT, overfitting=overfitting(LOOKS[:1])).summary()
    assert "the validation error is not significantly above its best, 0.2 in epoch 1" in fine
    none = replace(REPORT, overfitting=overfitting([]), stopped=False).summary()
    assert "the validation error was never finite" in none
    assert "not stopped" in none
