"""A state in one file: nested plain values and arrays, with a checksum and without pickle.

The file is a line that names the format, the length of a header (8 bytes, little-endian), the
header as JSON, the bytes of each array, and the SHA-256 of all that as the last 32 bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.errors import ConfigError, DataError
from keras_ext.files import replacing

FORMAT = b"keras_ext training state 1\n"

_LENGTH = 8
_DIGEST = hashlib.sha256().digest_size
_PLAIN = (type(None), bool, int, float, str)


def write(path: str | os.PathLike[str], state: Any) -> None:
    """Put a state into a file, whole or not at all.

    Args:
        path: of the file; the one that is there stays until the new one is complete.
        state: numbers, strings, None and arrays, in lists, tuples and mappings.

    Raises:
        ConfigError: naming the place in the state of what can't be kept.
        OutputError: naming ``path``, when the system refuses (disk full ...).

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.state"
    ...     write(path, {"epoch": 3, "weights": [np.float32([0.1, -2])]})
    ...     read(path)
    {'epoch': 3, 'weights': [array([ 0.1, -2. ], dtype=float32)]}
    """
    arrays: list[np.ndarray] = []
    tree = encode(state, arrays)
    table = [{"dtype": _name(array.dtype), "shape": array.shape} for array in arrays]
    header = json.dumps({"tree": tree, "arrays": table}).encode()
    digest = hashlib.sha256()
    with replacing(path) as temporary, temporary.open("wb") as file:
        for part in (FORMAT, len(header).to_bytes(_LENGTH, "little"), header):
            digest.update(part)
            file.write(part)
        for array in arrays:
            part = array.tobytes()
            digest.update(part)
            file.write(part)
        file.write(digest.digest())


def read(path: str | os.PathLike[str]) -> Any:
    """The state in a file, with the types that it had.

    Raises:
        DataError: naming the file and what is wrong with it, if it can't be read or one bit of it
            is not as it was written.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    if not content:
        raise DataError(f"{path} is empty")
    body = memoryview(content)[:-_DIGEST]
    if hashlib.sha256(body).digest() != content[-_DIGEST:]:
        raise DataError(f"{path} is cut short or damaged: its checksum is wrong")
    if not content.startswith(FORMAT):
        raise DataError(f"{path} is not a training state that this version can read")
    return _parse(body)


def encode(value: Any, arrays: list[np.ndarray], where: str = "state") -> Any:
    """JSON for a value; arrays are put into the list, and their index stands in their place.

    Every JSON object in the result is a tag with one entry, so that nothing is taken for one.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind != "O" and array.dtype.names is None:
            arrays.append(array)
            return {"array" if isinstance(value, np.ndarray) else "scalar": len(arrays) - 1}
    if type(value) in (list, tuple):
        items = [encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if isinstance(value, dict):
        pairs = [
            [encode(key, arrays, where), encode(item, arrays, f"{where}[{key!r}]")]
            for key, item in value.items()
        ]
        return {"dict": pairs}
    raise ConfigError(
        f"{where} is of type {type(value).__name__}, which can't be kept in a file; plain numbers, "
        "text, lists, tuples, mappings and numpy arrays can"
    )


def decode(tree: Any, arrays: list[np.ndarray]) -> Any:
    """What ``encode`` was given."""
    if isinstance(tree, list):
        return [decode(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag == "array":
        return arrays[content]
    if tag == "scalar":
        return arrays[content][()]
    if tag == "tuple":
        return tuple(decode(content, arrays))
    return {decode(key, arrays): decode(item, arrays) for key, item in content}


def _parse(body: memoryview) -> Any:
    start = len(FORMAT) + _LENGTH
    end = start + int.from_bytes(body[len(FORMAT) : start], "little")
    header = json.loads(bytes(body[start:end]))
    arrays = []
    for row in header["arrays"]:
        dtype = np.dtype(row["dtype"])
        start, end = end, end + dtype.itemsize * int(np.prod(row["shape"], dtype="int64"))
        arrays.append(np.frombuffer(body[start:end], dtype).reshape(row["shape"]).copy())
    return decode(header["tree"], arrays)


def _name(dtype: np.dtype[Any]) -> str:
    """With byte order where numpy knows one; by name for bfloat16 and its like."""
    return dtype.name if dtype.kind == "V" else dtype.str
