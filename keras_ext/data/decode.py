"""From a data set of TensorFlow Datasets to arrays in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_ext.errors import DataError
from keras_ext.records import Arrays

if TYPE_CHECKING:
    from rich.progress import Progress

BATCH = 512


def decode(sets: Mapping[str, Any], info: Any, *, name: str) -> Arrays:
    """Every example of every split, in the order on disk, with its label.

    Args:
        sets: a ``tf.data.Dataset`` of single examples (dictionaries) for each split.
        info: the ``tfds.core.DatasetInfo``, which names the feature and the label.
        name: what to call the arrays.

    Raises:
        DataError: when examples have no label, are no arrays of one shape, or some are missing.
    """
    key, label = _keys(info, name)
    published = _published(info)
    total = max((last for _, last in published.values()), default=0)
    x, y = np.empty(0), np.empty(0)
    with _progress() as progress:
        progress.console.print(f"decoding {name} once: {total:,} examples")
        task = progress.add_task(name, total=total)
        for row, features, labels in _batches(sets, published, (key, label), name):
            if row == 0:
                x, y = _room(name, total, features), _room(name, total, labels)
            if features.shape[1:] != x.shape[1:]:
                raise DataError(f"{name} has examples of shape {x.shape[1:]} and others")
            x[row : row + len(features)], y[row : row + len(features)] = features, labels
            progress.advance(task, len(features))
    if not len(x):
        raise DataError(f"{name} has no examples")
    classes = tuple(getattr(info.features[label], "names", None) or ())
    return Arrays(x, _labels(name, y), name, classes, published)


def _keys(info: Any, name: str) -> tuple[str, str]:
    """The names of the features that are an example and its label.

    Where a data set doesn't say so, it is the one that is an image and the one that is a class.
    """
    keys = tuple(info.supervised_keys or ())
    if not keys and hasattr(info.features, "items"):
        features = dict(info.features.items())
        labels = [key for key, feature in features.items() if hasattr(feature, "num_classes")]
        images = [key for key, feature in features.items() if len(feature.shape or ()) == 3]
        keys = (*images, *labels) if len(images) == len(labels) == 1 else ()
    if len(keys) != 2 or not all(isinstance(key, str) for key in keys):
        raise DataError(
            f"{name} names no single feature and label: load it with tfds and make Arrays of it"
        )
    return str(keys[0]), str(keys[1])


def _published(info: Any) -> dict[str, tuple[int, int]]:
    """The rows of each split, when they are put one after the other."""
    published, row = {}, 0
    for split in info.splits:
        published[split] = (row, row + info.splits[split].num_examples)
        row = published[split][1]
    return published


def _batches(
    sets: Mapping[str, Any],
    published: Mapping[str, tuple[int, int]],
    keys: tuple[str, str],
    name: str,
) -> Iterator[tuple[int, Any, Any]]:
    """The first row of each batch, its features and its labels."""
    for split, (first, last) in published.items():
        row = first
        pairs = sets[split].map(lambda example: (example[keys[0]], example[keys[1]]))
        for features, labels in pairs.batch(BATCH).prefetch(2).as_numpy_iterator():
            if row + len(labels) > last:
                break
            yield row, features, labels
            row += len(labels)
        if row != last:
            raise DataError(
                f"{name} does not have the {last - first:,} examples of split {split!r}"
            )


def _room(name: str, total: int, batch: Any) -> np.ndarray:
    """An array for all examples that are like those of the first batch."""
    if not isinstance(batch, np.ndarray) or batch.dtype.kind not in "buif":
        raise DataError(
            f"{name} does not consist of numbers: load it with tfds and make Arrays of it"
        )
    return np.empty((total, *batch.shape[1:]), batch.dtype)


def _labels(name: str, y: np.ndarray) -> np.ndarray:
    """Class numbers as int32, values for regression as float32."""
    if y.ndim != 1:
        raise DataError(f"{name} has labels of shape {y.shape[1:]}, not one number an example")
    return y.astype(np.float32 if y.dtype.kind == "f" else np.int32)


def _progress() -> Progress:
    """A bar on standard error; rich is imported here because only a first load shows one."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), transient=True)
