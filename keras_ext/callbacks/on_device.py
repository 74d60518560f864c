"""Examples that are measured again and again, copied to the accelerator once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import keras
import numpy as np

from keras_ext import accelerator
from keras_ext.callbacks.examples import filled_batches


class OnDevice:
    """Keeps on the accelerator what is measured, so that it crosses the bus once.

    Plain arrays of numbers are kept, together up to ``accelerator.DEVICE_BYTES``. Everything else
    is given back as it came: without an accelerator, structures of arrays, arrays on disk. An array
    is known by its identity, not by its numbers: what is changed in place must be forgotten.

    Predictions come back to the host, where errors are counted; those for the loss go up again.

    >>> masked = np.ma.masked_array([0, 1], [False, True])
    >>> OnDevice().labels(masked, "float32") is masked
    True
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Hashable], tuple[np.ndarray, list[Any]]] = {}

    def batches(self, x: Any, size: int) -> Iterable[Any]:
        """Those of ``examples.filled_batches``, on the accelerator where they have room."""
        return self._parts(x, size, filled_batches(x, size))

    def labels(self, y: np.ndarray, dtype: str) -> Any:
        """All labels as one tensor on the accelerator, or as they are.

        Args:
            y: array of shape (examples, ...).
            dtype: that the loss takes.
        """
        (tensor,) = self._parts(y, dtype, [y], dtype)
        return tensor

    def forget(self) -> None:
        """Make room on the accelerator."""
        self._kept = {}

    def _parts(
        self, array: Any, how: Hashable, parts: Iterable[Any], dtype: str | None = None
    ) -> Iterable[Any]:
        key = id(array), how
        if key not in self._kept:
            if not self._takes(array):
                return parts
            self._kept[key] = array, [put(part, dtype) for part in parts]
        return self._kept[key][1]

    def _takes(self, array: Any) -> bool:
        """A subclass of an array may mean something else, as a masked one does."""
        if type(array) not in (np.ndarray, np.memmap) or array.dtype.kind not in "biuf":
            return False
        if array.dtype == "float64" and "mps" in accelerator.device():  # Apple's has none.
            return False
        kept = sum(other.nbytes for other, _ in self._kept.values())
        return kept + array.nbytes <= accelerator.DEVICE_BYTES and accelerator.on_accelerator()


def put(part: np.ndarray, dtype: str | None = None) -> Any:
    """A copy where Keras puts new tensors, of the dtype in which the backend would take it."""
    return keras.ops.convert_to_tensor(part, dtype=dtype)


def takes_tensors(model: Any) -> bool:
    """Whether a model makes of tensors what it makes of arrays, and leaves the tensors as they are.

    Not one with a way of its own to predict a batch. Keras notes masks on tensors themselves: on
    those that go in, where a layer of one's own gives them out again.

    >>> takes_tensors(keras.Sequential([keras.layers.Dense(1)]))
    True
    """
    if getattr(type(model), "predict_on_batch", None) is not keras.Model.predict_on_batch:
        return False
    layers = model._flatten_layers(include_self=False)
    return all(type(layer).compute_mask.__module__.startswith("keras.") for layer in layers)
