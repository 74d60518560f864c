"""The files of a run that hold its result."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from keras_ext.files import atomic_write
from keras_ext.records import RunResult
from keras_ext.reports.html import write_report


def write_result_folder(result: RunResult, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write ``result.json`` and ``report.html`` into a folder, which is made if it is missing.

    The numbers come first: they are there even when a package for the page is not.

    Returns:
        The paths of both, in this order.

    Raises:
        OutputError: naming the file that can't be written.
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    numbers = write_json(result, Path(directory) / "result.json")
    return numbers, write_report(result, Path(directory) / "report.html")


def write_json(result: RunResult, path: str | os.PathLike[str]) -> Path:
    """Write all numbers of a run; the fields are described in ``SCHEMA.md``.

    Raises:
        OutputError: naming ``path``, when it can't be written.
    """
    values = standard(result.to_dict())
    return atomic_write(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def standard(value: Any) -> Any:
    """The value with None for numbers that JSON does not have.

    >>> standard({"cost": [0.5, float("nan"), float("inf")]})
    {'cost': [0.5, None, None]}
    """
    if isinstance(value, Mapping):
        return {key: standard(item) for key, item in value.items()}
    if isinstance(value, list):
        return [standard(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
