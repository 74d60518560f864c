"""Data sets by name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from keras_ext.data import cache, tfds_source
from keras_ext.data.dataset_name import DatasetName
from keras_ext.data.mnist import NAME, SOURCE, VERSION, unpack_mnist
from keras_ext.records import Arrays


def load(name: str, *, data_dir: str | os.PathLike[str] | None = None) -> Arrays:
    """A data set with all its published splits, one after the other.

    The first load decodes the data set and keeps its arrays under the user's cache directory
    (``KERAS_EXT_CACHE`` names another place); later ones map them into memory, read-only.
    MNIST comes with the package and needs no network. Every other name goes through TensorFlow
    Datasets: what is prepared on disk is used, else it is downloaded.

    Args:
        name: as TensorFlow Datasets writes it: "cifar10", "cifar10:3.0.2", "cmaterdb/bangla".
        data_dir: where TensorFlow Datasets keeps what it prepared; None looks at ``TFDS_DATA_DIR``,
            then at ~/tensorflow_datasets. Not used for MNIST.

    Returns:
        x: images as uint8 of shape (examples, height, width, channels), or what the data set has.
        y: int32 class numbers, or float32 values, of shape (examples,).
        published: the rows of each split: {"train": (0, 60000), "test": (60000, 70000)}.

    Raises:
        DataError: for an unknown name, a damaged copy, or data that can't be had, saying what to
            do.
        MissingExtraError: when TensorFlow Datasets is needed and isn't installed.

    >>> load("mnist").part("test").x.shape
    (10000, 28, 28, 1)
    """
    wanted = DatasetName.parse(name)
    if wanted in (DatasetName(NAME), DatasetName(NAME, version=VERSION)):
        return _cached(DatasetName(NAME, version=VERSION), SOURCE, unpack_mnist)
    directory = tfds_source.data_directory(data_dir)
    prepared = tfds_source.find_prepared(wanted, directory)
    if prepared is None:
        arrays = _newest(wanted)
        if arrays is not None:
            return arrays
        prepared = tfds_source.download(wanted, directory)
    found = prepared
    source = tfds_source.fingerprint(found, directory)
    entry = DatasetName(wanted.builder, wanted.config, found.version)
    return _cached(entry, source, lambda: tfds_source.decode_prepared(found, directory))


def _cached(name: DatasetName, source: str, make: Callable[[], Arrays]) -> Arrays:
    """The cache's entry, which is made where there is none."""
    key = f"{name.key}-{name.version}"
    arrays = cache.read_entry(key, source=source)
    return cache.write_entry(key, make(), source=source) if arrays is None else arrays


def _newest(name: DatasetName) -> Arrays | None:
    """What an earlier load left in the cache, for a data set that is no longer on disk."""
    form = re.compile(re.escape(name.key) + r"-(\d+\.\d+\.\d+)")
    try:
        matches = [form.fullmatch(folder.name) for folder in cache.cache_directory().iterdir()]
    except OSError:
        return None
    versions = [match[1] for match in matches if match and name.version in (None, match[1])]
    for version in sorted(versions, key=tfds_source.version_order, reverse=True):
        arrays = cache.read_entry(f"{name.key}-{version}")
        if arrays is not None:
            return arrays
    return None
