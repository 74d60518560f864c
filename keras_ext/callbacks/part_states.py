"""The state of callbacks and data: how each kind gives it away and takes it back."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Sized
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks.progress import Progress
from keras_ext.errors import ConfigError
from keras_ext.files import atomic_write

_callbacks = keras.callbacks

_MONITOR = ("monitor_op", "min_delta")

# Attributes that are the state of Keras's callbacks, and those that follow from it or from the fit.
_ATTRIBUTES: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    _callbacks.EarlyStopping: (
        ("wait", "stopped_epoch", "best", "best_weights", "best_epoch"),
        _MONITOR,
    ),
    _callbacks.ReduceLROnPlateau: (("best", "wait", "cooldown_counter"), _MONITOR),
    _callbacks.ModelCheckpoint: (
        ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
        (*_MONITOR, "_current_epoch"),
    ),
    _callbacks.SwapEMAWeights: (("_ema_weights_in_model",), ()),
    _callbacks.TensorBoard: (
        ("_global_train_batch", "_global_test_batch"),
        (),
    ),
}

# What they have is for the screen, or is kept by TrainingState itself.
_NOTHING_TO_KEEP = (
    _callbacks.History,
    _callbacks.LearningRateScheduler,
    _callbacks.ProgbarLogger,
    _callbacks.RemoteMonitor,
    _callbacks.TerminateOnNaN,
    Progress,
)


def check_callbacks(callbacks: Any) -> Any:
    """The callbacks, if they are a list of such and none is in the way; else ConfigError."""
    listed = isinstance(callbacks, (list, tuple))
    if not listed or not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
        raise ConfigError(f"callbacks must be a list of callbacks, got callbacks={callbacks!r}")
    if any(isinstance(part, keras.callbacks.BackupAndRestore) for part in callbacks):
        raise ConfigError(
            "callbacks must not have a BackupAndRestore, which sets the weights back as well, "
            f"got callbacks={callbacks!r}"
        )
    return callbacks


def get_state(part: Any) -> Any:
    """The state of a callback, a generator of random numbers or an object that tells it."""
    if has_methods(part):
        return part.get_state()
    if isinstance(part, _callbacks.CSVLogger):
        return {"keys": part.keys, "content": _content(part.filename)}
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    if isinstance(part, random.Random):
        return part.getstate()
    return {name: getattr(part, name) for name in _names(part)}


def set_state(part: Any, state: Any) -> None:
    """Take up a state that ``get_state`` returned for a part of the same kind."""
    if has_methods(part):
        part.set_state(state)
    elif isinstance(part, _callbacks.CSVLogger):
        _append_to(part, state)
    elif isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    elif isinstance(part, random.Random):
        part.setstate(state)
    else:
        for name in _names(part):
            setattr(part, name, state[name])


def collect(parts: list[Any]) -> list[dict[str, Any]]:
    """The state of each part that has one to be kept, under the name of its class."""
    return [{type(part).__name__: get_state(part)} for part in parts if can_be_kept(part)]


def differences(kept: list[dict[str, Any]], parts: list[Any], name: str) -> list[str]:
    """What doesn't fit between the states that were kept and the parts of now."""
    saved = [kind for state in kept for kind in state]
    now = [type(part).__name__ for part in parts if can_be_kept(part)]
    if saved == now:
        return []
    return [f"{name} with state were {', '.join(saved) or 'none'}, now {', '.join(now) or 'none'}"]


def distribute(kept: list[dict[str, Any]], parts: list[Any]) -> None:
    """Give each part its state back; ``differences`` has been asked before."""
    stateful = [part for part in parts if can_be_kept(part)]
    for part, state in zip(stateful, kept, strict=True):
        set_state(part, state[type(part).__name__])


def has_methods(part: Any) -> bool:
    """Whether it gives away and takes back its state itself."""
    return all(callable(getattr(part, name, None)) for name in ("get_state", "set_state"))


def can_be_kept(part: Any) -> bool:
    """Whether ``get_state`` has an answer."""
    kinds = (_callbacks.CSVLogger, np.random.Generator, random.Random, *_ATTRIBUTES)
    return has_methods(part) or isinstance(part, kinds)


def can_follow(part: Any) -> bool:
    """Whether it can serve as data: its state can be kept, or it can be told the epoch."""
    return callable(getattr(part, "set_epoch", None)) or can_be_kept(part)


def signature(part: Any) -> dict[str, Any]:
    """What can be seen to change of the attributes that ``get_state`` doesn't give away."""
    if has_methods(part) or type(part) in _ATTRIBUTES or isinstance(part, _CARED_FOR):
        return {}
    skipped = {"params", "_model"}
    for kind, names in _ATTRIBUTES.items():
        if isinstance(part, kind):
            skipped.update(*names)
    return {name: _seen(value) for name, value in vars(part).items() if name not in skipped}


_CARED_FOR = (*_NOTHING_TO_KEEP, _callbacks.CSVLogger)


def _seen(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    return type(value), len(value) if isinstance(value, Sized) else id(value)


def _names(part: Any) -> tuple[str, ...]:
    found = (names for kind, (names, _) in _ATTRIBUTES.items() if isinstance(part, kind))
    return next(found, ())


def _content(path: str) -> np.ndarray | None:
    return np.fromfile(path, np.uint8) if os.path.exists(path) else None


def _append_to(logger: Any, state: Any) -> None:
    """Put back the rows of the epochs that count, and write the next ones after them.

    By now the logger has emptied the file, or has rows in it of an epoch that is trained again.
    """
    if state["content"] is None:
        return
    logger.csv_file.close()
    atomic_write(logger.filename, state["content"].tobytes())
    logger.csv_file = open(logger.filename, "a")  # noqa: SIM115
    logger.keys = state["keys"]
    # A logger that has its writer writes no header.
    names = ["epoch", *state["keys"]]
    logger.writer = csv.DictWriter(logger.csv_file, fieldnames=names, delimiter=logger.sep)
