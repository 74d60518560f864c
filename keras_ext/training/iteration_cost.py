"""The cost of each iteration, kept where ``steps_per_execution`` hides it from callbacks."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_ext")
class IterationCost(keras.metrics.Metric):
    """A metric that keeps the un-regularized cost of every mini-batch of the present epoch.

    A batch hook sees a running mean once in ``steps_per_execution`` steps; a metric is updated in
    the compiled step itself. Its result, logged as ``cost``, is the mean over the iterations.

    Args:
        loss: per-batch mean loss of (y_true, y_pred), without penalties.
        steps: iterations of one epoch.

    >>> metric = IterationCost(keras.losses.MeanSquaredError(), steps=3)
    >>> for error in (1.0, 3.0):
    ...     metric.update_state([[0.0]], [[error]])
    >>> metric.costs(), float(metric.result())
    ((1.0, 9.0), 5.0)
    """

    def __init__(self, loss: keras.losses.Loss, steps: int) -> None:
        super().__init__(name="cost", dtype="float32")
        self.loss = loss
        self.steps = steps
        self._costs = self.add_variable((steps,), initializer="zeros", name="costs")
        self._count = self.add_variable((), initializer="zeros", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Note the cost of one batch."""
        cost = ops.cast(self.loss(y_true, y_pred), "float32")
        here = ops.cast(ops.equal(ops.arange(self.steps, dtype="float32"), self._count), "float32")
        self._costs.assign(self._costs + here * cost)
        self._count.assign(self._count + 1.0)

    def result(self) -> Any:
        """The mean cost of the epoch's iterations so far."""
        return ops.sum(self._costs) / ops.maximum(self._count, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"loss": keras.losses.serialize(self.loss), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> IterationCost:
        """The inverse of ``get_config``."""
        return cls(keras.losses.deserialize(config["loss"]), config["steps"])

    def costs(self) -> tuple[float, ...]:
        """The cost of each iteration since the epoch began."""
        return tuple(float(cost) for cost in self._costs.numpy()[: int(self._count.numpy())])
