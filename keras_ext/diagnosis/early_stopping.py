"""What conventional early stopping would have done, told from the values that it monitors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class EarlyStop:
    """Where ``keras.callbacks.EarlyStopping`` ends a run.

    Args:
        stopped_epoch: after which it stops; None while it goes on.
        kept_epoch: whose weights it brings back with ``restore_best_weights=True``; None before
            the first value.
    """

    stopped_epoch: int | None
    kept_epoch: int | None


def early_stop(values: Sequence[float], *, patience: int, first_epoch: int = 0) -> EarlyStop:
    """Follow Keras's EarlyStopping (``mode="min"``, ``min_delta=0``) to the letter.

    That includes its flaw: a first value that is NaN becomes the best, and nothing is ever better.

    Args:
        values: what is monitored, one an epoch.
        patience: epochs without improvement after which it stops.
        first_epoch: the number of the first value's epoch.

    >>> early_stop([0.5, 0.3, 0.4, 0.35, 0.2], patience=2)
    EarlyStop(stopped_epoch=3, kept_epoch=1)
    """
    best, kept, wait = None, None, 0
    for epoch, value in enumerate(values, start=first_epoch):
        wait += 1
        if best is None or value < best:
            best, kept, wait = value, epoch, 0
        elif wait >= patience and epoch > 0:
            return EarlyStop(epoch, kept)
    return EarlyStop(None, kept)
