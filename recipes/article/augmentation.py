"""Augmented images help against overfitting, though less than as many really new ones.

Flips, small rotations, zooms and shifted crops make other images of the same class for nothing.
Drawn anew in each epoch, the network never sees the same image twice and can't learn it by heart.
But all of them are made of the same originals: that many new images would tell it more.

One convnet learns n images as they are, and another one augmented anew in each epoch, with the same
number of steps. For the second half of the claim two more learn 2n images, again in as many steps:
the n with one augmented copy of each, and the n with n new ones. CIFAR-10 where it is on disk;
otherwise MNIST, without flips: a mirrored digit is another sign.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Augmentation, TrainConfig
from recipes.article.copies import on_disk, pictured, with_copies
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.reasons import why_not
from recipes.article.trained import Trainer

OFF = Augmentation(magnitude=0.0)
WAYS = {
    "cifar10": Augmentation(flip="horizontal", rotation=10, zoom=0.1, crop=3, fill_mode="reflect"),
    "mnist": Augmentation(rotation=15, zoom=0.15, crop=2),
}
NAMES = {"cifar10": "CIFAR-10", "mnist": "MNIST (CIFAR-10 is not on disk)"}
BASE = TrainConfig(units=8, layers=3, batch_size=64, learning_rate=0.01)
KINDS = ("n as they are", "n, augmented in each epoch", "n and n augmented copies", "n and n new")


def experiment(effort: Effort) -> Finding:
    """Errors over the number of images, for each kind of images."""
    sizes = effort.pick((500,), (500, 1500, 5000), (500, 1000, 2000, 5000))
    passes = effort.pick((20,), (30, 16, 10), (200, 150, 100, 60))
    seeds, double = effort.seeds(3, 3, 6), sizes[: effort.pick(1, 2, 4)]
    name = "cifar10" if on_disk("cifar10") else "mnist"
    way, trainer, arrays = WAYS[name], Trainer(), data.load(name)
    error = np.full((len(KINDS), len(seeds), len(sizes)), np.nan)
    for row, seed in enumerate(seeds):
        parts = data.split(arrays, seed=seed, validation=effort.pick(2000, 4000, 10_000))
        for column, (n, times) in enumerate(zip(sizes, passes, strict=True)):
            few, more = (data.sample(parts.train, count, seed=seed) for count in (n, 2 * n))
            kinds = [(few, OFF), (few, way)]
            if n in double:
                kinds += [(with_copies(few, way, seed), OFF), (more, OFF)]
            for kind, (train, how) in enumerate(kinds):
                epochs = times * n // len(train)
                config = replace(BASE, seed=seed, epochs=epochs, augmentation=how)
                error[kind, row, column] = trainer.error(config, replace(parts, train=train))
    saved = [over_seeds(each) for each in (error[0] - error[1]).T]
    lacking = [over_seeds(each) for each in (error[2] - error[3]).T[: len(double)]]
    ahead = [over_seeds(each) for each in (error[1] - error[3]).T[: len(double)]]
    told = ", ".join(f"{times} passes over {n:,}" for n, times in zip(sizes, passes, strict=True))
    return Finding(
        setup=f"{NAMES[name]}, {'with' if way.flip else 'without'} flips; rotation to "
        f"{way.rotation:g} degrees, zoom {way.zoom:g}, crops shifted up to {way.crop} pixels. A "
        f"convnet of {BASE.layers} convolutions, from {BASE.units} channels; Adam, batches of "
        f"{BASE.batch_size}; {told} images, half as many over 2n. {len(seeds)} seeds.",
        numbers=(
            *(Number.of(f"error saved by augmentation, {n:,} images", s, "points")
              for n, s in zip(sizes, saved, strict=True)),
            *(Number.of(f"error that {n:,} new images save beyond {n:,} augmented copies", s,
                        "points") for n, s in zip(double, lacking, strict=True)),
            *(Number.of(f"error that {n:,} new images save beyond augmentation in each epoch",
                        s, "points") for n, s in zip(double, ahead, strict=True)),
        ),
        rules=(
            *(Rule(f"{n:,} images: augmentation lowers the validation error (interval above 0)",
                   s.above(), why_not(s, f"{times} passes are too few for augmented images, which "
                                      "take longer to learn, to pay"))
              for n, times, s in zip(sizes, passes, saved, strict=True)),
            *(Rule(f"{n:,} images: as many new ones save more than as many augmented copies "
                   "(interval above 0)", s.above(), why_not(s, "the copies are as good as new"))
              for n, s in zip(double, lacking, strict=True)),
        ),
        explanation="Augmentation is the cheapest data there is, and worth most where images are "
        "few and passes many: there is most to be learnt by heart. Drawn anew in each epoch it "
        "makes many more than n images: against n new ones that is another comparison.",
        charts=(drawn(sizes, error),),
        pictures=(pictured(arrays, way, effort.seed),),
        values={f"saved_{n}": s.value for n, s in zip(sizes, saved, strict=True)},
    )  # fmt: skip


def drawn(sizes: tuple[int, ...], error: np.ndarray) -> Chart:
    """The error of each kind over the number of images, as far as it was measured."""
    lines = []
    for kind, each in zip(KINDS, error, strict=True):
        known = ~np.isnan(each[0])
        lines.append(Line.over_seeds(kind, np.array(sizes)[known], each[:, known], kind="path"))
    panel = Panel(x_label="images n", y_label="validation error", log_x=True, percent=True,
                  lines=tuple(lines))  # fmt: skip
    words = "Means over seeds; bands are 95 % intervals over seeds, those of the differences above "
    words += "are narrower. All kinds take the same number of steps."
    return Chart(title="Error over the number of images", caption=words, panels=(panel,))


if __name__ == "__main__":
    raise SystemExit(alone("augmentation"))
