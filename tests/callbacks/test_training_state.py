"""A run that is interrupted and started again ends as the one that was not."""

from __future__ import annotations

import atexit
import itertools
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TrainingState
from keras_ext.errors import ConfigError
from tests.callbacks import training_state_run as runs

BAD = {
    "directory": 3,
    "callbacks": "early",
    "data": "shuffled",
    "every": 0,
    "configuration": {1, 2},
    "keep": "yes",
}

_folder = tempfile.TemporaryDirectory(prefix="training-state-")
atexit.register(_folder.cleanup)
_numbers = itertools.count()


def example(**changes) -> TrainingState:
    """One with a folder of its own, as the laws want it."""
    return TrainingState(
        **{"directory": Path(_folder.name) / str(next(_numbers)), "every": 2, **changes}
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happens to, without TrainingState."""
    return runs.train(tmp_path_factory.mktemp("whole"), state=False)


def test_it_changes_nothing(whole, tmp_path):
    runs.train(tmp_path).assert_equal(whole)
    assert not (tmp_path / "backup").exists()


@pytest.mark.slow
def test_interrupted_again_and_again(whole, tmp_path):
    """The learning rate falls after the third epoch, and both generators and moments matter."""
    for epoch in (1, 1, 3):
        runs.interrupted(tmp_path, epoch)
    runs.train(tmp_path).assert_equal(whole)
    assert len(set(whole.history["learning_rate"])) == 2


@pytest.mark.slow
def test_interrupted_before_anything_was_kept(whole, tmp_path):
    runs.interrupted(tmp_path, 0)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_every_so_many_epochs(whole, tmp_path):
    options = {"every": 2}
    runs.interrupted(tmp_path, 3, options=options)
    runs.train(tmp_path, options=options).assert_equal(whole)


@pytest.mark.slow
def test_what_the_callbacks_have_for_a_state(tmp_path):
    """As they leave the fit, whether it was interrupted or not."""

    def attributes(folder):
        parts = runs.callbacks(folder)
        state = TrainingState(folder / "backup", parts)
        x, y = runs.arrays()
        options = {"epochs": 5, "batch_size": 32, "verbose": 0, "validation_split": 0.5}
        raiser = [runs.Raise(3)] if not (folder / "backup").exists() and folder.name == "b" else []
        try:
            runs.classifier().fit(x, y, callbacks=[*parts, state, *raiser], **options)
        except KeyboardInterrupt:
            parts[3].on_train_end()
            return attributes(folder)
        names = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter")
        return [
            {name: value for name, value in vars(part).items() if name in names} for part in parts
        ], [weights.tolist() for weights in parts[0].best_weights]

    for name in "ab":
        (tmp_path / name).mkdir()
    assert attributes(tmp_path / "a") == attributes(tmp_path / "b")


# The end of a run.


def test_killed_after_its_last_epoch_nothing_is_trained_again(whole, tmp_path):
    runs.interrupted(tmp_path, None)
    with pytest.warns(UserWarning, match=r"nothing is left to train: .* has done 5 epochs of 5"):
        resumed = runs.train(tmp_path)
    resumed.assert_equal(whole)
    assert not (tmp_path / "backup").exists()


class StopIn(keras.callbacks.Callback):
    """What EarlyStopping does when it runs out of patience."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 2


def test_a_stopped_run_is_not_trained_further(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", first=(StopIn(),), state=False)
    with pytest.raises(KeyboardInterrupt):
        runs.train(tmp_path, first=(StopIn(), runs.Raise(None)))
    model = runs.classifier()
    with pytest.warns(UserWarning, match="has done 3 epochs and was stopped"):
        resumed = runs.train(tmp_path, first=(StopIn(),), model=model)
    resumed.assert_equal(whole)
    assert resumed.epoch == [0, 1, 2]
    assert model.stop_training
    assert not (tmp_path / "backup").exists()


@pytest.mark.slow
def test_a_later_fit_trains_as_many_epochs_as_it_is_asked_for(tmp_path):
    x, y = runs.arrays()
    runs.interrupted(tmp_path, 3)
    model = runs.classifier()
    state = TrainingState(tmp_path / "backup", runs.callbacks(tmp_path)[:0])
    (tmp_path / "backup" / "generation-0.state").unlink()
    with pytest.raises(ConfigError, match="callbacks with state were EarlyStopping"):
        model.fit(x, y, verbose=0, batch_size=32, callbacks=[state])
    resumed = runs.train(tmp_path, model=model)
    assert resumed.epoch == list(range(5))
    assert model.fit(x, y, verbose=0, epochs=2).epoch == [0, 1]
    assert model.fit(x, y, verbose=0, epochs=2, callbacks=[state]).epoch == [0, 1]
    assert model.fit(x, y, verbose=0, epochs=4, callbacks=[state]).epoch == [0, 1, 2, 3]
    again = model.fit(x, y, verbose=0, epochs=4, initial_epoch=1, callbacks=[state])
    assert again.epoch == [1, 2, 3]
    assert state.resumed_epoch is None


def test_the_same_model_goes_on_after_an_interruption(whole, tmp_path):
    """In a notebook, say: its learning rate is another one by now, its optimizer has stepped."""
    model = runs.classifier()
    runs.interrupted(tmp_path, 4, model=model)
    runs.interrupted(tmp_path, 4, model=model)
    runs.train(tmp_path, model=model).assert_equal(whole)


@pytest.mark.slow
def test_after_that_a_fresh_one_goes_on_as_well(whole, tmp_path):
    model = runs.classifier()
    runs.interrupted(tmp_path, 3, model=model)
    runs.interrupted(tmp_path, 4, model=model)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_fewer_epochs_than_are_done_train_none_and_keep_the_run(whole, tmp_path):
    runs.interrupted(tmp_path, 4)
    with pytest.warns(UserWarning, match=r"nothing is left to train: .* 4 epochs of 2"):
        runs.train(tmp_path, epochs=2)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_more_epochs_may_be_asked_for(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", state=False, epochs=4)
    runs.interrupted(tmp_path, 2, epochs=3)
    runs.train(tmp_path, epochs=4).assert_equal(whole)


@pytest.mark.slow
def test_a_run_that_ended_can_be_kept(whole, tmp_path):
    for asked, said in ((5, "done 5 epochs of 5"), (4, "done 5 epochs of 4")):
        folder = tmp_path / str(asked)
        folder.mkdir()
        runs.train(folder, options={"keep": True}).assert_equal(whole)
        with pytest.warns(UserWarning, match=said):
            again = runs.train(folder, options={"keep": True}, epochs=asked)
        again.assert_equal(whole)
    longer = runs.train(folder, options={"keep": True}, epochs=6)
    assert longer.epoch == list(range(6))
    assert longer.history["loss"][:5] == whole.history["loss"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"callbacks": [3]}, r"callbacks must be a list of callbacks, got callbacks=\[3\]"),
        ({"data": [np.random.default_rng(0), 3]}, "data must have set_epoch, or"),
        ({"configuration": {"rows": np.ones(2)}}, "configuration must be plain values"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(ConfigError, match=said):
        example(**arguments)


def test_keras_s_own_backup_is_refused(tmp_path):
    other = keras.callbacks.BackupAndRestore(str(tmp_path))
    with pytest.raises(ConfigError, match="must not have a BackupAndRestore"):
        example(callbacks=[other])
