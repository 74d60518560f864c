"""What a trained model sees in your images.

    python -m recipes.predict runs/mnist/2026-01-31_12-00-00/model.keras digit.png

Each image is resized to what the model takes; its channels are averaged where the model wants one.
Digits of MNIST are white on black: ``--invert`` for a black digit on white paper.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_ext import data
from keras_ext.errors import ConfigError, DataError
from recipes.command import command


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Class probabilities of shape (images, classes) for uint8 images of the model's own shape."""
    logits = model.predict(images, verbose=0)
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.softmax(logits)))


def load_model(path: str) -> keras.Model:
    """A saved model that takes images.

    Raises:
        ConfigError: when it can't be read, or takes no images.
    """
    if not Path(path).is_file():
        raise ConfigError(f"there is no model {path}")
    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"can't read {path} as a Keras model: {first}") from error
    if len(model.input_shape) != 4:
        raise ConfigError(f"{path} takes inputs of shape {model.input_shape}, which are no images")
    return model


def main(argv: Sequence[str] | None = None) -> int:
    """Print the classes of each image, the most probable first."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model.keras that a recipe wrote")
    parser.add_argument("images", nargs="+", metavar="image", help="PNG or JPEG files")
    parser.add_argument("--invert", action="store_true", help="dark on bright images")
    parser.add_argument(
        "--top", type=int, default=3, metavar="N", help="classes to print (default: 3)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    given = parser.parse_args(argv)
    model = load_model(given.model)
    height, width, channels = model.input_shape[1:]
    images = data.load_images(given.images, size=(height, width), channels=channels)
    if len(images) != len(given.images):
        raise DataError(f"{len(given.images)} images were asked for, {len(images)} could be read")
    probabilities = predict(model, 255 - images if given.invert else images)
    for path, row in zip(given.images, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[: given.top]
        print(f"{path}: " + ", ".join(f"{label} ({row[label]:.1%})" for label in best))
    return 0


if __name__ == "__main__":
    raise SystemExit(command(main))
