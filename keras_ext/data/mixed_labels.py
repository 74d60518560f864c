"""Labels that are mixed, and the losses that can't take them."""

from __future__ import annotations

from typing import Any

import keras

from keras_ext.errors import ConfigError


def check_takes_shares(loss: Any) -> None:
    """Refuse what Keras would refuse in a step, in words about shapes.

    Args:
        loss: as given to ``compile``.

    Raises:
        ConfigError: for one of Keras's losses of class numbers, naming those to use.
    """
    stock = keras.losses.SparseCategoricalCrossentropy, keras.losses.sparse_categorical_crossentropy
    found = None if isinstance(loss, (list, tuple, dict)) else keras.losses.get(loss)
    if type(found) is stock[0] or found is stock[1]:
        raise ConfigError(
            "with mixup or cutmix labels are shares of classes: loss must be "
            "CategoricalCrossentropy, or training.MixedCrossentropy, which takes class numbers of "
            f"validation too, got loss={loss!r}"
        )
