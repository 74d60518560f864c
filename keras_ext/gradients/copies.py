"""Copies of a model and its data in the precision of the check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.gradients import backend, random_state
from keras_ext.gradients.remaking import layers_of, of_keras, remade

ROUND_OFF = 1e-3
ALIKE = 0.1
"""Outputs of a model and its copy may differ by round-off, even of 8 bits and at many steps."""


@contextmanager
def computing_in(dtype: str) -> Iterator[None]:
    """Let everything that is made inside compute in ``dtype``, and leave no global state changed.

    Losses, constants and layers without a dtype of their own follow Keras's ``floatx`` and dtype
    policy; new layers draw seeds and weights from the global random generators.
    """
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    drawn = random_state.capture()
    try:
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        with ExitStack() as stack:
            if dtype == "float64":
                stack.enter_context(backend.double_precision())
            yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
        random_state.restore(drawn)


def copy_model(
    model: keras.Model, dtype: str, build: Callable[[], keras.Model] | None, inputs: Any
) -> keras.Model:
    """The model anew, with every layer computing in ``dtype`` and the same state.

    Args:
        model: a built model; only read.
        dtype: "float64" or "float32".
        build: makes the model; None rebuilds it from its config.
        inputs: for a first call, where ``build`` gives a model without weights.

    Raises:
        ConfigError: naming the layer that can't be rebuilt from its config; or when what was made
            is another model, by its weights or by its outputs.
    """
    copy = remade(model, dtype) if build is None else build()
    source = f"the config of {model.name!r}" if build is None else "build"
    if not isinstance(copy, keras.Model):
        raise ConfigError(f"build must make a keras.Model, got {copy!r}")
    if copy is model:
        raise ConfigError("build must make a new model, got the one that is checked")
    if not copy.built:
        copy(inputs)
    pairs = list(zip(model.variables, copy.variables, strict=False))
    shapes = [tuple(variable.shape) for variable in model.variables]
    if shapes != [tuple(variable.shape) for variable in copy.variables]:
        raise ConfigError(
            f"{source} makes another model than {model.name!r}: "
            f"{len(copy.variables)} variables of other shapes than its {len(shapes)}; check build="
        )
    for old, new in pairs:
        new.assign(np.array(keras.ops.convert_to_numpy(old.value)))
        new.trainable = old.trainable
    for layer in layers_of(copy):
        if hasattr(layer, "use_cudnn"):
            # What cuDNN computes of recurrent layers on a GPU has no gradient in double precision.
            layer.use_cudnn = False
        if isinstance(layer, keras.layers.Normalization):
            # It computes with tensors made from its weights, not with the weights.
            layer.finalize_state()
    if build is not None or not all(of_keras(type(layer)) for layer in layers_of(model)):
        _check_alike(model, copy, inputs, source)
    return copy


def copy_data(data: Any, dtype: str) -> Any:
    """Arrays as tensors: floats in ``dtype``, all others as they are."""

    def convert(array: Any) -> Any:
        if array is None:
            return None
        if keras.ops.is_tensor(array):
            array = keras.ops.convert_to_numpy(array)
        array = np.asarray(array)
        array = array.astype(dtype) if array.dtype.kind == "f" else array
        return keras.ops.convert_to_tensor(array)

    return keras.tree.map_structure(convert, data)


def _check_alike(model: keras.Model, copy: keras.Model, inputs: Any, source: str) -> None:
    """Refuse a copy that gives other outputs, as one with a forgotten argument does.

    In inference mode; models that draw random numbers there can't be compared.
    """
    mine, others = _outputs(model, inputs), _outputs(copy, inputs)
    worst = max((_distance(*pair) for pair in zip(mine, others, strict=False)), default=0.0)
    worst = worst if len(mine) == len(others) else 1.0
    if worst <= ALIKE or _draws(model, inputs, mine):
        return
    raise ConfigError(
        f"{source} makes a model with the same weights but other outputs than {model.name!r} "
        f"(they differ by {worst:.0%}): an argument is missing from get_config, or build= makes "
        "another model"
    )


def _outputs(
    model: keras.Model, inputs: Any, state: list[tuple[Any, Any]] | None = None
) -> list[np.ndarray]:
    """Float outputs in inference mode, without a trace."""
    with keras.StatelessScope(state or []):
        leaves = keras.tree.flatten(model(inputs, training=False))
    arrays = [np.asarray(keras.ops.convert_to_numpy(keras.ops.stop_gradient(a))) for a in leaves]
    return [array.astype("float64") for array in arrays if array.dtype.kind not in "iub"]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Relative; 0 where it can't be told because a number isn't finite."""
    if one.shape != other.shape:
        return 1.0
    size = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)))
    distance = float(np.linalg.norm(one - other)) / size if size > 0 else 0.0
    return distance if np.isfinite(distance) else 0.0


def _draws(model: keras.Model, inputs: Any, outputs: list[np.ndarray]) -> bool:
    """Whether other seeds give other outputs in inference mode."""
    seeds = [variable for variable in model.variables if "seed_generator" in variable.path]
    again = _outputs(model, inputs, [(seed, seed.value + 1) for seed in seeds])
    return any(_distance(*pair) > ROUND_OFF for pair in zip(outputs, again, strict=True))
