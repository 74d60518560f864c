"""A run that is killed and started again ends as if nothing had happened."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from math import inf
from typing import Any

import keras

from keras_ext.callbacks import checks, kept_model, part_states
from keras_ext.callbacks.description import describe, differences, plain
from keras_ext.callbacks.generations import Generations
from keras_ext.errors import ConfigError, OutputError
from keras_ext.gradients import random_state


class TrainingState(keras.callbacks.Callback):
    """Keeps all that a run needs to go on, and goes on from there when the program starts again.

    After an epoch it writes weights, batch statistics, optimizer (iterations and learning rate
    too), seed generators, the random state of Python, numpy, Keras and the backend, the history,
    and the state of the other callbacks: those of keras_ext, EarlyStopping, ReduceLROnPlateau,
    ModelCheckpoint, SwapEMAWeights, TensorBoard, CSVLogger (rows of epochs that are trained again
    are taken out) and all that have ``get_state()`` and ``set_state(state)``. One that changes and
    has no such methods is named in a warning. Started again, the same program takes all that up
    at the beginning of ``fit`` and ends with the history and weights of a run that was not
    interrupted, bit for bit where training itself is repeatable.

    It comes last, and is given the list that ``fit`` gets::

        callbacks = [keras.callbacks.EarlyStopping(), keras.callbacks.CSVLogger("log.csv")]
        callbacks.append(TrainingState("backup", callbacks))
        model.fit(x, y, epochs=20, callbacks=callbacks)

    Two files are written in turn, each with a checksum, and appear whole or not at all. One that
    is damaged is named in a warning, and the one before it is used. If a state can't be written
    (disk full), a warning says so, the one before it stays and training goes on.

    The files of a run that ends are removed: the next ``fit`` starts at its beginning and trains
    as many epochs as it is asked for. A fit that raised or was killed goes on with the next one
    that has the same directory, where ``epochs`` still counts from the first epoch of all. It is
    refused if model, optimizer, loss, metrics, batches an epoch or ``configuration`` differ.

    >>> import tempfile
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((8, 2)), np.ones((8, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = TrainingState(folder, keep=True)
    ...     _ = model.fit(x, y, epochs=2, verbose=0, callbacks=[state])
    ...     longer = model.fit(x, y, epochs=5, verbose=0, callbacks=[state])
    >>> state.resumed_epoch, longer.epoch
    (2, [0, 1, 2, 3, 4])

    Epochs are trained from their beginning, so the order of the batches must be known there. It is
    for arrays (after ``keras.utils.set_random_seed``) and for ``data`` below; it is not for a
    ``tf.data.Dataset.shuffle``, and with ``steps_per_epoch``, for which nobody can tell where in
    the data an epoch begins. On TensorFlow a model must have been built before ``fit`` or be one
    that can be built from the shape of its input.

    Args:
        directory: the folder for the files, of this run alone (not of all trials of a search).
        callbacks: the callbacks of the fit, itself included or not.
        data: what feeds the fit, one or several: objects with ``set_epoch(epoch)``, called at the
            beginning of every epoch (``data.training_batches``), with ``get_state()`` and
            ``set_state(state)``, or generators of random numbers (``numpy.random.Generator``).
        every: write after so many epochs, and after the last one.
        configuration: what must not differ for the run to go on and can't be seen from a
            callback: plain values or a record, such as the batch size and the seed of the data.
        keep: leave the files of a run that ended. The next fit then gets the model and the
            history as they were, and trains only the epochs that are asked for beyond.

    Attributes:
        resumed_epoch: how many epochs were done before this fit, or None if it began anew.

    Raises:
        ConfigError: naming the argument; at the start of ``fit`` for what differs from the run in
            the directory, and for callbacks that come after it.
        OutputError: at the start of ``fit``, if the directory can't be made.
    """

    resumed_epoch: int | None
    _description: dict[str, Any]
    _signatures: list[dict[str, Any]]
    _first_epoch: int | None

    def __init__(
        self,
        directory: str | os.PathLike[str],
        callbacks: Sequence[Any] = (),
        *,
        data: Any = None,
        every: int = 1,
        configuration: Any = None,
        keep: bool = False,
    ) -> None:
        super().__init__()
        self.directory = checks.of_type("directory", directory, (str, os.PathLike), "a path")
        self.callbacks = part_states.check_callbacks(callbacks)
        self.data = data
        self.every = checks.whole_number("every", every, 1)
        self.configuration = plain(configuration)
        self.keep = checks.of_type("keep", keep, bool, "True or False")
        for part in self._data():
            if not part_states.can_follow(part):
                raise ConfigError(
                    "data must have set_epoch, or get_state and set_state, or be a generator of "
                    f"random numbers, got data={data!r}"
                )
        self._late: list[str] = []
        self._start()

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainingState:
        return checks.copy_sharing(self, memo, (self.data, *self._data(), self._model))

    def set_params(self, params: Any) -> None:
        """Called for one callback of the fit after the other: note which were not there yet."""
        super().set_params(params)
        told = keras.callbacks.Callback.set_params
        parts = [part for part in self._parts() if type(part).set_params is told]
        self._late = [type(part).__name__ for part in parts if part.params is not params]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Take up the run in the directory, if there is one."""
        if self._late:
            raise ConfigError(
                f"TrainingState must come after the callbacks whose state it keeps, in the same "
                f"fit; {self._late[0]} comes later or is not in it"
            )
        self._start()
        self._generations.prepare()
        self._description = describe(
            self.model, steps=self._parameter("steps"), configuration=self.configuration
        )
        self._signatures = [part_states.signature(part) for part in self._parts()]
        state, problems = self._generations.load()
        instead = "the state before it is used" if state else "training starts anew"
        for problem in problems:
            warnings.warn(f"{problem}; {instead}", stacklevel=2)
        if state is not None:
            self._resume(state)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell the data which epoch begins."""
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._settle()
            if self.resumed_epoch not in (None, epoch):
                raise ConfigError(
                    f"this version of Keras starts at epoch {epoch} and not where the run in "
                    f"{self.directory} ended: give fit initial_epoch={self.resumed_epoch}"
                )
        self._warn_of_later_logs()
        for part in self._data():
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the state, if it is time to."""
        self._epochs.append(epoch)
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(value)
        self._warn_of_unkept_states()
        last = self.model.stop_training or epoch + 1 == self._parameter("epochs")
        if last or (epoch + 1 - (self._first_epoch or 0)) % self.every == 0:
            self._save(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Remove the files: a run that ended is not taken up again."""
        self._settle()
        ahead = (self.resumed_epoch or 0) > (self._parameter("epochs") or inf)
        if self.keep or (ahead and not self.model.stop_training):
            return
        try:
            self._generations.clear()
        except OutputError as problem:
            warnings.warn(f"the next fit will take up this run: {problem}", stacklevel=2)

    def _start(self) -> None:
        self._generations = Generations(self.directory)
        self._description = {}
        self._epochs: list[int] = []
        self._history: dict[str, list[Any]] = {}
        self._signatures = []
        self._warned: set[str] = set()
        self._first_epoch = None
        self._saved_epoch: int | None = None
        self.resumed_epoch = None

    def _parameter(self, name: str) -> Any:
        """What fit says of itself; nothing in a loop of the user's own."""
        return (self.params or {}).get(name)

    def _parts(self) -> list[Any]:
        return [part for part in self.callbacks if part is not self]

    def _data(self) -> list[Any]:
        if self.data is None:
            return []
        return list(self.data) if isinstance(self.data, (list, tuple)) else [self.data]

    def _save(self, epochs: int) -> None:
        state = {
            "epochs": epochs,
            "stopped": bool(self.model.stop_training),
            "description": self._description,
            "model": kept_model.capture(self.model),
            "callbacks": part_states.collect(self._parts()),
            "data": part_states.collect(self._data()),
            "history": {"epoch": self._epochs, "history": self._history},
            "random": random_state.capture(),
        }
        try:
            self._generations.save(state)
            self._saved_epoch = epochs
        except OutputError as problem:
            kept = f"the one after epoch {self._saved_epoch}" if self._saved_epoch else "none"
            warnings.warn(
                f"the state after epoch {epochs} is not kept, {kept} is: {problem}", stacklevel=2
            )

    def _resume(self, state: dict[str, Any]) -> None:
        found = differences(
            state["description"], self._description, trained=kept_model.trained(self.model)
        )
        found = found or kept_model.differences(state["model"], self.model)
        found += part_states.differences(state["callbacks"], self._parts(), "callbacks")
        found += part_states.differences(state["data"], self._data(), "data")
        if found:
            raise ConfigError(
                f"the run in {self.directory} can't go on: {'; '.join(found)}; undo that, or "
                "remove the folder to start anew"
            )
        # That of the beginning: since then callbacks may have turned a rate in this very model.
        self._description = state["description"]
        kept_model.restore(self.model, state["model"])
        part_states.distribute(state["callbacks"], self._parts())
        part_states.distribute(state["data"], self._data())
        self._epochs, self._history = state["history"]["epoch"], state["history"]["history"]
        random_state.restore(state["random"])
        self._go_on(state["epochs"], stopped=state["stopped"])

    def _go_on(self, done: int, *, stopped: bool) -> None:
        """Make fit begin where the run ended; it has no argument for that at this point."""
        asked = self._parameter("epochs") or inf
        self.resumed_epoch = self._saved_epoch = done
        self.model.stop_training = self.model.stop_training or stopped
        self.model._initial_epoch = asked if stopped and asked < inf else done
        if stopped or done >= asked:
            warnings.warn(
                f"nothing is left to train: the run in {self.directory} has done {done} epochs "
                + ("and was stopped" if stopped else f"of {asked}"),
                stacklevel=2,
            )
        elif self._parameter("verbose"):
            print(f"Going on after epoch {done} of {asked}, from {self.directory}")

    def _settle(self) -> None:
        """What can't be done in on_train_begin: fit reads one after it, History resets the other.

        Keras never resets ``_initial_epoch``: a later fit of the model would begin there too.
        """
        if self.resumed_epoch is not None:
            self.model._initial_epoch = None
            recorded = self._recorded()
            if recorded is not None and not recorded.epoch:
                recorded.epoch = list(self._epochs)
                recorded.history = {name: list(values) for name, values in self._history.items()}

    def _recorded(self) -> keras.callbacks.History | None:
        history = getattr(self.model, "history", None)
        return history if isinstance(history, keras.callbacks.History) else None

    def _warn_of_unkept_states(self) -> None:
        for part, before in zip(self._parts(), self._signatures, strict=True):
            now = part_states.signature(part)
            changed = sorted(name for name in now if before.get(name) != now[name])
            if changed:
                self._warn_once(
                    f"{type(part).__name__} has state that a resumed run will lack "
                    f"({', '.join(changed)}): give it get_state() and set_state(state)"
                )

    def _warn_of_later_logs(self) -> None:
        recorded = self._recorded()
        later = sorted(set(recorded.history) - set(self._history)) if recorded else []
        if later and self._epochs:
            self._warn_once(
                f"{', '.join(later)} came into logs after TrainingState, and will be missing from "
                "a resumed history: put it last"
            )

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            warnings.warn(text, stacklevel=3)
