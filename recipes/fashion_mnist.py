"""Ten kinds of clothing in grey pictures: train, diagnose, turn the knob that is named, report.

The same six steps as recipes.mnist. Clothes may be mirrored, unlike digits. The optimal error is 0:
people err on about 16.5 % of these pictures, but networks on fewer, so that is no bound.

Fashion-MNIST is read by TensorFlow Datasets: from the folder that TFDS_DATA_DIR names, or
downloaded. What the presets reach was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_ext.records import Augmentation, TrainConfig
from recipes.command import command
from recipes.options import Preset
from recipes.workflow import work

VALIDATION = 5_000
"""Images held out of the training images."""

BASE = TrainConfig(
    model="convnet",
    units=32,
    layers=3,
    learning_rate=0.01,
    epochs=2,
    batch_size=256,
    augmentation=Augmentation(flip="horizontal", crop=2, erasing=0.2, magnitude=0.0),
    tolerance=0.005,
)

PRESETS = {
    "fast": Preset("two epochs, no knob is turned", BASE),
    "default": Preset(
        "eight epochs, then again with one knob turned", replace(BASE, epochs=8), max_rounds=1
    ),
    "gpu": Preset(
        "a residual network for 40 epochs; for a GPU, its figure was not measured",
        replace(
            BASE,
            model="resnet",
            epochs=40,
            optimizer="adamw",
            augmentation=replace(BASE.augmentation, magnitude=1.0),
        ),
        max_rounds=1,
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; the exit status is 0, or 130 after Ctrl-C."""
    return work("fashion_mnist", __doc__ or "", PRESETS, argv, validation=VALIDATION)


if __name__ == "__main__":
    raise SystemExit(command(main))
