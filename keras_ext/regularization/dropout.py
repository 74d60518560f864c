"""Dropout whose rate can be changed while a model trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths
from keras_ext.regularization.drawn_seed import DrawnSeed

BELOW = 1.0
"""Rates are below this: a layer that drops every input has no finite scale."""


@keras.saving.register_keras_serializable(package="keras_ext")
class Dropout(keras.layers.Layer):
    """Sets inputs to zero at random while training, and scales the others up by 1 / (1 - rate).

    "Inverted dropout": the mean stays, so inference is the identity. Same distribution as
    ``keras.layers.Dropout``; the rate is a weight of the layer, so that a new one takes effect at
    the next step without retracing. At rate 0 neither random numbers nor a mask are computed.
    (Srivastava et al. 2014, section 4; the inverted form: Ng, "Dropout regularization".)

    >>> layer = Dropout(0.5)
    >>> layer.rate = 0.25
    >>> layer.rate, layer.get_config()["rate"]
    (0.25, 0.25)

    Args:
        rate: share of the inputs that is dropped, in [0, 1); ``1 - keep_prob``.
        noise_shape: shape of the mask, None for a side that is as the input's: ``(None, 1, None)``
            drops whole time series of an input of shape (batch, steps, features).
        seed: decides the masks; None draws a seed.
        **kwargs: name, dtype and trainable, as for every Keras layer.

    Raises:
        ConfigError: naming the argument and the value received.
    """

    def __init__(
        self,
        rate: float,
        *,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.noise_shape = _check_noise_shape(noise_shape)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._rate = strengths.add(self, "rate", strengths.check("rate", rate, below=BELOW))
        self.supports_masking = True
        self.built = True

    @property
    def rate(self) -> float:
        """The rate at present; assign a new one in [0, 1) at any time."""
        return strengths.read(self._rate)

    @rate.setter
    def rate(self, value: float) -> None:
        self._rate.assign(strengths.check("rate", value, below=BELOW))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Inputs of any shape, and outputs of the same; the identity unless ``training``."""
        if not training:
            return inputs
        # Drawn outside of the condition: JAX can't change the generator's state inside of one.
        seed = DrawnSeed(self.seed_generator.next())
        return strengths.where_on(
            self._rate, on=lambda rate: self._drop(inputs, rate, seed), off=lambda: inputs
        )

    def _drop(self, inputs: Any, rate: Any, seed: DrawnSeed) -> Any:
        shape = ops.shape(inputs)
        if self.noise_shape is not None:
            pairs = zip(self.noise_shape, shape, strict=True)
            shape = tuple(side if own is None else own for own, side in pairs)
        # Single precision under every policy: half precision can't resolve a small rate.
        kept = keras.random.uniform(shape, dtype="float32", seed=seed) >= rate
        scale = ops.cast(1 / (1 - rate), inputs.dtype)
        return ops.where(kept, inputs * scale, ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the rate at present."""
        own = {"rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), **own}


def _check_noise_shape(value: Any) -> tuple[int | None, ...] | None:
    """The shape as a tuple."""
    if value is None:
        return None
    if not isinstance(value, Sequence) or not all(_is_side(side) for side in value):
        raise ConfigError(
            "noise_shape must be a sequence of positive whole numbers and None, "
            f"got noise_shape={value!r}"
        )
    return tuple(value)


def _is_side(side: Any) -> bool:
    return side is None or (isinstance(side, int) and side > 0)
