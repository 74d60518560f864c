"""TrainingState among other callbacks: its place, their states, and what it says."""

from __future__ import annotations

import copy
import shutil
import warnings

import keras
import pytest

from keras_ext.callbacks import TrainingState
from keras_ext.errors import ConfigError
from tests.callbacks import training_state_run as runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happens to, without TrainingState."""
    return runs.train(tmp_path_factory.mktemp("whole"), state=False)


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """The folder of a run that was interrupted in its fourth epoch."""
    folder = tmp_path_factory.mktemp("halved")
    runs.interrupted(folder, 3)
    return folder


def test_the_list_it_is_given_may_contain_it(whole, tmp_path):
    callbacks = runs.callbacks(tmp_path)
    callbacks.append(TrainingState(tmp_path / "backup", callbacks))
    x, y = runs.arrays()
    options = {"epochs": 5, "batch_size": 32, "verbose": 0, "validation_data": (x[:32], y[:32])}
    for callback in (runs.Raise(3), None):
        used = copy.deepcopy(callbacks)
        assert used[-1].callbacks is used
        try:
            fitted = runs.classifier().fit(
                x, y, callbacks=[*used[:-1], used[-1], *([callback] if callback else [])], **options
            )
        except KeyboardInterrupt:
            used[3].on_train_end()
    assert used[-1].resumed_epoch == 3
    assert fitted.history == whole.history


def test_it_comes_last(tmp_path):
    x, y = runs.arrays()
    early = keras.callbacks.EarlyStopping("loss")
    state = TrainingState(tmp_path, [early])
    for callbacks in ([state, early], [state], [copy.deepcopy(early), state]):
        with pytest.raises(ConfigError, match=r"after the callbacks .* EarlyStopping comes later"):
            runs.two().fit(x, y, verbose=0, callbacks=callbacks)
    runs.two().fit(x, y, verbose=0, callbacks=[early, state])


def test_logs_that_come_after_it_are_named_once(tmp_path):
    class Late(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["late"] = 1.0

    x, y = runs.arrays()
    with pytest.warns(UserWarning, match=r"^late came into logs after TrainingState") as caught:
        runs.two().fit(x, y, epochs=3, verbose=0, callbacks=[TrainingState(tmp_path), Late()])
    assert len([w for w in caught if "late came" in str(w.message)]) == 1


class Counts(keras.callbacks.Callback):
    """Has state, and no way to keep it."""

    def on_train_begin(self, logs=None):
        self.rows, self.fixed = [], [1, 2]

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(epoch)


class Remembers(Counts):
    """Has a way."""

    def get_state(self):
        return {"rows": self.rows}

    def set_state(self, state):
        self.rows = state["rows"]


class Prints(keras.callbacks.Callback):
    """Has none."""

    def __init__(self):
        super().__init__()
        self.text = "epoch"


def test_state_that_is_not_kept_is_said_once_by_name(tmp_path):
    x, y = runs.arrays()
    parts = [Counts(), Remembers(), Prints(), *runs.callbacks(tmp_path)[:2]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        runs.two().fit(
            x,
            y,
            epochs=3,
            verbose=0,
            validation_split=0.5,
            callbacks=[*parts, TrainingState(tmp_path / "backup", parts)],
        )
    (said,) = [str(w.message) for w in caught if "state" in str(w.message)]
    assert said.startswith("Counts has state that a resumed run will lack (rows): give it get_st")


def test_callbacks_that_tell_their_state_get_it_back(tmp_path):
    x, y = runs.arrays()
    for extra in ([runs.Raise(2)], []):
        part = Remembers()
        callbacks = [part, TrainingState(tmp_path, [part]), *extra]
        try:
            runs.two().fit(x, y, epochs=4, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            assert part.rows == [0, 1]
    assert part.rows == [0, 1, 2, 3]


def test_state_that_can_not_be_written_is_named(tmp_path):
    class Odd(Remembers):
        def get_state(self):
            return {"rows": object()}

    x, y = runs.arrays()
    part = Odd()
    with pytest.raises(ConfigError, match=r"Odd'\].*\['rows'\] is of type object"):
        runs.two().fit(x, y, verbose=0, callbacks=[part, TrainingState(tmp_path, [part])])


def test_rows_that_a_log_had_before_stay(tmp_path):
    x, y = runs.arrays()
    log = tmp_path / "log.csv"

    def fit(*extra):
        logger = keras.callbacks.CSVLogger(str(log), separator=";", append=True)
        callbacks = [logger, TrainingState(tmp_path / "backup", [logger]), *extra]
        keras.utils.set_random_seed(0)
        try:
            runs.two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        finally:
            logger.on_train_end()

    fit()
    before = log.read_text()
    fit()
    twice = log.read_text()
    log.write_text(before)
    with pytest.raises(KeyboardInterrupt):
        fit(runs.Raise(2))
    log.write_text(log.read_text() + "2;0.5;an epoch that was not kept\n")
    fit()
    assert log.read_text() == twice
    assert twice.startswith("epoch;loss;")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_tensorboard_goes_on_at_its_step(tmp_path):
    steps = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(board._global_train_batch)

    x, y = runs.arrays()
    for extra in ([runs.Raise(2)], []):
        board = keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False)
        callbacks = [board, TrainingState(tmp_path / "backup", [board]), Look(), *extra]
        try:
            runs.two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            board.on_train_end()
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6]


def test_what_it_says_when_it_goes_on(halved, tmp_path, capsys):
    folder = shutil.copytree(halved, tmp_path / "copy")
    runs.train(folder, verbose=2)
    said = f"Going on after epoch 3 of 5, from {folder / 'backup'}\n"
    assert said in capsys.readouterr().out


def test_where_it_went_on_from(halved, tmp_path):
    folder = shutil.copytree(halved, tmp_path / "copy")
    parts = runs.callbacks(folder)
    state = TrainingState(folder / "backup", parts)
    assert state.resumed_epoch is None
    x, y = runs.arrays()
    data = {"batch_size": 32, "validation_data": (x[:32], y[:32])}
    model = runs.classifier()
    model.fit(x, y, epochs=5, verbose=0, callbacks=[*parts, state], **data)
    assert state.resumed_epoch == 3
    assert model._initial_epoch is None


def test_a_keras_that_starts_elsewhere_is_found(halved, tmp_path, monkeypatch):
    """Where to begin has no public name: if it goes, the resumed run must not go wrong."""
    folder = shutil.copytree(halved, tmp_path / "copy")

    class Deaf(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model._initial_epoch = None

    with pytest.raises(ConfigError, match="give fit initial_epoch=3"):
        runs.train(folder, Deaf())
