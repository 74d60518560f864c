"""Augmentation inside a model, of a magnitude that can be changed while the model trains."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import Any

import keras
from keras import ops

from keras_ext.affine import DRAWS
from keras_ext.augmented import augmented
from keras_ext.errors import ConfigError
from keras_ext.fields import decode
from keras_ext.records import Augmentation
from keras_ext.regularization import strengths
from keras_ext.regularization.compiled import compiled
from keras_ext.regularization.drawn_seed import DrawnSeed

MOST = 1.0
"""At this magnitude the strengths are as configured."""

FORMATS = ("channels_last", "channels_first")


def in_format(
    augmentation: Augmentation, data_format: str, images: Any, draws: Any, magnitude: Any
) -> Any:
    """Images as ``augmented`` gives them, wherever their channels are."""
    first = data_format == "channels_first"
    if first:
        images = ops.transpose(images, (0, 2, 3, 1))
    images = augmented(augmentation, images, draws, magnitude=magnitude, ops=ops)
    return ops.transpose(images, (0, 3, 1, 2)) if first else images


@keras.saving.register_keras_serializable(package="keras_ext")
class Augment(keras.layers.Layer):
    """Changes images at random while training: one affine transform an image, one resampling.

    For pixel values, before they are normalised. Inference is the identity, and so is magnitude 0,
    which draws no random numbers. Flips, angles, scales and shifts are distributed as in
    ``data.training_batches``, but drawn by the model; the same drawn numbers give the same images,
    to rounding. The magnitude is a weight of the layer, so that a new one takes effect at the next
    step without retracing, also under XLA. MixUp and CutMix belong to ``training_batches``: a layer
    does not see labels.

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
        if augmentation.mixes:
            raise ConfigError(
                "a layer can't mix labels: give mixup and cutmix to data.training_batches, got "
                f"mixup={augmentation.mixup}, cutmix={augmentation.cutmix}"
            )
        self._strengths = replace(augmentation, magnitude=MOST)
        self.seed = seed
        self.data_format = _check_format(data_format)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._magnitude = strengths.add(self, "magnitude", augmentation.magnitude)
        self._augmented = compiled(partial(in_format, self._strengths, self.data_format))
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

    def call(self, images: Any, draws: Any = None, training: bool = False) -> Any:
        """Images of shape (batch, height, width, channels), of any dtype, and the same out.

        Args:
            images: to be changed.
            draws: what is drawn, single precision in [0, 1), of shape (batch, 19), in the order of
                ``affine.Draw``; None draws it here.
            training: False is the identity.
        """
        _check_images(images.shape)
        if not training or not self._strengths.active:
            return images
        if draws is not None:
            return strengths.where_on(
                self._magnitude,
                on=lambda magnitude: self._augmented(images, draws, magnitude),
                off=lambda: images,
            )
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

    def compute_output_spec(
        self, images: Any, draws: Any = None, training: bool = False
    ) -> keras.KerasTensor:
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
