"""The live view: what it shows, and how it leaves the terminal."""

from __future__ import annotations

import copy
import gc
import io
import re

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import Progress

BAD = {"console": "stdout", "quiet": "no", "label": 3}

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


def example(**changes) -> Progress:
    """One that prints into nothing, as the laws want it."""
    return Progress(**{"console": terminal(), **changes})


def terminal(*, live: bool = True) -> Console:
    return Console(file=io.StringIO(), force_terminal=live, width=120, _environ={})


def plain(console: Console) -> str:
    """What was printed, without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def fit(*callbacks, epochs=3, optimizer="sgd", **options):
    """Train a line on 12 points in 3 steps an epoch."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(12, 2))
    options = {"batch_size": 4, "verbose": 0, **options}
    return model.fit(x, x.sum(axis=1), epochs=epochs, callbacks=list(callbacks), **options)


class Logs(keras.callbacks.Callback):
    """Writes both errors."""

    def on_epoch_end(self, epoch, logs=None):
        logs |= {"train_error": 0.125, "validation_error": 0.25}


class Fail(keras.callbacks.Callback):
    """Raises in the second step."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise self.error


def test_plain_lines_where_there_is_no_terminal():
    console = terminal(live=False)
    fit(Logs(), Progress(console=console, label="round 1"), optimizer=keras.optimizers.SGD(0.05))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 3
    pattern = (
        r"round 1 epoch {}/3  train_error 0\.125  validation_error 0\.25"
        r"  learning_rate 0\.05  \d+ s left"
    )
    for number, line in enumerate(lines, start=1):
        assert re.fullmatch(pattern.format(number), line)
    assert lines[-1].endswith(" 0 s left")


def test_without_errors_it_shows_the_loss():
    console = terminal(live=False)
    history = fit(Progress(console=console), validation_split=0.25).history
    last = console.file.getvalue().splitlines()[-1]
    assert f"loss {history['loss'][-1]:.4g}  val_loss {history['val_loss'][-1]:.4g}  " in last


def test_the_learning_rate_is_the_one_of_the_step_also_with_a_schedule():
    console = terminal(live=False)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3, 6], [0.3, 0.2, 0.1])
    fit(Progress(console=console), optimizer=keras.optimizers.SGD(schedule))
    found = re.findall(r"learning_rate (\S+)", console.file.getvalue())
    assert found == [f"{float(schedule(step)):.4g}" for step in (3, 6, 9)]


def test_the_bar_arrives_at_its_end():
    console = terminal()
    fit(Logs(), Progress(console=console, label="mnist"))
    text = plain(console)
    last = text.strip().splitlines()[-1]
    assert last.startswith("mnist epoch 3/3 ")
    assert last.split("\r")[-1].endswith("train error 0.125  validation 0.25  rate 0.01 0:00:00")
    assert "mnist epoch 1/3" in text


def test_a_narrow_terminal_shows_all_numbers():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={})
    progress = Progress(console=console, label="round 2")
    progress.set_params({"epochs": 12, "steps": 10})
    progress.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    progress.model.compile(keras.optimizers.SGD(0.001234), "mse")
    progress.on_train_begin()
    progress.on_epoch_begin(9)
    progress.on_epoch_end(9, {"train_error": 0.01234, "validation_error": 0.02345})
    progress.on_train_end()
    last = plain(console).strip().splitlines()[-1].split("\r")[-1]
    assert last.startswith("round 2 epoch 10/12 ")
    assert "train error 0.01234  validation 0.02345  rate 0.001234" in last
    assert len(last) <= 80


def steps_of(progress: Progress) -> tuple[float, float | None]:
    task = progress._bar.tasks[0]
    return task.completed, task.total


def test_the_bar_counts_steps_of_all_epochs(monkeypatch):
    monkeypatch.setattr("keras_ext.callbacks.progress.REFRESH_SECONDS", 0)
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(steps_of(progress))

    progress = example()
    fit(progress, Look(), initial_epoch=1)
    assert seen == [(step, 6) for step in range(1, 7)]


def test_the_number_of_steps_may_be_unknown_at_first(monkeypatch):
    monkeypatch.setattr("keras_ext.callbacks.progress.REFRESH_SECONDS", 0)
    progress, seen = example(), []
    progress.set_params({"epochs": 2, "steps": None})
    progress.on_train_begin()
    for epoch in range(2):
        progress.on_epoch_begin(epoch)
        for step in range(3):
            progress.on_train_batch_end(step)
            seen.append(steps_of(progress))
        progress.on_epoch_end(epoch, {})
    progress.on_train_end()
    assert seen == [(1, None), (2, None), (3, None), (4, 6), (5, 6), (6, 6)]


def test_batches_refresh_the_screen_only_now_and_then(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) * 0.001)
    console = terminal()
    progress = Progress(console=console)
    progress.set_params({"epochs": 1, "steps": 1000})
    progress.on_train_begin()
    progress.on_epoch_begin(0)
    for step in range(1000):
        progress.on_train_batch_end(step)
    progress.close()
    assert plain(console).count("epoch 1/1") < 40


def test_quiet_prints_nothing():
    for console in (terminal(), terminal(live=False)):
        fit(Progress(console=console, quiet=True))
        assert console.file.getvalue() == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
@pytest.mark.parametrize("how", ["context", "close", "dropped"])
def test_the_terminal_is_clean_after_an_exception(error, how):
    console = terminal()
    progress = Progress(console=console)
    if how == "context":
        with pytest.raises(error), progress:
            fit(progress, Fail(error()))
    else:
        with pytest.raises(error):
            fit(progress, Fail(error()))
    if how == "close":
        progress.close()
        progress.close()
    if how == "dropped":
        del progress
        gc.collect()
    else:
        assert progress._bar is None
    text = console.file.getvalue()
    assert text.count(HIDE) == 1
    assert text.rstrip().rfind(SHOW) > text.rfind(HIDE)
    assert text.endswith(("\n", SHOW))
    assert console._live is None if hasattr(console, "_live") else not console._live_stack


def test_the_cursor_is_not_even_hidden_while_it_runs():
    console = terminal()
    progress = Progress(console=console)
    with pytest.raises(KeyboardInterrupt):
        fit(progress, Fail(KeyboardInterrupt()))
    assert progress._bar is not None
    assert console.file.getvalue().rfind(SHOW) > console.file.getvalue().rfind(HIDE)
    progress.close()


def test_a_fit_after_a_failed_one_starts_anew():
    console = terminal()
    progress = Progress(console=console)
    with pytest.raises(ValueError, match="broken"):
        fit(progress, Fail(ValueError("broken")))
    fit(progress)
    assert plain(console).strip().splitlines()[-1].startswith("epoch 3/3")


def test_a_copy_shares_the_terminal():
    console = terminal()
    assert copy.deepcopy(Progress(console=console)).console is console


def test_nothing_has_to_wait_for_it():
    assert Progress.async_safe is True
