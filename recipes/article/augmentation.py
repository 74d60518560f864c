"""Augmented images help against overfitting, though less than as many really new ones.

Flips, small rotations, zooms and shifted crops make other images of the same class for nothing. The
network never sees the same image twice, and can't learn it by heart. But they are all made of the
same originals: that many new images would tell it more.

For each number of images one convnet learns them as they are, another one augmented, and a third
twice as many images; all take the same number of steps. CIFAR-10 where it is on disk; otherwise
MNIST, where a mirrored digit is another sign, so that flips are left out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data
from keras_ext.claim_records import Chart, Finding, Line, Number, Panel, Rule
from keras_ext.data import tfds_source
from keras_ext.data.dataset_name import DatasetName
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Augmentation, Splits, TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer

BATCH = 64
COLOR = Augmentation(flip="horizontal", rotation=10, zoom=0.1, crop=3, fill_mode="reflect")
DIGITS = Augmentation(rotation=15, zoom=0.15, crop=2)
BASE = TrainConfig(units=8, layers=3, batch_size=BATCH, learning_rate=0.003)
KINDS = ("as they are", "augmented", "as many new ones")


def experiment(effort: Effort) -> Finding:
    """Errors over the number of images, with and without augmentation."""
    sizes = effort.pick((500,), (500, 1000, 2000), (500, 1000, 2000, 5000))
    steps, seeds = effort.pick(60, 300, 4000), effort.seeds(3, 3, 5)
    name = "cifar10" if on_disk("cifar10") else "mnist"
    way, trainer = COLOR if name == "cifar10" else DIGITS, Trainer()
    arrays = data.load(name)
    error = np.zeros((len(KINDS), len(seeds), len(sizes)))
    for row, seed in enumerate(seeds):
        parts = data.split(arrays, seed=seed, validation=effort.pick(2000, 4000, 10_000))
        for column, size in enumerate(sizes):
            few, more = (data.sample(parts.train, n, seed=seed) for n in (size, 2 * size))
            for kind, (train, how) in enumerate(((few, None), (few, way), (more, None))):
                epochs = max(1, round(steps * BATCH / len(train)))
                config = replace(
                    BASE, seed=seed, epochs=epochs, augmentation=how or Augmentation(magnitude=0.0)
                )
                part = Splits(train, parts.validation, parts.test)
                error[kind, row, column] = trainer.error(config, part)
    saved = [over_seeds(column) for column in (error[0] - error[1]).T]
    fewer = [over_seeds(column) for column in (error[1] - error[2]).T]
    return Finding(
        setup=f"{name}: {said(way)}. A convnet of {BASE.layers} layers and {BASE.units} channels, "
        f"Adam, one cycle of about {steps} steps of {BATCH} images, {len(seeds)} seeds.",
        numbers=(
            *(Number.of(f"error saved by augmentation, {n:,} images", s, "points")
              for n, s in zip(sizes, saved, strict=True)),
            *(Number.of(f"error that as many new images save beyond it, {n:,} images", f, "points")
              for n, f in zip(sizes, fewer, strict=True)),
        ),
        rules=(
            *(Rule(f"{n:,} images: augmentation lowers the error (interval above 0)", s.above(),
                   "so few steps don't overfit yet, and augmented images take longer to learn")
              for n, s in zip(sizes, saved, strict=True)),
            *(Rule(f"{n:,} images: as many new ones are better still (interval above 0)", f.above(),
                   "augmentation makes more than one version of each image")
              for n, f in zip(sizes, fewer, strict=True)),
        ),
        explanation="Augmentation is the cheapest data there is, and takes patience: the longer "
        "the training, the more it is worth. Where new images can be had, they are worth more.",
        charts=(drawn(sizes, error),),
        values={f"saved_{n}": s.value for n, s in zip(sizes, saved, strict=True)},
    )  # fmt: skip


def on_disk(name: str) -> bool:
    """Whether a data set is prepared, so that nothing has to be downloaded."""
    return (
        tfds_source.find_prepared(DatasetName(name), tfds_source.data_directory(None)) is not None
    )


def said(way: Augmentation) -> str:
    """The augmentation in words."""
    flip = "flips, " if way.flip else "no flips, "
    return f"{flip}rotation to {way.rotation:g} degrees, zoom {way.zoom:g}, crop {way.crop} pixels"


def drawn(sizes: tuple[int, ...], error: np.ndarray) -> Chart:
    """The error of each kind over the number of images."""
    lines = [Line.over_seeds(kind, sizes, error[n]) for n, kind in enumerate(KINDS)]
    panel = Panel(x_label="training images", y_label="validation error", log_x=True, percent=True,
                  lines=tuple(lines))  # fmt: skip
    return Chart(
        title="Validation error over the number of images", panels=(panel,),
        caption="Means over seeds, bands are 95 % intervals over seeds. “As many new ones”: the "
        "images and as many again, without augmentation.",
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("augmentation"))
