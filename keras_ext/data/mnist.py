"""MNIST, of which the package ships a compressed copy."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_ext.errors import DataError
from keras_ext.records import Arrays

PACKAGED = Path(__file__).parent / "packaged"
NAME, VERSION = "mnist", "3.0.1"
MEND = "install keras-ext again"
SOURCE = f"the copy that keras_ext ships of mnist {VERSION}"


def unpack_mnist(folder: Path | None = None) -> Arrays:
    """Decompress the shipped copy and check it against the sums of the files as published.

    The md5 sums are those of the four decompressed idx files of https://yann.lecun.com/exdb/mnist,
    whose headers are rebuilt here.

    Args:
        folder: holds mnist.npz and its manifest; None is the one in the package.

    Raises:
        DataError: naming the file and the sum it should have, when one byte is not as it was.
    """
    folder = PACKAGED if folder is None else folder
    manifest = _manifest(folder / "manifest.json")
    path = folder / manifest["file"]["name"]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}; {MEND}") from error
    _compare(path, "sha256", hashlib.sha256(content).hexdigest(), manifest["file"]["sha256"])
    x, y = _arrays(path, content)
    published = {split: (rows[0], rows[1]) for split, rows in manifest["splits"].items()}
    for name, md5 in manifest["idx_md5"].items():
        part = slice(*published["train" if name.startswith("train") else "test"])
        _compare(path, f"md5 of {name}", _idx_md5(x[part] if "images" in name else y[part]), md5)
    return Arrays(x, y, NAME, tuple(manifest["classes"]), published)


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _check_fields(manifest)
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}; {MEND}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); {MEND}") from error
    return manifest


def _check_fields(manifest: Mapping[str, Any]) -> None:
    """KeyError or TypeError when a field that is read later isn't there."""
    for field in ("splits", "classes", "idx_md5"):
        len(manifest[field])
    for field in ("name", "sha256"):
        len(manifest["file"][field])


def _arrays(path: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return arrays["x"], arrays["y"]
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(f"{path} can't be decompressed ({error}); {MEND}") from error


def _idx_md5(array: np.ndarray) -> str:
    """md5 of an idx file: a magic number, the sizes (both big-endian), then the bytes.

    >>> _idx_md5(np.array([3, 1]))
    '87469610ec571324ee3f758bc2b643ec'
    """
    sizes = array.shape[:3]
    header = struct.pack(f">{1 + len(sizes)}I", 0x800 + len(sizes), *sizes)
    digest = hashlib.md5(header, usedforsecurity=False)
    digest.update(np.ascontiguousarray(array, np.uint8).data.cast("B"))
    return digest.hexdigest()


def _compare(path: Path, what: str, found: str, expected: str) -> None:
    if found != expected:
        raise DataError(f"{path} is damaged: its {what} is {found}, expected {expected}; {MEND}")
