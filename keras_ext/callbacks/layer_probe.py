"""How a model's signals run through its layers, on one batch of examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import layer_taps
from keras_ext.callbacks.layer_taps import Call
from keras_ext.diagnosis import layer_record
from keras_ext.diagnosis.layer_health import LayerHealthReport, judge_layers
from keras_ext.diagnosis.layer_record import LayerRecord
from keras_ext.gradients import adapter

_RELU = ("relu", "relu6")
_SIGMOID = ("tanh", "sigmoid")

# Layers whose kernel has a known fan-in: all axes but the last.
_WITH_FAN_IN = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
)


def layer_health(model: keras.Model, x: Any, y: Any) -> LayerHealthReport:
    """One forward and backward pass: what each layer makes of the signal, and a verdict.

    In training mode and with the model's compiled loss, see ``LayerHealth``. Weights, optimizer,
    metrics and random state stay bit for bit as they are.

    Args:
        model: compiled and built; Sequential, functional or subclassed, with models in it as it
            may be. Of several outputs the cost is the sum of their losses, as in ``fit``.
        x: the inputs, an array of shape (examples, ...) or a structure of arrays.
        y: the labels, likewise.

    Returns:
        The verdict with its reasons, and a record for each layer with weights or an activation.

    Raises:
        ConfigError: for a model without loss or weights, data that doesn't fit, or layers that are
            called where they can't be seen (inside a compiled function or a loop).

    >>> keras.utils.set_random_seed(0)
    >>> stack = [keras.layers.Dense(64, activation="relu") for _ in range(20)]
    >>> model = keras.Sequential([keras.Input((64,)), *stack, keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(128, 64))
    >>> report = layer_health(model, x, x[:, 0])
    >>> report.verdict, round(report.activation_factor, 1)
    ('vanishing', 0.7)
    >>> report.initializations[0].suited_initializer
    'he_normal'
    """
    adapter.check_model(model, None)
    adapter.check_data(x, y, None)
    return measure(model, x, y)


def measure(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    gains: Sequence[float | None] | None = None,
    updates: Sequence[float | None] | None = None,
) -> LayerHealthReport:
    """The same, for a model and data that were checked.

    Args:
        gains: of the initial weights of each of the watched layers, see ``initial_gains``.
        updates: the update ratio of each of them.
    """
    gains = initial_gains(model) if gains is None else gains
    places = {id(layer): n for n, layer in enumerate(layer_taps.watched_layers(model))}
    calls = layer_taps.calls(model, x, y)
    # What a layer feeds, if that is an activation without weights.
    fed = {id(c.before): c for c in calls if c.before is not None and c.before.depth == c.depth}
    names: Counter[str] = Counter()
    records = []
    for call in calls:
        place, name = places[id(call.layer)], call.layer.name
        names[name] += 1
        records.append(
            _record(
                call,
                name=name if names[name] == 1 else f"{name} (call {names[name]})",
                activation=fed.get(id(call)),
                gain=gains[place],
                update_ratio=updates[place] if updates else None,
            )
        )
        call.value = call.gradient = None
    return judge_layers(records)


def snapshot(model: keras.Model) -> list[np.ndarray | None]:
    """All kernels of each watched layer in one flat array; None for those without."""
    found: list[np.ndarray | None] = []
    for layer in layer_taps.watched_layers(model):
        kernels = [_numpy(kernel).ravel() for kernel in layer_taps.kernels(layer)]
        found.append(np.concatenate(kernels) if kernels else None)
    return found


def initial_gains(model: keras.Model) -> list[float | None]:
    """Variance of the initial kernel times fan-in of each watched layer; None where not known.

    Measured on the kernels as they are while the optimizer hasn't made a step. Later on the
    initializer draws again: one of Keras draws the same from its seed, and changes nothing by it.
    """
    optimizer = getattr(model, "optimizer", None)
    trained = optimizer is not None and int(optimizer.iterations) > 0
    gains: list[float | None] = []
    for layer in layer_taps.watched_layers(model):
        kernel = None
        if isinstance(layer, _WITH_FAN_IN) and layer.built:
            kernel = _initial_kernel(layer) if trained else _numpy(layer.kernel)
        fan_in = 0 if kernel is None else int(np.prod(kernel.shape[:-1]))
        gains.append(None if kernel is None else float(np.var(kernel, dtype="float64")) * fan_in)
    return gains


def _initial_kernel(layer: Any) -> np.ndarray | None:
    initializer = layer.kernel_initializer
    if type(initializer).__module__.partition(".")[0] != "keras":
        return None
    with keras.StatelessScope():
        return _numpy(initializer(tuple(layer.kernel.shape), dtype="float32"))


def _record(
    call: Call,
    *,
    name: str,
    activation: Call | None,
    gain: float | None,
    update_ratio: float | None,
) -> LayerRecord:
    layer, own = call.layer, layer_taps.activation_name(call.layer)
    value = layer_taps.units_last(layer, _numpy(call.value))
    then = own if activation is None else layer_taps.activation_name(activation.layer)
    return LayerRecord(
        name=name,
        depth=call.depth,
        activation=then if own == "linear" else own,
        output=call.output,
        units=value.shape[-1] if value.ndim > 1 else 1,
        size=int(np.prod(value.shape[1:])),
        activation_rms=layer_record.rms(value),
        gradient_rms=layer_record.rms(_numpy(call.gradient)),
        dead_share=layer_record.dead_share(value) if own in _RELU else None,
        saturated_share=layer_record.saturated_share(value, own) if own in _SIGMOID else None,
        update_ratio=update_ratio,
        initializer=None if gain is None else _initializer_name(layer),
        gain=gain,
        count=0 if gain is None else int(np.prod(layer.kernel.shape)),
    )


def _initializer_name(layer: Any) -> str:
    """As Keras takes it: "glorot_uniform" for GlorotUniform."""
    initializer = layer.kernel_initializer
    name = getattr(initializer, "__name__", type(initializer).__name__)
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _numpy(value: Any) -> np.ndarray:
    """A copy of a tensor or variable, in single precision unless it is in double."""
    value = keras.ops.convert_to_tensor(value)
    if keras.backend.standardize_dtype(value.dtype) != "float64":
        value = keras.ops.cast(value, "float32")
    return np.array(keras.ops.convert_to_numpy(value))
