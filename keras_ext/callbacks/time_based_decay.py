"""The learning rate falls as one over the number of epochs, or of steps."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import isclose
from typing import Any
from weakref import WeakKeyDictionary

import keras

from keras_ext.callbacks import checks
from keras_ext.callbacks.time_based_schedule import check, check_floor, time_based_rate
from keras_ext.errors import ConfigError


@dataclass
class _Left:
    """What was set last on an optimizer, and the rate that it began with."""

    initial: float
    rate: float


# By optimizer, so that a new callback knows what one before it did to the same optimizer.
_LEFT: WeakKeyDictionary[Any, _Left] = WeakKeyDictionary()


class TimeBasedDecay(keras.callbacks.Callback):
    """Sets the learning rate to ``initial / (1 + decay_rate * epoch)``, epoch counted from 0.

    A cosine or one-cycle schedule is better when the number of epochs is settled beforehand, as it
    falls to almost nothing by the last one; time-based decay needs no end, and falls ever slower.

    The rate is a function of the number of the epoch (or step) alone, so a resume with
    ``initial_epoch`` goes on where the run before ended, and a second ``fit`` from epoch 0 begins
    with the initial rate again. It changes nothing but the learning rate, and sets it anew each
    time: don't combine it with another callback that does. Writes ``learning_rate``, that of the
    epoch (or of its last step), into ``logs``. ``time_based_schedule`` gives the same rates inside
    the graph.

    Args:
        decay_rate: how much larger the divisor gets with each epoch (or step).
        initial_learning_rate: None takes the optimizer's, which is known as long as the optimizer
            hasn't made a step, or if a TimeBasedDecay was the last to set it in this process.
            Must be given otherwise: with an optimizer that was loaded, the rate it holds may
            have decayed already.
        by: "epoch", or "step" to count mini-batches; then ``initial_epoch`` counts as that many
            times the steps of an epoch. By step each step is preceded by a call, and on JAX by a
            synchronization of the model: ``time_based_schedule`` is faster.
        staircase: how many epochs (or steps) keep one rate.
        warmup_epochs: with ``by="epoch"``, how many epochs come before the initial rate, rising to
            it in equal steps from ``initial / (warmup_epochs + 1)``. The decay counts from there.
        warmup_steps: the same in steps, with ``by="step"``.
        floor: the lowest rate that the decay leads to.

    Raises:
        ConfigError: naming the argument and the value received; at the start of ``fit``, for an
            optimizer that has a schedule, an initial rate that can't be known, or ``by="step"``
            with ``steps_per_execution`` above 1, where no rate can be set between the steps.

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.2), "mse")
    >>> decay = TimeBasedDecay(1.0)
    >>> x = keras.ops.ones((4, 1))
    >>> history = model.fit(x, x, epochs=4, verbose=0, callbacks=[decay]).history
    >>> [round(rate, 4) for rate in history["learning_rate"]]
    [0.2, 0.1, 0.0667, 0.05]
    """

    async_safe = True

    _initial: float | None
    _rate: float | None
    _step: int | None

    def __init__(
        self,
        decay_rate: float,
        *,
        initial_learning_rate: float | None = None,
        by: str = "epoch",
        staircase: int = 1,
        warmup_epochs: int = 0,
        warmup_steps: int = 0,
        floor: float = 0.0,
    ) -> None:
        super().__init__()
        known = 1.0 if initial_learning_rate is None else initial_learning_rate
        self._warmup = check(decay_rate, known, by, staircase, warmup_epochs, warmup_steps)
        check_floor(floor, initial_learning_rate)
        self.decay_rate = decay_rate
        self.initial_learning_rate = initial_learning_rate
        self.by = by
        self.staircase = staircase
        self.warmup_epochs = warmup_epochs
        self.warmup_steps = warmup_steps
        self.floor = floor
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> TimeBasedDecay:
        return checks.copy_sharing(self, memo, (self._model,))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, refuse what can't be set, and take the initial rate if it's known.

        Another callback may load an optimizer after this one; so a rate that isn't known is an
        error at the first epoch only.
        """
        self._start()
        _check_optimizer(self.model)
        executed = getattr(self.model, "steps_per_execution", 1)
        if self.by == "step" and executed > 1:
            raise ConfigError(
                f"by must be 'epoch' with steps_per_execution={executed}, got by='step': no rate"
                " can be set between the steps of one execution; compile with time_based_schedule"
            )
        self._initial = self._known_initial()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of the epoch."""
        if self._rate is None:
            self._begin(epoch)
        else:
            self._notice_others()
        if self.by == "epoch":
            self._set(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate of the step."""
        if self._step is not None:
            self._set(self._step)
            self._step += 1

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the rate into ``logs``."""
        if logs is not None and self._rate is not None:
            logs["learning_rate"] = self._rate

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know: the rate that the run began with."""
        return {"initial_learning_rate": self._initial}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what ``get_state`` gave; after ``on_train_begin``."""
        self._initial = state["initial_learning_rate"]

    def _start(self) -> None:
        self._initial = None
        self._rate = None
        self._step = None
        self._warned: bool = False

    def _begin(self, epoch: int) -> None:
        """Settle the initial rate and the number of the first step."""
        optimizer = self.model.optimizer
        if self._initial is None:
            self._initial = self._known_initial()
        if self._initial is None:
            raise ConfigError(
                f"initial_learning_rate must be given: the optimizer's rate, {_read(optimizer):g}"
                f" after {int(optimizer.iterations)} steps, may have decayed already, got"
                " initial_learning_rate=None"
            )
        check_floor(self.floor, self._initial)
        if self.by == "step":
            self._step = epoch * self._steps_per_epoch(epoch)

    def _notice_others(self) -> None:
        rate = _read(self.model.optimizer)
        if self._warned or isclose(rate, self._rate or 0.0, rel_tol=1e-6):
            return
        self._warned = True
        warnings.warn(
            f"the learning rate was set to {rate:g} by another callback, and TimeBasedDecay sets it"
            " back to its own: use one of them",
            stacklevel=3,
        )

    def _known_initial(self) -> float | None:
        """The rate that the decay begins with; None where the optimizer can't tell."""
        if self.initial_learning_rate is not None:
            return float(self.initial_learning_rate)
        optimizer = self.model.optimizer
        rate, left = _read(optimizer), _LEFT.get(optimizer)
        if left is not None and isclose(left.rate, rate, rel_tol=1e-6):
            return left.initial
        return rate if int(optimizer.iterations) == 0 else None

    def _steps_per_epoch(self, epoch: int) -> int:
        steps = (self.params or {}).get("steps")
        if steps is None and epoch > 0:
            raise ConfigError(
                f"steps_per_epoch must be given to fit to start at epoch {epoch} with by='step',"
                " got steps_per_epoch=None for data of unknown length"
            )
        return int(steps or 0)

    def _set(self, number: int) -> None:
        initial = float(self._initial or 0.0)
        rate = time_based_rate(
            number,
            initial,
            self.decay_rate,
            staircase=self.staircase,
            warmup=self._warmup,
            floor=self.floor,
        )
        if rate == self._rate and self.by == "step":
            return
        if self.by == "step" and hasattr(self.model, "jax_state_sync"):
            # Within an epoch on JAX, fit holds the state and looks at the model only after this.
            self.model.jax_state_sync()
        self.model.optimizer.learning_rate = rate
        self._rate = float(rate)
        _LEFT[self.model.optimizer] = _Left(initial, self._rate)


def _check_optimizer(model: Any) -> None:
    optimizer = getattr(model, "optimizer", None)
    rate = getattr(optimizer, "learning_rate", None)
    if rate is None:
        raise ConfigError(
            "the model must have one optimizer with a learning_rate for TimeBasedDecay, got"
            f" optimizer={optimizer!r}"
        )
    if not isinstance(rate, keras.Variable):
        raise ConfigError(
            f"the optimizer must have a number as learning_rate, but {type(optimizer).__name__} was"
            " compiled with a LearningRateSchedule or function: use that or TimeBasedDecay"
        )


def _read(optimizer: Any) -> float:
    """The optimizer's rate as the shortest decimal of its precision: 0.1, not 0.10000000149."""
    return float(str(optimizer.learning_rate.numpy()))
