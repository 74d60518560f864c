"""Data sets of TensorFlow Datasets: found on disk, downloaded or refused, and decoded."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from keras_ext.data._network import reachable
from keras_ext.data._require import require
from keras_ext.data.dataset_name import DatasetName
from keras_ext.data.decode import decode
from keras_ext.errors import DataError
from keras_ext.records import Arrays

INFO = "dataset_info.json"


def data_directory(data_dir: str | os.PathLike[str] | None = None) -> Path:
    """Where prepared data sets are: ``data_dir``, ``TFDS_DATA_DIR`` or ~/tensorflow_datasets."""
    chosen = data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    return Path(chosen).expanduser()


def find_prepared(name: DatasetName, directory: Path) -> DatasetName | None:
    """The newest version on disk that is prepared, or the one asked for; without any import.

    A version counts when it has its dataset_info.json: a folder alone may be all that a download
    without a network left behind.
    """
    try:
        folders = [folder.name for folder in (directory / name.folder).iterdir()]
    except OSError:
        return None
    versions = [
        version
        for version in folders
        if re.fullmatch(r"\d+\.\d+\.\d+", version)
        and name.version in (None, version)
        and (directory / name.folder / version / INFO).is_file()
    ]
    if not versions:
        return None
    return name.at(max(versions, key=version_order))


def version_order(version: str) -> tuple[int, ...]:
    """So that 10.0.0 comes after 9.0.0.

    >>> max("9.0.0", "10.0.0", key=version_order)
    '10.0.0'
    """
    return tuple(int(number) for number in version.split("."))


def fingerprint(name: DatasetName, directory: Path) -> str:
    """What tells one prepared data set from another of the same name and version."""
    info = directory / name.folder / str(name.version) / INFO
    try:
        return f"tfds {name} {hashlib.sha256(info.read_bytes()).hexdigest()}"
    except OSError as error:
        raise DataError(f"can't read {info}: {error.strerror or error}") from error


def decode_prepared(name: DatasetName, directory: Path) -> Arrays:
    """The arrays of a data set that is on disk, all its splits one after the other.

    Raises:
        MissingExtraError: without the package tensorflow-datasets.
        DataError: naming the folder, when it is damaged or holds nothing that fits into arrays.
    """
    tfds = _tfds()
    folder = directory / name.folder / str(name.version)
    try:
        sets, info = tfds.load(
            str(name), data_dir=str(directory), download=False, with_info=True, shuffle_files=False
        )
        return decode(sets, info, name=str(DatasetName(name.builder, name.config)))
    except _read_errors() as error:
        if "different shapes" in str(error):
            raise DataError(
                f"{name} has images of different sizes: load it with tfds, make Arrays of one size"
            ) from error
        raise DataError(f"can't read {folder} ({_first_line(error)}): prepare it again") from error


def download(name: DatasetName, directory: Path) -> DatasetName:
    """Download and prepare a data set; its name with the version that is now on disk.

    Raises:
        MissingExtraError: without the package tensorflow-datasets.
        DataError: when there is no such data set, no network within seconds, or the download fails.
    """
    tfds = _tfds()
    known = tfds.list_builders(with_community_datasets=False)
    if name.builder not in known:
        raise DataError(_unknown(name, known, directory))
    if not reachable():
        raise DataError(_offline(name, directory))
    _remove_empty(directory / name.folder)
    try:
        builder = tfds.builder(str(name), data_dir=str(directory))
        builder.download_and_prepare()
    except _read_errors() as error:
        raise DataError(f"can't download {name} to {directory}: {_first_line(error)}") from error
    config = builder.builder_config.name if builder.builder_config else None
    return DatasetName(name.builder, config, str(builder.version))


def _unknown(name: DatasetName, known: list[str], directory: Path) -> str:
    close = difflib.get_close_matches(name.builder.lower(), known, n=3)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return (
        f"unknown data set {str(name)!r}: {hint}TensorFlow Datasets has {len(known):,} others, and "
        f"nothing of this name is prepared in {directory}"
    )


def _offline(name: DatasetName, directory: Path) -> str:
    command = f"import tensorflow_datasets as tfds; tfds.load('{name}')"
    return (
        f"{name} is not prepared in {directory / name.folder} and there is no network to download "
        f'it: run `python -c "{command}"` where there is one, copy '
        f"~/tensorflow_datasets/{name.folder} from there, and name the folder that holds the copy "
        "in data_dir= or TFDS_DATA_DIR"
    )


def _remove_empty(versions: Path) -> None:
    """Empty version folders, which TensorFlow Datasets would take for prepared ones."""
    for folder in versions.iterdir() if versions.is_dir() else ():
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _tfds() -> Any:
    require("tensorflow", extra="datasets")
    return require("tensorflow_datasets", extra="datasets", package="tensorflow-datasets")


def _read_errors() -> tuple[type[BaseException], ...]:
    """What TensorFlow Datasets raises for files or servers that are not as they should be."""
    tf = require("tensorflow", extra="datasets")
    parse_error = require("google.protobuf.json_format", extra="datasets").ParseError
    kinds = (OSError, ValueError, KeyError, AssertionError, RuntimeError, EOFError)
    return (*kinds, tf.errors.OpError, parse_error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
