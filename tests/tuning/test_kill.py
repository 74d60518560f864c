"""Killed at any moment and started again, a sweep ends as if nothing had happened."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from keras_ext.tuning import sweep
from tests.tuning.black_box import BASE, BlackBox, error_of, space

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

TRIALS = 10
KILLS = 20
STARTS = 60


def work(directory: Path, log: Path, seconds: float) -> None:
    box = BlackBox(log=log, seconds=seconds)
    sweep(BASE, space, max_trials=TRIALS, directory=directory, confirm=2, trainer=box, quiet=True)


def started(directory: Path, log: Path, seconds: float) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(
        target=work, args=(directory, log, seconds)
    )
    process.start()
    return process


# The process that is forked has threads of TensorFlow, which the black box never calls.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_killed_at_20_times_a_sweep_loses_no_trial_and_scores_none_twice(tmp_path):
    """A sweep that is done before 20 kills have hit is checked, and another one is begun."""
    rng = random.Random(0)
    kills, number = 0, 0
    while kills < KILLS:
        number += 1
        kills += killed(tmp_path / f"sweep-{number}", tmp_path / f"log-{number}", rng, kills)
        check(tmp_path / f"sweep-{number}", tmp_path / f"log-{number}", tmp_path)


def killed(directory: Path, log: Path, rng: random.Random, before: int) -> int:
    """Start a sweep and kill it, again and again until it is done; how often it was killed."""
    kills = 0
    for _ in range(STARTS):
        # Once 20 kills have hit, the last start comes to its end.
        process = started(directory, log, seconds=0.03)
        process.join(rng.uniform(0.01, 1.2) if before + kills < KILLS else 120)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        if process.exitcode == 0:
            return kills
    pytest.fail(f"not done after {STARTS} starts")


def check(directory: Path, log: Path, tmp_path: Path) -> None:
    """No trial is lost or has another value, and none was scored twice."""
    box = BlackBox(lambda call, config: pytest.fail("run again"))
    result = sweep(
        BASE, space, max_trials=TRIALS, directory=directory, confirm=2, trainer=box, quiet=True
    )
    assert [t.trial_id for t in result.trials] == [f"{n:04d}" for n in range(TRIALS)]
    for trial in result.trials:
        assert trial.status == "completed"
        assert trial.validation_error == pytest.approx(error_of(trial.config))
    whole = sweep(
        BASE,
        space,
        max_trials=TRIALS,
        directory=tmp_path / "whole",
        confirm=2,
        trainer=BlackBox(),
        quiet=True,
    )
    assert [t.values for t in result.trials] == [t.values for t in whole.trials]
    assert result.confirmation.tests == whole.confirmation.tests
    # An execution that came to its end just before a kill may be taken up once more, at its end.
    points = Counter(tuple(line.split()[:2]) for line in log.read_text().splitlines() if line)
    fresh = [line for line in log.read_text().splitlines() if line.endswith(" 0")]
    assert len(points) == TRIALS
    assert len(fresh) <= TRIALS + 2
    assert (directory / "journal.jsonl").read_text().count('"finished"') == TRIALS


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_lock_keeps_another_process_out_and_a_killed_one_does_not(tmp_path):
    process = started(tmp_path / "sweep", tmp_path / "log", seconds=0.5)
    while not (tmp_path / "sweep" / "journal.jsonl").exists():
        assert process.is_alive()
        time.sleep(0.01)
    other = started(tmp_path / "sweep", tmp_path / "log", seconds=0.0)
    other.join(30)
    assert other.exitcode == 1
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    after = started(tmp_path / "sweep", tmp_path / "log", seconds=0.0)
    after.join(60)
    assert after.exitcode == 0
