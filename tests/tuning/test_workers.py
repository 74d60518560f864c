"""Several workers do what one process does; whoever dies, no trial is lost and nothing is left."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from keras_ext.records import TrainConfig
from keras_ext.tuning import sweep
from keras_ext.tuning.journal import Journal
from tests.tuning.black_box import BASE, BlackBox, error_of, space
from tests.tuning.many import (
    TRIALS,
    KillAlways,
    KillOnce,
    Noted,
    RaiseAlways,
    finished,
    of,
    open_ports,
    started,
    until,
)

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc"),
]


def run(folder: Path, trainer: BlackBox | None = None, **changes: Any) -> Any:
    own = {"max_trials": TRIALS, "strategy": "random", "confirm": 0, "workers": 2, "quiet": True}
    arguments = {**own, **changes}
    return sweep(BASE, space, directory=folder, trainer=trainer or BlackBox(), **arguments)


def check(folder: Path, result: Any) -> None:
    """All trials are there once, with their own errors, and nothing is left of the workers."""
    assert [trial.trial_id for trial in result.trials] == [f"{n:04d}" for n in range(TRIALS)]
    for trial in result.trials:
        assert trial.status == "completed"
        assert trial.validation_error == error_of(trial.config)
    assert finished(folder) == TRIALS
    best = TrainConfig.from_dict(json.loads((folder / "best.json").read_text()))
    assert best == result.best.config
    assert sorted(p.name for p in (folder / "tensorboard").iterdir() if p.is_dir()) == [
        trial.trial_id for trial in result.trials
    ]
    assert not (folder / "trials").exists()
    assert not (folder / "workers" / "task").exists()
    assert of(folder) == []


def test_two_workers_share_the_trials_and_nothing_stays_behind(tmp_path):
    folder, notes = tmp_path / "sweep", tmp_path / "notes"
    result = run(folder, Noted(notes, 2, seconds=0.2), confirm=2)
    check(folder, result)
    assert result.confirmation.test_error == error_of(result.best.config)
    said = [path.read_text().split() for path in notes.iterdir() if path.name != str(os.getpid())]
    assert [line[0] for line in sorted(said)] == ["worker-0", "worker-1"]
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert {line[2] for line in said} == {str(threads)}
    # 127.0.0.1 as the kernel writes it, alone or as an address of IPv6, and nothing else.
    assert {line[3].removeprefix("0" * 16 + "FFFF0000") for line in said} == {"0100007F"}
    (notes / str(os.getpid())).unlink()
    assert open_ports(notes) == []
    one = run(tmp_path / "one", workers=1)
    assert [t.values for t in result.trials] == [t.values for t in one.trials]
    assert [t.metrics for t in result.trials] == [t.metrics for t in one.trials]
    # Longer, in one process; then nothing is left to do, with or without workers.
    longer = run(folder, workers=1, max_trials=TRIALS + 2)
    assert longer.trials[:TRIALS] == result.trials
    again = run(folder, Noted(tmp_path / "unused"), max_trials=TRIALS + 2)
    assert again.trials == longer.trials
    assert not (tmp_path / "unused").exists()


def test_a_killed_worker_is_replaced_and_its_trial_goes_on_after_its_last_epoch(tmp_path):
    folder, log, screen = tmp_path / "sweep", tmp_path / "log", io.StringIO()
    box = BlackBox(KillOnce(tmp_path / "flag", 6), log=log, seconds=0.05)
    result = run(folder, box, quiet=False, console=Console(file=screen, width=200))
    check(folder, result)
    assert (tmp_path / "flag").exists()
    assert "was killed by SIGKILL (out of memory?); its trial 000" in screen.getvalue()
    began_at = [int(line.split()[2]) for line in log.read_text().splitlines()]
    assert len(began_at) == TRIALS
    assert sorted(began_at)[-2:] == [0, 2]


def test_a_trial_that_kills_every_worker_has_failed_and_the_others_are_done(tmp_path):
    points = [trial.config for trial in run(tmp_path / "one", workers=1).trials]
    box = BlackBox(KillAlways(points[3].learning_rate))
    result = run(tmp_path / "sweep", box)
    failed = result.trials[3]
    assert [t.status for t in result.trials].count("completed") == TRIALS - 1
    assert failed.status == "failed"
    assert failed.config == points[3]
    assert failed.message.startswith("3 workers died of it: worker-")
    assert "was killed by SIGKILL (out of memory?)" in failed.message
    assert of(tmp_path / "sweep") == []


def test_a_trial_that_raises_fails_with_its_reason(tmp_path):
    points = [trial.config for trial in run(tmp_path / "one", workers=1).trials]
    result = run(tmp_path / "sweep", BlackBox(RaiseAlways(points[1].learning_rate)), max_trials=3)
    assert [t.status for t in result.trials] == ["completed", "failed", "completed"]
    assert result.trials[1].message.startswith("ValueError: no luck at ")
    assert "many.py" in result.trials[1].message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_the_chief_ends_the_workers_and_the_same_call_goes_on(tmp_path, number):
    folder = tmp_path / "sweep"
    process = started(folder, workers=2)
    until(lambda: finished(folder) >= 2 and len(list((folder / "trials").iterdir())) == 2)
    os.kill(process.pid, number)
    said, _ = process.communicate(timeout=60)
    until(lambda: of(folder) == [], seconds=30)
    assert open_ports(tmp_path / "notes") == []
    assert (process.returncode == 0) == (number != signal.SIGKILL)
    before = finished(folder)
    assert 2 <= before < TRIALS
    assert (f"interrupted {before}" in said) == (number != signal.SIGKILL)
    log = tmp_path / "log"
    result = run(folder, BlackBox(log=log), workers=2)
    check(folder, result)
    # What was running went on after its last epoch.
    assert len([line for line in log.read_text().splitlines() if line.endswith(" 0")]) <= TRIALS


def test_guided_gives_two_workers_different_knobs(tmp_path):
    folder = tmp_path / "sweep"
    check(folder, run(folder, Noted(tmp_path / "notes", 2, seconds=0.05), strategy="guided"))
    proposals = json.loads((folder / "keras_tuner" / "oracle.json").read_text())["proposals"]
    journal = Journal(folder / "journal.jsonl")
    events = [e for e in journal.events if e["event"] in ("proposed", "finished")]
    pending: list[dict[str, Any]] = []
    together = 0
    for event in events:
        made = proposals[str(event["number"])]
        if event["event"] == "finished":
            pending.remove(made)
            continue
        for other in pending:
            together += 1
            assert made["values"] != other["values"]
            if made["knob"] is not None and made["step"] == other["step"] == "turn":
                ways = [(item["knob"], item["notches"] > 0) for item in (made, other)]
                assert ways[0] != ways[1]
        pending.append(made)
    assert together >= 4
