"""Packages of optional extras, imported when a function first needs them."""

from __future__ import annotations

import importlib
from typing import Any

from keras_ext.errors import MissingExtraError


def require(module: str, *, extra: str, package: str | None = None) -> Any:
    """The imported module.

    Args:
        module: what to import.
        extra: the extra of keras-ext that brings it.
        package: its name for pip, where that differs from the module's.

    Raises:
        MissingExtraError: when it, or a package that it needs, isn't installed.

    >>> require("math", extra="none").floor(2.5)
    2
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or module).partition(".")[0]
        name = package if package and missing == module.partition(".")[0] else missing
        raise MissingExtraError(name, extra=extra) from error
