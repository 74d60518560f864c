"""Augmented copies of images: to train on, and to look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Pictures
from keras_ext.data import tfds_source
from keras_ext.data.dataset_name import DatasetName
from keras_ext.records import Arrays, Augmentation

EXAMPLES, VERSIONS = 4, 7


def with_copies(few: Arrays, way: Augmentation, seed: int) -> Arrays:
    """The images, and one augmented copy of each that stays the same in all epochs."""
    same, copies = data.augmented_examples(few, way, examples=len(few), versions=1, seed=seed)
    return replace(few, x=np.concatenate([same, copies[:, 0]]), y=np.tile(few.y, 2))


def on_disk(name: str) -> bool:
    """Whether a data set is prepared, so that nothing has to be downloaded."""
    found = tfds_source.find_prepared(DatasetName(name), tfds_source.data_directory(None))
    return found is not None


def pictured(arrays: Arrays, way: Augmentation, seed: int) -> Pictures:
    """Some of the images, each beside what augmentation makes of it."""
    originals, versions = data.augmented_examples(
        arrays, way, examples=EXAMPLES, versions=VERSIONS, seed=seed
    )
    return Pictures.of(
        originals, versions, title="What the network sees in place of an image",
        caption=f"Left the original, then as it was drawn in {VERSIONS} epochs. Each must still "
        "show what its label says.",
    )  # fmt: skip
