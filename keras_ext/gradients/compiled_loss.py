"""The loss of a model, computing in another precision, and watching the labels it gets."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import keras

from keras_ext.gradients import backend, labels


@dataclass
class Watched:
    """A loss, and the labels that it will be called with.

    Args:
        loss: a function or a ``keras.losses.Loss``, or Keras's name for one that goes
            by the shape of the labels.
        y: the labels as they were given, or None where their structure isn't that of the losses.
    """

    loss: Any
    y: Any = None

    def chosen(self, y_true: Any, y_pred: Any) -> Any:
        """The loss itself."""
        if not labels.goes_by_shape(self.loss):
            return self.loss
        return labels.by_shape(tuple(y_true.shape), tuple(y_pred.shape))

    def see(self, y_true: Any, y_pred: Any) -> None:
        """Refuse labels that don't fit the outputs, before the loss is computed.

        A class number out of range passes unseen on some backends; in PyTorch on a GPU it ends all
        computing of the process. Where ``y`` isn't known, what the loss gets is looked at, if its
        numbers can be read.
        """
        if hasattr(y_true, "shape") and hasattr(y_pred, "shape"):
            outputs, loss = tuple(y_pred.shape), self.chosen(y_true, y_pred)
            labels.check_shape(loss, tuple(y_true.shape), outputs)
            y = y_true if self.y is None and backend.has_numbers(y_true) else self.y
            if y is not None and outputs:
                labels.check_classes(loss, y, outputs)


def compile_copy(copy: keras.Model, model: keras.Model, loss: Any, dtype: str, y: Any) -> bool:
    """Compile the copy with the loss, or structure of losses, computing in ``dtype``.

    Args:
        copy: what to compile.
        model: whose loss and weights of losses are taken where ``loss`` is None.
        loss: all that ``compile(loss=...)`` takes.
        y: the labels, which are checked where their structure is that of the losses.

    Returns:
        Whether there is a loss that takes labels and can be watched.
    """
    weights = None
    if loss is None:
        # The public get_compile_config would serialize the optimizer and all metrics as well.
        loss = model.loss
        weights = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if isinstance(loss, dict) and "class_name" in loss:
        loss = keras.losses.get(loss)
    every = [_watched(one) for one in keras.tree.flatten(loss)]
    parts = [_in_dtype(one, dtype) if isinstance(one, Watched) else one for one in every]
    leaves = keras.tree.flatten(y)
    rows = isinstance(loss, (list, tuple)) and isinstance(y, (list, tuple))
    if len(leaves) == len(every) and (len(every) == 1 or rows or type(loss) is type(y)):
        for one, leaf in zip(every, leaves, strict=True):
            if isinstance(one, Watched):
                one.y = leaf
    copy.compile(
        optimizer=None,
        loss=_packed(loss, parts),
        loss_weights=weights,
        jit_compile=False,
    )
    return any(isinstance(one, Watched) for one in every)


def _packed(loss: Any, parts: list[Any]) -> Any:
    """The parts in the structure of the loss."""
    return keras.tree.pack_sequence_as(loss, parts) if keras.tree.is_nested(loss) else parts[0]


class _Loss(keras.losses.Loss):
    """A loss object is bound to its own dtype: this one computes it in another."""

    def __init__(self, watched: Watched, dtype: str) -> None:
        loss = watched.loss
        super().__init__(name=loss.name, reduction=loss.reduction, dtype=dtype)
        self._watched = watched

    def call(self, y_true: Any, y_pred: Any) -> Any:
        self._watched.see(y_true, y_pred)
        return self._watched.loss.call(y_true, y_pred)


def _watched(loss: Any) -> Any:
    """The loss to watch, or as it is where it can't be: it does the whole of the work itself."""
    if labels.goes_by_shape(loss):
        return Watched(loss)
    loss = keras.losses.get(loss)
    if loss is None:
        return None
    base = keras.losses.Loss
    own = isinstance(loss, base) and type(loss).__call__ is not base.__call__
    return loss if own else Watched(loss)


def _in_dtype(watched: Watched, dtype: str) -> Any:
    if isinstance(watched.loss, keras.losses.Loss):
        return _Loss(watched, dtype)

    def seen(y_true: Any, y_pred: Any) -> Any:
        watched.see(y_true, y_pred)
        return watched.chosen(y_true, y_pred)(y_true, y_pred)

    return functools.wraps(watched.loss)(seen) if callable(watched.loss) else seen
