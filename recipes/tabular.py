"""Tumours, malignant or benign, from 30 measurements of cell nuclei: a small table, an MLP.

The Breast Cancer Wisconsin data that come with scikit-learn, 569 patients. It takes the same steps
as every recipe: load, hold out and check; look at an untrained network; train without
regularization; tell bias from variance; turn one knob at a time; open the test set, once.

With so few examples the intervals are wide: 114 in validation can't show gaps below several points,
and the recipe says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_ext import data
from keras_ext.records import TrainConfig
from recipes.command import command
from recipes.options import Preset
from recipes.workflow import work

BASE = TrainConfig(
    model="mlp",
    units=32,
    layers=2,
    batch_norm=False,
    learning_rate=0.003,
    epochs=20,
    batch_size=32,
    optimal_error=0.0,
    tolerance=0.02,
)

PRESETS = {
    "fast": Preset("20 epochs, no knob is turned", BASE),
    "default": Preset("20 epochs, then again with one knob turned", BASE, max_rounds=1),
    "thorough": Preset("40 epochs, up to four knobs", replace(BASE, epochs=40), max_rounds=4),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; the exit status is 0, or 130 after Ctrl-C."""
    return work("breast_cancer", __doc__ or "", PRESETS, argv, load=data.load_table)


if __name__ == "__main__":
    raise SystemExit(command(main))
