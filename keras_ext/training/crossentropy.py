"""The loss of batches that MixUp or CutMix has mixed, which takes clean examples too."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_ext")
class MixedCrossentropy(keras.losses.SparseCategoricalCrossentropy):
    """Cross-entropy of logits with the numbers of classes, or with the share of each class.

    Training batches have shares, clean examples of the same run have numbers; so both errors and
    costs are measured with the loss that is trained.

    >>> loss = MixedCrossentropy(from_logits=True)
    >>> logits = keras.ops.convert_to_tensor([[1.0, 3.0]])
    >>> one, other = (float(loss(keras.ops.convert_to_tensor(y), logits)) for y in ([0], [1]))
    >>> half = float(loss(keras.ops.convert_to_tensor([[0.5, 0.5]]), logits))
    >>> round(one, 3), round(other, 3), round(half, 3)
    (2.127, 0.127, 1.127)
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The cost of each example.

        Args:
            y_true: class numbers of shape (examples,), or shares of shape (examples, classes).
            y_pred: logits of shape (examples, classes).
        """
        if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == y_pred.shape[-1]:
            return keras.losses.categorical_crossentropy(
                y_true, y_pred, from_logits=self.from_logits
            )
        return super().call(y_true, y_pred)
