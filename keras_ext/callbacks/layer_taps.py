"""Sees the layers of a model at work: what each gives out, how deep it lies, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.callbacks import checks
from keras_ext.errors import ConfigError
from keras_ext.gradients import backend, copies
from keras_ext.regularization import strengths

_ACTIVATION_LAYERS = (
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)


@dataclass
class Call:
    """A call of a layer that has weights or is an activation.

    Args:
        layer: that was called.
        depth: how many layers with weights lie on the way from the input, itself included.
        before: the call whose output this one got as its input, as it was.
        output: whether the model gives out what the layer gave out.
        value, gradient: tensors of shape (examples, ..., units).
    """

    layer: keras.layers.Layer
    depth: int
    before: Call | None
    output: bool = False
    value: Any = None
    gradient: Any = None


def calls(model: keras.Model, x: Any, y: Any) -> list[Call]:
    """Run the model forwards and backwards as ``fit`` does, and leave no trace of it.

    In training mode: batch norm takes the statistics of this batch, dropout is at work. The
    gradient is that of the cost: all compiled losses with their weights, and what layers add.

    Args:
        model: compiled and built; its weights, state and metrics stay as they are.
        x, y: arrays, or structures of arrays, as for ``fit``.

    Returns:
        The calls in their order, with values and gradients.

    Raises:
        ConfigError: when the layers can't be seen at work.
    """
    x, y = copies.copy_data((x, y), keras.config.floatx())
    scale = _loss_scale(model)
    # Filled anew each time that the cost is computed.
    seen: list[Call] = []

    def cost(tap: backend.Tap) -> Any:
        trace = _Trace(tap, x)
        # Penalties look for the values of weights here, and find none elsewhere.
        state = [(variable, variable.value) for variable in model.variables]
        with _watched(model, trace), keras.StatelessScope(state, collect_losses=True):
            y_pred = model(x, training=True)
            trace.mark_outputs(y_pred)
            seen[:] = trace.calls
            return ops.sum(model.compute_loss(x, y, y_pred, None, training=True)) * scale

    try:
        values, gradients = backend.gradients_within(cost)
    except ConfigError:
        raise
    except backend.errors() as error:
        raise ConfigError(
            f"model {model.name!r} can't be run layer by layer on x and y"
            f" ({checks.reason(error)}); y must fit the loss, and no layer may be called inside a"
            " compiled function or a loop"
        ) from error
    if not any(call.depth for call in seen):
        raise ConfigError(
            f"model {model.name!r} has no layer with weights that could be seen at work: are they"
            " called inside a compiled function?"
        )
    for call, value, gradient in zip(seen, values, gradients, strict=True):
        call.value, call.gradient = value, gradient / scale
    return seen


def watched_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that do the work: not models, but what is in them and in layers of the user's.

    Keras's own layers are taken as a whole: what is inside a recurrent one runs in a loop.
    """
    return list(_inside(model, set()))


def kernels(layer: keras.layers.Layer) -> list[Any]:
    """The variables that make it a layer with weights: those with two axes or more."""
    if isinstance(layer, keras.layers.Normalization):
        return []
    own = layer.variables if _is_of_keras(layer) else _own_variables(layer)
    return [variable for variable in own if len(variable.shape) >= 2]


def activation_name(layer: keras.layers.Layer) -> str:
    """The name of the activation function that a layer ends with; "" for none, or an unknown one.

    >>> activation_name(keras.layers.Dense(1, activation="tanh"))
    'tanh'
    """
    if isinstance(layer, keras.layers.ReLU):
        return "leaky_relu" if layer.negative_slope else "relu"
    if isinstance(layer, _ACTIVATION_LAYERS) and not hasattr(layer, "activation"):
        return {"LeakyReLU": "leaky_relu"}.get(type(layer).__name__, type(layer).__name__.lower())
    function = getattr(layer, "activation", None)
    if function is None or isinstance(layer, (keras.layers.RNN, keras.layers.Wrapper)):
        return ""
    if isinstance(function, keras.layers.Layer):
        return activation_name(function)
    return str(getattr(function, "__name__", ""))


def units_last(layer: keras.layers.Layer, value: np.ndarray) -> np.ndarray:
    """The output of a layer with its units, or channels, as last axis."""
    order = getattr(layer, "data_format", None)
    if order is None and isinstance(layer, _ACTIVATION_LAYERS):
        order = keras.config.image_data_format()
    return np.moveaxis(value, 1, -1) if order == "channels_first" and value.ndim > 2 else value


class _Trace:
    """The calls of one pass. Tensors are told apart by identity, and so are kept alive."""

    def __init__(self, tap: backend.Tap, x: Any) -> None:
        self.calls: list[Call] = []
        self._tap = tap
        self._depths: dict[int, int] = {}
        self._makers: dict[int, Call] = {}
        self._kept: list[Any] = []
        self._deepest = 0
        for leaf in keras.tree.flatten(x):
            self._note(leaf, 0)

    def after(self, layer: keras.layers.Layer, inputs: Any, outputs: Any) -> Any:
        """Note a call; returns the outputs to go on with."""
        given = [leaf for leaf in keras.tree.flatten(inputs) if keras.ops.is_tensor(leaf)]
        depth = self._depth(given)
        weighty = bool(kernels(layer))
        if weighty or isinstance(layer, _ACTIVATION_LAYERS):
            before = self._makers.get(id(given[0])) if len(given) == 1 else None
            call = Call(layer, depth + weighty, before)
            outputs = self._tapped(call, outputs)
        for leaf in keras.tree.flatten(outputs):
            if id(leaf) not in self._depths:
                self._note(leaf, depth + weighty)
        return outputs

    def mark_outputs(self, y_pred: Any) -> None:
        """Mark the calls that made the predictions; without any, the deepest ones."""
        last = [self._makers.get(id(leaf)) for leaf in keras.tree.flatten(y_pred)]
        made = [call for call in last if call is not None]
        made = made or [call for call in self.calls if call.depth == self._deepest]
        for call in made:
            call.output = True
            # The layer before an activation that gives out the prediction.
            while call.before is not None and call.before.depth == call.depth:
                call = call.before
                call.output = True

    def _depth(self, given: list[Any]) -> int:
        """That of the deepest input; of a tensor from elsewhere, what was reached so far."""
        known = [self._depths[id(leaf)] for leaf in given if id(leaf) in self._depths]
        return max(known) if known else self._deepest

    def _tapped(self, call: Call, outputs: Any) -> Any:
        leaves = keras.tree.flatten(outputs)
        for place, leaf in enumerate(leaves):
            if keras.ops.is_tensor(leaf) and keras.backend.is_float_dtype(leaf.dtype):
                leaves[place] = self._tap(leaf)
                self.calls.append(call)
                self._makers[id(leaves[place])] = call
                self._depths.pop(id(leaves[place]), None)
                break
        return keras.tree.pack_sequence_as(outputs, leaves)

    def _note(self, leaf: Any, depth: int) -> None:
        self._kept.append(leaf)
        self._depths[id(leaf)] = depth
        self._deepest = max(self._deepest, depth)


@contextmanager
def _watched(model: keras.Model, trace: _Trace) -> Iterator[None]:
    """Let the trace see every call, for as long as it lasts."""
    layers = watched_layers(model)
    try:
        for layer in layers:
            # Beside Keras's own setattr, which would track it as a part of the layer.
            vars(layer)["call"] = _seen(layer, layer.call, trace)
        yield
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


def _seen(layer: keras.layers.Layer, call: Callable[..., Any], trace: _Trace) -> Any:
    def seen(*args: Any, **kwargs: Any) -> Any:
        return trace.after(layer, (args, kwargs), call(*args, **kwargs))

    return seen


def _inside(parent: keras.layers.Layer, done: set[int]) -> Iterator[keras.layers.Layer]:
    for layer in strengths.children(parent):
        if id(layer) in done:
            continue
        done.add(id(layer))
        if not isinstance(layer, (keras.Model, keras.layers.InputLayer)):
            yield layer
        if isinstance(layer, keras.Model) or not _is_of_keras(layer):
            yield from _inside(layer, done)


def _is_of_keras(layer: keras.layers.Layer) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def _own_variables(layer: keras.layers.Layer) -> list[Any]:
    """Those of a layer of the user's, without those of the layers inside it."""
    inner = {id(variable) for child in strengths.children(layer) for variable in child.variables}
    return [variable for variable in layer.variables if id(variable) not in inner]


def _loss_scale(model: keras.Model) -> float:
    """What the optimizer multiplies the cost by, so that half precision can hold the gradients."""
    optimizer = getattr(model, "optimizer", None)
    return 1.0 if optimizer is None else float(optimizer.scale_loss(1.0))
