"""Augmentation inside a model, of a magnitude that can be changed while the model trains."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_ext.affine import DRAWS, coefficients
from keras_ext.errors import ConfigError
from keras_ext.fields import decode
from keras_ext.records import Augmentation
from keras_ext.regularization import strengths
from keras_ext.regularization.compiled import compiled
from keras_ext.regularization.drawn_seed import DrawnSeed
from keras_ext.regularization.resample import resample

MOST = 1.0
"""At this magnitude the strengths are as configured."""

FORMATS = ("channels_last", "channels_first")


def augmented(
    augmentation: Augmentation, data_format: str, images: Any, draws: Any, magnitude: Any
) -> Any:
    """Images changed as the drawn numbers say.

    Args:
        augmentation: the strengths; its own magnitude doesn't count.
        data_format: where the channels are, one of ``FORMATS``.
        images: of shape (images, height, width, channels), or with the channels first.
        draws: numbers in [0, 1), single precision, of shape (images, 6), see ``affine.DRAWS``.
        magnitude: a scalar tensor, single precision.

    Returns:
        Images of the same shape and dtype.
    """
    if data_format == "channels_first":
        images = ops.transpose(images, (0, 2, 3, 1))
    # A side that only a running step knows is a whole-number tensor.
    height, width = (
        side if isinstance(side, int) else ops.cast(side, "float32")
        for side in ops.shape(images)[1:3]
    )
    moves = coefficients(
        augmentation, draws, height=height, width=width, magnitude=magnitude, ops=ops
    )
    moved = resample(images, moves)
    return ops.transpose(moved, (0, 3, 1, 2)) if data_format == "channels_first" else moved


@keras.saving.register_keras_serializable(package="keras_ext")
class Augment(keras.layers.Layer):
    """Changes images at random while training: one affine transform an image, one resampling.

    For pixel values, before they are normalised. Inference is the identity, and so is magnitude 0,
    which draws no random numbers. Flips, angles, scales and shifts are distributed as in
    ``data.training_batches``, but drawn by the model; the same drawn numbers give the same images,
    to rounding. What moves in from outside the image is 0. The magnitude is a weight of the layer,
    so that a new one takes effect at the next step without retracing, also under XLA.

    >>> layer = Augment(Augmentation(rotation=10, zoom=0.1))
    >>> layer.magnitude = 0.25
    >>> layer.magnitude, layer.augmentation.magnitude
    (0.25, 0.25)

    Args:
        augmentation: the strengths, and the magnitude to begin with.
        seed: decides what is drawn; None draws a seed. A step that XLA compiles as a whole draws
            other numbers from it, as everywhere in Keras.
        data_format: "channels_last" or "channels_first"; None is Keras's
            ``keras.config.image_data_format()``.
        **kwargs: name, dtype and trainable, as for every Keras layer. Images keep their own dtype
            under every policy, as half precision can't hold all of 0 to 255 and what lies between.

    Raises:
        ConfigError: naming the argument and the value received; and when called with what are no
            images of shape (batch, height, width, channels).
    """

    def __init__(
        self,
        augmentation: Augmentation,
        *,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if not isinstance(augmentation, Augmentation):
            raise ConfigError(
                f"augmentation must be an Augmentation, got augmentation={augmentation!r}"
            )
        self._strengths = replace(augmentation, magnitude=MOST)
        self.seed = seed
        self.data_format = _check_format(data_format)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._magnitude = strengths.add(self, "magnitude", augmentation.magnitude)
        self._augmented = compiled(partial(augmented, self._strengths, self.data_format))
        self.built = True

    @property
    def magnitude(self) -> float:
        """The magnitude at present; assign a new one from 0 to 1 at any time."""
        return strengths.read(self._magnitude)

    @magnitude.setter
    def magnitude(self, value: float) -> None:
        self._magnitude.assign(strengths.check("magnitude", value, most=MOST))

    @property
    def augmentation(self) -> Augmentation:
        """The strengths, with the magnitude at present."""
        return replace(self._strengths, magnitude=self.magnitude)

    def call(self, images: Any, training: bool = False) -> Any:
        """Images of shape (batch, height, width, channels), of any dtype, and the same out."""
        _check_images(images.shape)
        if not training or not self._strengths.active:
            return images
        # Drawn outside of the condition: JAX can't change the generator's state inside of one.
        seed = DrawnSeed(self.seed_generator.next())

        def change(magnitude: Any) -> Any:
            shape = (ops.shape(images)[0], DRAWS)
            draws = keras.random.uniform(shape, dtype="float32", seed=seed)
            return self._augmented(images, draws, magnitude)

        return strengths.where_on(self._magnitude, on=change, off=lambda: images)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def compute_output_spec(self, images: Any, training: bool = False) -> keras.KerasTensor:
        """The input's shape and dtype, whatever the policy."""
        _check_images(images.shape)
        return keras.KerasTensor(images.shape, dtype=images.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the magnitude at present."""
        own = {
            "augmentation": asdict(self.augmentation),
            "seed": self.seed,
            "data_format": self.data_format,
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Augment:
        """The layer of a config."""
        augmentation = decode(Augmentation, config["augmentation"], "augmentation.")
        layer: Augment = super().from_config({**config, "augmentation": augmentation})
        return layer


def _check_format(value: str | None) -> str:
    """The format, or Keras's."""
    if value is None:
        default: str = keras.config.image_data_format()
        return default
    if value not in FORMATS:
        raise ConfigError(
            f"data_format must be one of {', '.join(FORMATS)} or None, got data_format={value!r}"
        )
    return value


def _check_images(shape: Any) -> None:
    if len(shape) != 4:
        raise ConfigError(
            "augmentation needs images of shape (batch, height, width, channels), "
            f"got inputs of shape {tuple(shape)}"
        )
