"""Killed while it trains, a sweep goes on after the last epoch and ends as one that was not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keras_ext.sweep_records import Trial
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.outcome import trials_of
from tests.tuning.real_sweep import BASE, TRIALS

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
KILLS = 3
LONGEST = 300
"""Seconds of a start; far more than it takes on a busy machine."""


def start(folder: Path, log: Path, after: int = 0, seconds: float = 0.0) -> int:
    """The exit status of a process that works on the sweep."""
    command = [sys.executable, "-m", "tests.tuning.real_sweep"]
    arguments = [str(folder), str(log), str(after), str(seconds)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, timeout=LONGEST, check=False
    )
    return done.returncode


def epochs(log: Path) -> list[tuple[float, int]]:
    """Learning rate and number of each epoch that came to its end."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(float(rate), int(number)) for rate, number in map(str.split, lines)]


def timeless(trial: Trial) -> Any:
    runs = [
        (run.seed, run.train, run.validation, [{**row, "seconds": 0.0} for row in run.history])
        for run in trial.executions
    ]
    return trial.trial_id, trial.status, trial.values, trial.metrics, trial.diagnosis, runs


def test_killed_while_it_trains_a_sweep_ends_bit_for_bit_as_one_that_was_not(tmp_path):
    rng = random.Random(0)
    folder, log = tmp_path / "killed", tmp_path / "log"
    for _ in range(KILLS):
        before = epochs(log)
        # Less than what is left, so that each kill hits.
        after, seconds = rng.randint(2, 3), rng.choice([0.0, rng.uniform(0.0, 0.05)])
        assert start(folder, log, after, seconds) == -signal.SIGKILL
        goes_on(before, epochs(log))
    before = epochs(log)
    assert start(folder, log) == 0
    goes_on(before, epochs(log))
    assert start(tmp_path / "whole", tmp_path / "other") == 0
    found = Journal(folder / "journal.jsonl")
    whole = trials_of(Journal(tmp_path / "whole" / "journal.jsonl"))
    assert [timeless(trial) for trial in trials_of(found)] == [timeless(trial) for trial in whole]
    finished = [event["number"] for event in found.events if event["event"] == "finished"]
    assert finished == list(range(TRIALS))
    assert len(epochs(tmp_path / "other")) == TRIALS * BASE.epochs
    # A kill costs the epoch whose state was not on the disk yet, and none before it.
    assert len(epochs(log)) <= TRIALS * BASE.epochs + KILLS


def goes_on(before: list[tuple[float, int]], after: list[tuple[float, int]]) -> None:
    """The first epoch of a start follows the last one, or is that one again."""
    if not before or len(after) == len(before):
        return
    (rate, last), (now, first) = before[-1], after[len(before)]
    if rate == now:
        assert first in (last, last + 1)
    else:
        assert (last, first) == (BASE.epochs - 1, 0)
