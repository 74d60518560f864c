"""An L2 penalty whose strength can be changed while a model trains."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths


@keras.saving.register_keras_serializable(package="keras_ext")
class L2(keras.layers.Layer):
    """Adds ``strength * sum(square(kernel))`` to the loss, as ``keras.regularizers.L2`` does.

    Ng's lambda / (2 m) * sum ||W||^2 is ``L2(lambda / (2 * m))``, m = number of training examples.

    Given to one layer as its ``kernel_regularizer``. It is a layer itself so that its strength is
    a weight of the model: a new one takes effect at the next step, and it is saved with the model.
    Each owner needs an L2 of its own, so a layer that hands its regularizer on to several others
    (``MultiHeadAttention``) can't have one; ``keras.regularizers.L2`` serves there.

    >>> penalty = L2(0.01)
    >>> round(float(penalty(keras.ops.ones((3, 2)))), 6)
    0.06
    >>> penalty.strength = 0.1
    >>> penalty.strength
    0.1

    Args:
        strength: factor of the sum of squares, finite and at least 0.
        **kwargs: name, dtype and trainable, as for every Keras layer.

    Raises:
        ConfigError: naming the argument and the value received; and when one object regularizes
            the weights of two layers.
    """

    def __init__(self, strength: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._strength = strengths.add(self, "strength", strengths.check("strength", strength))
        self._owner: str | None = None
        self.built = True

    @property
    def strength(self) -> float:
        """The strength at present; assign a new one at any time."""
        return strengths.read(self._strength)

    @strength.setter
    def strength(self, value: float) -> None:
        self._strength.assign(strengths.check("strength", value))

    def __call__(self, kernel: Any) -> Any:
        """The penalty, a scalar of the kernel's dtype, for a kernel of any shape.

        In place of ``Layer.__call__``: a function of a weight has no cast to the compute dtype, no
        mask and no place in the graph of layers.
        """
        self._belong_to(kernel)
        return self.call(kernel)

    def call(self, kernel: Any) -> Any:
        """The penalty, without asking whose kernel it is."""
        return ops.cast(self._strength, kernel.dtype) * ops.sum(ops.square(kernel))

    def _belong_to(self, kernel: Any) -> None:
        """Remember whose weights these are, as far as they tell: a traced tensor has no path."""
        path = getattr(kernel, "path", None)
        if path is None:
            return
        owner = path.rpartition("/")[0]
        if self._owner not in (None, owner):
            raise ConfigError(
                f"L2 {self.name!r} regularizes {self._owner!r} and can't be shared with {owner!r}: "
                "make an L2 for each layer"
            )
        self._owner = owner

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, with the strength at present."""
        return {**super().get_config(), "strength": self.strength}
