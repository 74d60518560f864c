"""A disk that is full at any moment ends the sweep in words, and the same call then goes on."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keras_ext.errors import OutputError
from keras_ext.files import atomic_write
from keras_ext.tuning import hparams, sweep
from keras_ext.tuning.journal import Journal
from tests.tuning.black_box import BASE, BlackBox, space

pytestmark = pytest.mark.tensorflow

TRIALS = 3


def run(directory: Path, box: BlackBox | None = None, **changes: Any) -> Any:
    how: dict[str, Any] = {"max_trials": TRIALS, "confirm": 1, "quiet": True, **changes}
    return sweep(BASE, space, directory=directory, trainer=box or BlackBox(), **how)


def full(number: int, calls: list[int]) -> Callable[[int], None]:
    """In place of ``os.fsync``: what reaches the disk, until the call of this number and after."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    return fsync


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Any:
    folder, calls = tmp_path_factory.mktemp("whole"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full(10**9, calls))
        return run(folder), len(calls)


@pytest.mark.slow
def test_each_write_that_fails_ends_the_sweep_and_loses_nothing(tmp_path, whole, monkeypatch):
    expected, writes = whole
    assert writes > 20
    scored = 0
    for number in range(1, writes + 1):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full(number, []))
            with pytest.raises(OutputError, match=r"can't write .*No space left on device"):
                run(folder)
        before = Journal(folder / "journal.jsonl")
        assert before.problems == []
        done = [event["number"] for event in before.events if event["event"] == "finished"]
        box = BlackBox()
        result = run(folder, box)
        assert [(t.trial_id, t.status, t.values, t.metrics) for t in result.trials] == [
            (t.trial_id, t.status, t.values, t.metrics) for t in expected.trials
        ]
        assert result.confirmation == expected.confirmation
        confirmed = sum(event["event"] == "confirmed" for event in before.events)
        assert len(box.calls) == TRIALS - len(done) + 1 - confirmed
        scored += len(done)
    assert scored > writes / 2


def test_a_folder_that_takes_no_byte_is_refused(tmp_path, monkeypatch):
    def write(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(OutputError, match="No space left"):
            run(tmp_path)
    assert len(run(tmp_path).trials) == TRIALS


def test_a_line_that_is_half_written_is_cut_off_again(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append({"event": "proposed", "number": 0})
    before = journal.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full(1, []))
        with pytest.raises(OutputError, match="No space left on device"):
            journal.append({"event": "proposed", "number": 1})
    assert journal.path.read_bytes() == before
    journal.append({"event": "proposed", "number": 1})
    assert Journal(journal.path).events == journal.events


def test_a_trial_that_cannot_write_is_not_taken_for_a_bad_one(tmp_path):
    class Full(BlackBox):
        def train(self, config: Any, directory: Path, **how: Any) -> Any:
            if len(self.calls) == 1:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(os, "fsync", full(1, []))
                    atomic_write(directory / "state", "no room for it")
            return super().train(config, directory, **how)

    with pytest.raises(OutputError, match="No space left on device"):
        run(tmp_path, Full())
    assert [trial.status for trial in run(tmp_path).trials] == ["completed"] * TRIALS


def test_events_that_cannot_be_written_are_written_the_next_time(tmp_path, whole, monkeypatch):
    result, _ = whole

    class Broken(hparams.EventFileWriter):
        def add_event(self, event: Any) -> None:
            if event.HasField("summary"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().add_event(event)

    calls: list[Callable[[], None]] = [
        lambda: hparams.write_experiment(tmp_path, result.space),
        lambda: hparams.write_trial(tmp_path, result.trials[0]),
    ]
    for number, write in enumerate(calls):
        with monkeypatch.context() as patch:
            patch.setattr(hparams, "EventFileWriter", Broken)
            with pytest.raises(OutputError, match=r"can't write .*No space left"):
                write()
        assert len(list(tmp_path.rglob(hparams.EVENTS))) == number
        write()
        write()
        assert len(list(tmp_path.rglob(hparams.EVENTS))) == number + 1
