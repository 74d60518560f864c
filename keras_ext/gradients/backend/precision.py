"""Double precision where a backend can be asked for it; what a cost raises; what can be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let float64 be float64, for as long as it lasts.

    jax cuts float64 down to float32 unless asked not to. Keras does the same on every backend but
    TensorFlow in its rules of type promotion, and has no public switch for it: where this one is
    gone, the check measures single precision and says so.
    """
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            stack.enter_context(_jax_double())
        capped = _capped()
        stack.callback(capped.update, dict(capped))
        capped["float64"] = "float64"
        yield


def _capped() -> dict[str, str]:
    try:
        from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE
    except ImportError:
        return {}
    return BIT64_TO_BIT32_DTYPE


def _jax_double() -> AbstractContextManager[Any]:
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax import experimental  # Before jax 0.8.

    return experimental.enable_x64()


def errors() -> tuple[type[Exception], ...]:
    """What a cost raises that doesn't fit its data or its precision."""
    common = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    if keras.backend.backend() != "tensorflow":
        return common
    import tensorflow as tf

    return (*common, tf.errors.OpError)


def has_numbers(tensor: Any) -> bool:
    """Whether the numbers of a tensor or array can be read: not of one that is traced.

    >>> has_numbers(keras.ops.ones(3))
    True
    """
    if keras.backend.backend() == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    return hasattr(tensor, "numpy") or isinstance(tensor, np.ndarray)
