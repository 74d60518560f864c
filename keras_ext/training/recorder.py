"""What happened in each epoch, and a stop as soon as the cost is not finite."""

from __future__ import annotations

import math
import time
from typing import Any

import keras

from keras_ext.errors import DivergedError
from keras_ext.training.iteration_cost import IterationCost

EPOCHS_WITH_ITERATION_COSTS = 3


class Recorder(keras.callbacks.Callback):
    """Gathers one row an epoch from ``logs``; stands last in the list of callbacks.

    Args:
        iteration_cost: the metric whose costs are kept for the first epochs.

    Raises:
        DivergedError: out of ``fit``, when the cost is NaN or infinite.
    """

    async_safe = True

    def __init__(self, iteration_cost: IterationCost) -> None:
        super().__init__()
        self.epoch: int | None = None
        self.iteration_cost = iteration_cost

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        self.iteration_costs: list[tuple[float, ...]] = []
        self._began = time.perf_counter()

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {
            "rows": [dict(row) for row in self.rows],
            "iteration_costs": [list(costs) for costs in self.iteration_costs],
            "epoch": self.epoch,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where ``get_state`` was called; the time goes on from there too."""
        self.rows = [dict(row) for row in state["rows"]]
        self.iteration_costs = [tuple(costs) for costs in state["iteration_costs"]]
        self.epoch = state["epoch"]
        self._began = time.perf_counter() - (self.rows[-1]["seconds"] if self.rows else 0.0)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            epoch, rate = (self.epoch or 0) + 1, self._learning_rate()
            raise DivergedError(
                f"the cost became {loss} in epoch {epoch}: try a lower learning rate first (around "
                f"{rate:.2g} here; a third of it), then check the data and the gradients"
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {name: float(value) for name, value in (logs or {}).items()}
        seconds = time.perf_counter() - self._began
        self.rows.append(
            {"epoch": epoch, **row, "learning_rate": self._learning_rate(), "seconds": seconds}
        )
        if len(self.iteration_costs) < EPOCHS_WITH_ITERATION_COSTS:
            self.iteration_costs.append(self.iteration_cost.costs())

    def _learning_rate(self) -> float:
        return float(self.model.optimizer.learning_rate)
