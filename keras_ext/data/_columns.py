"""What a split goes by: a group or a time for each example, none of them missing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from keras_ext.errors import ConfigError, DataError


def column(examples: int, name: str, values: Any) -> np.ndarray | None:
    """The values as an array of shape (examples,), times in text or of Python as datetime64.

    Args:
        examples: how many there are.
        name: "groups" or "time".
        values: for each example one; None for none at all.

    Raises:
        ConfigError: for another number of values, or values of another kind.
        DataError: naming the example whose value is missing.
    """
    if values is None:
        return None
    found = np.asarray(values)
    if found.shape != (examples,):
        raise ConfigError(
            f"{name} must have one value for each of {examples:,} examples, got {name} of shape "
            f"{found.shape}"
        )
    if name == "time" and found.dtype.kind in "OSU":
        found = _times(found)
    if found.dtype.kind not in ("iufM" if name == "time" else "iufMSU"):
        wanted = "numbers or dates" if name == "time" else "whole numbers or text"
        raise ConfigError(f"{name} must be {wanted}, got {name} of {found.dtype}")
    missing = np.flatnonzero(found != found)  # NaN and NaT alone differ from themselves
    if missing.size:
        raise DataError(f"{name} is missing for example {missing[0]}")
    return found


def _times(values: np.ndarray) -> np.ndarray:
    """Python's dates and times, or text, as datetime64 in UTC where they have a zone.

    >>> str(_times(np.array(["2024-05-31", "2024-05-31T12:00"]))[1])
    '2024-05-31T12:00:00.000000'
    """
    found, zones = np.empty(len(values), "datetime64[us]"), set()
    for row, value in enumerate(values.tolist()):
        if value is None or value != value:
            found[row] = np.datetime64("NaT")
            continue
        when = _time(value, row)
        zones.add(when.tzinfo is not None)
        found[row] = when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)
    if len(zones) > 1:
        raise ConfigError("time must be with a zone for all examples or for none, got both")
    return found


def _time(value: Any, row: int) -> datetime:
    try:
        if isinstance(value, (str, bytes)):
            value = datetime.fromisoformat(value if isinstance(value, str) else value.decode())
    except ValueError:
        pass
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise ConfigError(
        "time must be numbers, dates of Python, datetime64 or text in ISO 8601 such as "
        f"'2024-05-31T12:00', got {value!r} for example {row}"
    )
