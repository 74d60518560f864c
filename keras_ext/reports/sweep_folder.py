"""The files of a sweep that hold its result."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keras_ext.files import atomic_write
from keras_ext.reports.folder import standard
from keras_ext.reports.sweep_page import write_sweep_report
from keras_ext.sweep_records import SweepResult


def write_sweep_folder(result: SweepResult, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write ``sweep.json`` and ``report.html`` into a folder, which is made if it is missing.

    Returns:
        The paths of both, in this order.

    Raises:
        OutputError: naming the file that can't be written.
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    text = json.dumps(standard(result.to_dict()), indent=1, allow_nan=False) + "\n"
    numbers = atomic_write(Path(directory) / "sweep.json", text)
    return numbers, write_sweep_report(result, Path(directory) / "report.html")
