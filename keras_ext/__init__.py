"""Measure the two errors of a Keras model, name the one that hurts, turn the one knob that helps.

Each room is a module of its own and is loaded when it is first used, so that ``import keras_ext``
is quick and imports neither Keras nor a backend:

>>> import keras_ext
>>> round(keras_ext.diagnosis.ErrorEstimate.from_values([0, 0, 1, 0]).error, 2)
0.25
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_ext import (
        callbacks,
        data,
        diagnosis,
        errors,
        gradients,
        models,
        records,
        regularization,
        reports,
        training,
        tuning,
    )

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "callbacks",
    "data",
    "diagnosis",
    "errors",
    "gradients",
    "models",
    "records",
    "regularization",
    "reports",
    "training",
    "tuning",
]


def __getattr__(name: str) -> ModuleType:
    """Load a room when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return __all__
