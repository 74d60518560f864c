"""Random examples that fit a model, for a check where no data is at hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients.labels import random_labels
from keras_ext.gradients.remaking import layers_of

LENGTH = 8
"""Of an axis that the model leaves open, such as time."""


def random_inputs(model: keras.Model, count: int, rng: np.random.Generator) -> Any:
    """Inputs in the model's structure: normal floats, and whole numbers that it has a place for.

    Args:
        model: with known inputs.
        count: examples.
        rng: draws them.

    Raises:
        ConfigError: for a model whose inputs aren't known, or aren't numbers.
    """
    sizes = [a.input_dim for a in layers_of(model) if isinstance(a, keras.layers.Embedding)]

    def draw(spec: Any) -> np.ndarray:
        shape = (spec.shape[0] or count, *(side or LENGTH for side in spec.shape[1:]))
        dtype = keras.backend.standardize_dtype(spec.dtype)
        if keras.backend.is_float_dtype(dtype):
            return rng.standard_normal(shape).astype("float32")
        if dtype == "bool":
            return rng.integers(0, 2, shape).astype(bool)
        if "int" not in dtype:
            raise ConfigError(f"input {spec.name!r} takes {dtype}, no numbers: give data")
        most = min(sizes) if sizes else (256 if dtype == "uint8" else 2)
        return rng.integers(0, most, shape).astype(dtype)

    return keras.tree.map_structure(draw, input_specs(model))


def input_specs(model: keras.Model) -> Any:
    """What stands for the inputs, in the structure that the model is called with.

    Raises:
        ConfigError: for a model whose inputs aren't known.
    """
    inputs = getattr(model, "_inputs_struct", None) or getattr(model, "inputs", None)
    if not inputs:
        raise ConfigError(f"the inputs of {model.name!r} aren't known: give data")
    return inputs[0] if isinstance(inputs, list) and len(inputs) == 1 else inputs


def labels_for(model: keras.Model, x: Any, loss: Any, rng: np.random.Generator) -> Any:
    """Labels in the structure of the model's outputs, None where an output has no loss.

    Args:
        model: built.
        x: its inputs.
        loss: as ``compile`` takes it.
        rng: draws them.
    """
    with keras.StatelessScope():
        outputs = model(x, training=False)
    names = getattr(model, "output_names", None) or []
    leaves = keras.tree.flatten(outputs)
    losses = _by_output(loss, outputs, names)
    labels = [
        None if one is None else random_labels(one, tuple(leaf.shape), rng)
        for one, leaf in zip(losses, leaves, strict=True)
    ]
    return keras.tree.pack_sequence_as(outputs, labels) if len(labels) > 1 else labels[0]


def _by_output(loss: Any, outputs: Any, names: list[str]) -> list[Any]:
    """The loss of each leaf of the outputs."""
    count = len(keras.tree.flatten(outputs))
    if isinstance(loss, dict) and "class_name" not in loss:
        keys = list(outputs) if isinstance(outputs, dict) else names
        keys = sorted(keys) if isinstance(outputs, dict) else keys
        return [loss.get(key) for key in keys]
    if isinstance(loss, list | tuple):
        return list(loss)
    return [loss] * count
