"""Which epoch it is, told to batches by the fit that they feed."""

from __future__ import annotations

from typing import Any

import keras


class EpochNumber(keras.callbacks.Callback):
    """Gives batches the number of each epoch as it begins.

    Batches count their passes by themselves, but on JAX, PyTorch and under MirroredStrategy Keras
    reads a first batch only to build a model, which counts as a pass, too.

    Args:
        batches: of ``training_batches``, with ``set_epoch``.
        first: the number for epoch 0 of the fit.
    """

    async_safe = True

    def __init__(self, batches: Any, *, first: int = 0) -> None:
        super().__init__()
        self.batches = batches
        self.first = first

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Say which number the pass that follows has."""
        self.batches.set_epoch(self.first + epoch)
