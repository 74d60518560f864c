"""A task arrives in another process as it was; what can't be sent is named."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext import models
from keras_ext.errors import ConfigError
from keras_ext.records import Arrays, Splits
from keras_ext.tuning import sending, sweep
from keras_ext.tuning.sending import check_task, read_task, write_task
from keras_ext.tuning.task import Task
from tests.tuning.black_box import BASE, BlackBox, space

pytestmark = pytest.mark.tensorflow


def splits() -> Splits:
    x = np.arange(300 * 200, dtype="float32").reshape(300, 200)
    whole = Arrays(x, np.arange(300) % 3, "numbers")
    return Splits(*(whole.take(slice(a, a + 100)) for a in (0, 100, 200)))


def test_a_task_arrives_as_it_was_and_large_arrays_are_shared(tmp_path):
    build = partial(models.build)
    task = Task(BASE, space, splits(), tmp_path, executions=2, build=build, reuse="trust")
    path = write_task(task, tmp_path)
    found = read_task(path)
    assert (found.base, found.space, found.directory) == (BASE, space, tmp_path)
    assert (found.executions, found.build.func, found.reuse) == (2, models.build, "trust")
    assert len(list(tmp_path.glob("array-*.npy"))) == 3
    for name in ("train", "validation", "test"):
        mine, theirs = getattr(task.splits, name), getattr(found.splits, name)
        np.testing.assert_array_equal(mine.x, theirs.x)
        np.testing.assert_array_equal(mine.y, theirs.y)
        assert (mine.name, mine.classes) == (theirs.name, theirs.classes)
        assert isinstance(theirs.x.base, np.memmap)
        theirs.x[0] = -1
    np.testing.assert_array_equal(read_task(path).splits.train.x, task.splits.train.x)


def nested() -> Any:
    def inner(hp: Any, base: Any) -> Any:
        return space(hp, base)

    return inner


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"space": lambda hp, base: base}, "space can't be sent to the workers"),
        ({"space": nested()}, "space can't be sent to the workers"),
        ({"build": lambda *a: None}, "build can't be sent to the workers"),
        ({"trainer": BlackBox(lambda call, config: None)}, "trainer can't be sent to the workers"),
    ],
)
def test_what_cannot_be_sent_is_named_before_anything_is_made(tmp_path, changes, named):
    arguments = {"space": space, "trainer": BlackBox(), "workers": 2, **changes}
    with pytest.raises(ConfigError, match=re.escape(named)):
        sweep(BASE, max_trials=2, directory=tmp_path / "folder", **arguments)
    assert not (tmp_path / "folder").exists()


def test_a_function_of_a_session_without_a_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("multiprocessing.spawn.get_preparation_data", lambda name: {"dir": "."})
    own = type("Own", (), {"__module__": "__main__"})
    monkeypatch.setattr("__main__.Own", own, raising=False)
    with pytest.raises(ConfigError, match=r"build can't be sent .* it stands in no file"):
        check_task(Task(BASE, space, splits(), tmp_path, build=own))


def test_a_worker_that_comes_to_the_sweep_again_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv(sending.TOKEN, "1")
    with pytest.raises(ConfigError, match="if __name__ == '__main__':"):
        sweep(BASE, space, max_trials=2, directory=tmp_path, trainer=BlackBox(), workers=2)


def test_the_files_are_read_back_by_the_path_alone(tmp_path):
    path = write_task(Task(BASE, space, None, tmp_path, trainer=BlackBox()), tmp_path)
    assert path == Path(tmp_path, "task.pickle")
    assert read_task(path).trainer.calls == []
