"""Losses and penalties written by hand, with a term of their gradient wrong."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tests.gradients.proof.planting import REGISTER, pretend

STOP = ops.stop_gradient


@REGISTER
class HandLoss(keras.losses.Loss):
    """Cross-entropy, focal loss or log-cosh of the outputs, which are logits or values."""

    FAULTS = (
        "labels forgotten",
        "normalisation forgotten",
        "mean over the classes",
        "focus detached",
        "focus's sign",
        "log-cosh: square",
        "log-cosh: sign",
    )

    def __init__(self, kind: str, fault: str = "", name: str = "hand_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.kind, self.fault = kind, fault

    def call(self, y_true: Any, y_pred: Any) -> Any:
        right = self.compute(y_true, y_pred, "")
        return pretend(right, self.compute(y_true, y_pred, self.fault)) if self.fault else right

    def compute(self, y_true: Any, y_pred: Any, fault: str) -> Any:
        if self.kind == "log-cosh":
            off = y_pred - y_true
            term = ops.square(off) if fault == "log-cosh: square" else ops.softplus(2 * off) - off
            return ops.mean(-term if fault == "log-cosh: sign" else term, axis=-1)
        normal = ops.logsumexp(y_pred, axis=-1, keepdims=True)
        normal = STOP(normal) if fault == "normalisation forgotten" else normal
        chosen = STOP(y_pred) if fault == "labels forgotten" else y_pred
        surprise = -ops.sum(y_true * (chosen - normal), axis=-1)
        if self.kind == "cross-entropy":
            return surprise / 5 if fault == "mean over the classes" else surprise
        focus = ops.square(1 - ops.exp(-surprise))
        focus = STOP(focus) if fault == "focus detached" else focus
        return (STOP(2 * focus) - focus if fault == "focus's sign" else focus) * surprise

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kind": self.kind, "fault": self.fault}


LOSSES = tuple(
    ("log-cosh" if "cosh" in fault else "focal" if "focus" in fault else "cross-entropy", fault)
    for fault in HandLoss.FAULTS
)


@REGISTER
class Penalty(keras.regularizers.Regularizer):
    """A penalty on a kernel: squares, a smooth absolute value, or columns not orthogonal."""

    FAULTS = ("squares forgotten", "squares halved", "smooth sign", "orthogonality detached")

    def __init__(self, fault: str = "", kind: str = "squares") -> None:
        self.fault, self.kind = fault, kind

    def __call__(self, kernel: Any) -> Any:
        right = self.compute(kernel)
        wrong = {
            "squares forgotten": 0 * right,
            "squares halved": right / 2,
            "smooth sign": -right,
            "orthogonality detached": right - right / 4,
        }
        return pretend(right, wrong[self.fault]) if self.fault else right

    def compute(self, kernel: Any) -> Any:
        if self.kind == "squares":
            return 0.01 * ops.sum(ops.square(kernel))
        if self.kind == "smooth":
            return 0.01 * ops.sum(ops.sqrt(ops.square(kernel) + 0.01))
        return 0.01 * ops.sum(ops.square(ops.matmul(ops.transpose(kernel), kernel)))

    def get_config(self) -> dict[str, Any]:
        return {"fault": self.fault, "kind": self.kind}


PENALTIES = tuple(
    (fault, fault.partition(" ")[0].replace("orthogonality", "orthogonal"))
    for fault in Penalty.FAULTS
)
