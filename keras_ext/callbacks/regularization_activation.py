"""Training without regularization first, to see that the cost falls; then with it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from math import inf
from numbers import Real
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import checks
from keras_ext.diagnosis.falling import (
    FIRST_SUSPECT,
    FULL_BATCH_NOISE,
    MINI_BATCH_NOISE,
    Falling,
    falling,
)
from keras_ext.errors import ConfigError
from keras_ext.regularization import Knob, knobs

ON_RISING_COST = ("warn", "stop", "ignore")


class RegularizationActivation(keras.callbacks.Callback):
    """Keeps every knob of the model at 0 for some epochs, then turns regularization on.

    With dropout (or L2, or augmentation) the cost needn't fall from one iteration to the next, and
    a wrong learning rate or gradient hides behind that. So all strengths are 0 at first, and the
    cost must go down: at every iteration where an epoch is one step (full batch), otherwise from
    epoch to epoch, where a rise below a twentieth of the first cost is taken for noise. From epoch
    ``after_epochs`` on, the configured strengths are in effect; nothing is retraced.

    The cost is ``train_cost`` where a BiasVariance before it in the list writes it (with
    ``every=1``). Otherwise it is ``loss``, the mean over the epoch, without the penalties of fixed
    regularizers.

    However ``fit`` ends, the strengths are the configured ones afterwards, also when it ends before
    the activation; only an exception or Ctrl-C leaves them at 0, until the next ``fit`` with this
    callback. With ``initial_epoch`` from ``after_epochs`` on nothing is turned off. Weights are
    only changed by what the strengths do. Writes ``regularization_active`` (0.0 or 1.0).

    Source: A. Ng, "Dropout regularization" (the cost isn't well defined with dropout: turn it off,
    see that the cost falls, turn it on).

    Args:
        after_epochs: epochs to train without, counted from epoch 0; two at least, or there is
            nothing to compare.
        strengths: values to activate, by name; None, and knobs that aren't named, for those that
            the model has when training begins.
        on_rising_cost: "warn", "stop" (warns too) or "ignore" when the cost doesn't go down.

    Attributes:
        falling: ``Falling``, whether the cost went down so far; ``costs`` has the costs.

    Raises:
        ConfigError: naming the argument and the value received; at the start of ``fit`` for a model
            without the knobs, or whose strengths are all 0.
    """

    falling: Falling
    costs: list[float]
    _configured: dict[str, Any]
    _was_off: bool | None

    def __init__(
        self,
        *,
        after_epochs: int,
        strengths: Mapping[str, float | Sequence[float]] | None = None,
        on_rising_cost: str = "warn",
    ) -> None:
        super().__init__()
        self.after_epochs = checks.whole_number("after_epochs", after_epochs, 1)
        self.strengths = _check_strengths(strengths)
        self.on_rising_cost = checks.one_of("on_rising_cost", on_rising_cost, ON_RISING_COST)
        self._knobs: dict[str, Knob] = {}
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> RegularizationActivation:
        return checks.copy_sharing(self, memo, (self._model, *self._knobs.values()))

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the run before, and find the knobs."""
        if self._off:  # Left at 0 by a fit that was interrupted.
            self._activate()
        self._start()
        self._knobs = knobs(self.model)
        missing = sorted(set(self.strengths or {}) - set(self._knobs))
        if missing or not self._knobs:
            raise ConfigError(
                f"the model has no knob {', '.join(missing) or 'at all'} (there are:"
                f" {', '.join(self._knobs) or 'none'}), got strengths={self.strengths!r}: make"
                " knobs with keras_ext.regularization.adjustable(model)"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Turn regularization off at the first epoch, and on when it is time."""
        if not self._begun:
            self._begin(epoch)
        elif self._off and epoch >= self.after_epochs:
            self._activate()
        self._penalty = _penalty(self.model) if self._off else 0.0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """See whether the cost went down."""
        logs = {} if logs is None else logs
        if self._off:
            self._watch(epoch, logs)
        logs["regularization_active"] = float(not self._off)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Leave the strengths as configured."""
        if self._off:
            self._activate()
        self._knobs = {}

    def get_state(self) -> dict[str, Any]:
        """What a resumed run must know."""
        return {
            "configured": dict(self._configured),
            "off": self._off,
            "costs": list(self.costs),
            "told": self._told,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where ``get_state`` was called; between ``on_train_begin`` and the first epoch."""
        self._configured = dict(state["configured"])
        self._was_off = bool(state["off"])
        self.costs = list(state["costs"])
        self._told = bool(state["told"])
        self._judge()

    def _start(self) -> None:
        self.costs = []
        self.falling = falling([])
        self._configured = {}
        self._begun = False
        self._off = False
        self._was_off = None
        self._told = False
        self._penalty = 0.0

    def _begin(self, epoch: int) -> None:
        """Decide at the first epoch, when a resume has brought back weights and state."""
        self._begun = True
        if self._was_off is False:
            return  # The strengths are in the weights, also where they were turned since.
        if self._was_off is None:
            present = {name: knob.value for name, knob in self._knobs.items()}
            self._configured = {**present, **(self.strengths or {})}
        if not any(np.any(value) for value in self._configured.values()):
            raise ConfigError(
                "strengths must name a value above 0, as all of the model's are 0, got"
                f" strengths={self.strengths!r}"
            )
        self._activate()  # Refuses now what is out of range, not epochs later.
        if epoch < self.after_epochs:
            for knob in self._knobs.values():
                knob.value = 0.0
            self._off = True

    def _activate(self) -> None:
        for name, knob in self._knobs.items():
            knob.value = self._configured[name]
        self._off = False

    def _watch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if "train_cost" in logs:
            if logs.get("measured_epoch", epoch) == epoch:
                self.costs.append(float(logs["train_cost"]))
        elif "loss" in logs:
            # The loss of a full batch is that of the weights before the step.
            end = self._penalty if self._full_batch else _penalty(self.model)
            self.costs.append(float(logs["loss"]) - (self._penalty + end) / 2)
        elif not self._told:
            self._say(f"found neither train_cost nor loss in logs, only: {', '.join(logs)}")
        self._judge()
        if self.falling.passed is False:
            if not self._told and self.on_rising_cost != "ignore":
                self._say(
                    f"without regularization the training cost does not go down, it is"
                    f" {self.falling.first:.4g} -> {self.falling.last:.4g} after epoch {epoch + 1}:"
                    f" {FIRST_SUSPECT}"
                )
            self._told = True
            if self.on_rising_cost == "stop":
                self.model.stop_training = True

    def _judge(self) -> None:
        noise = FULL_BATCH_NOISE if self._full_batch else MINI_BATCH_NOISE
        self.falling = falling(self.costs, noise=noise)

    def _say(self, message: str) -> None:
        self._told = True
        warnings.warn(f"RegularizationActivation: {message}", stacklevel=3)

    @property
    def _full_batch(self) -> bool:
        return (self.params or {}).get("steps") == 1


def _check_strengths(value: Any) -> Any:
    """The mapping, if its values can be strengths; whether they are in range only a knob knows."""
    checks.of_type("strengths", value, (Mapping, type(None)), "a mapping or None")
    for item in (value or {}).values():
        numbers = list(item) if isinstance(item, (tuple, list)) else [item]
        if not all(_is_strength(number) for number in numbers):
            raise ConfigError(
                f"strengths must be finite numbers of at least 0, got strengths={value!r}"
            )
    return value


def _is_strength(value: Any) -> bool:
    number = isinstance(value, Real) and not isinstance(value, bool)
    return bool(number and 0 <= value < inf)


def _penalty(model: Any) -> float:
    """The sum of the penalties on weights at present."""
    found = [
        float(keras.ops.convert_to_numpy(weight.regularizer(weight.value)))
        for weight in model.trainable_variables
        if weight.regularizer is not None
    ]
    return sum(found)
