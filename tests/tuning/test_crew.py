"""The processes of a crew: real training, a script of the user's own, and their end."""

from __future__ import annotations

import _thread
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keras_ext.errors import SweepError
from keras_ext.tuning import sweep
from keras_ext.tuning.crew import Crew
from keras_ext.tuning.hosts import terminable
from keras_ext.tuning.shares import THREADS
from recipes import sweep as recipe
from recipes.command import command
from tests.tuning.black_box import BASE, BlackBox, space
from tests.tuning.many import ROOT, Unable, of, until

pytestmark = pytest.mark.tensorflow

DEAF = (
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
)


def crew_of(programs: list[str], folder: Path) -> Crew:
    """One whose workers are these programs, which have begun."""
    chief: Any = SimpleNamespace(done=False, lose=lambda *a: False, lose_silent=lambda: [])
    found = Crew(chief, 1, folder, tuple({} for _ in programs), folder)
    for worker, program in zip(found.workers, programs, strict=True):
        worker.process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert worker.process.stdout is not None
        if "print" in program:
            worker.process.stdout.readline()
    return found


def ended(found: Crew) -> list[int | None]:
    codes = []
    for worker in found.workers:
        assert worker.process is not None
        assert worker.process.stdout is not None
        worker.process.stdout.close()
        codes.append(worker.process.poll())
    return codes


def test_workers_that_do_not_heed_are_killed_after_a_while(tmp_path):
    found = crew_of([DEAF, "import time; time.sleep(600)"], tmp_path)
    found.stop(1.0, at_once=True)
    assert ended(found) == [-signal.SIGKILL, -signal.SIGTERM]


def test_a_second_ctrl_c_kills_at_once(tmp_path):
    found = crew_of([DEAF], tmp_path)
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        found.stop(60.0, at_once=True)  # Where SIGINT is ignored, the test fails then.
    assert ended(found) == [-signal.SIGKILL]


def test_workers_that_end_by_themselves_are_not_asked(tmp_path):
    found = crew_of(["import time; time.sleep(0.3)"], tmp_path)
    found.stop(1000.0, at_once=False)
    assert ended(found) == [0]


def test_a_worker_that_cannot_start_ends_the_sweep_with_what_it_said(tmp_path):
    found = crew_of(["raise SystemExit(3)"], tmp_path)
    (tmp_path / "worker-0.log").write_text("noise\nerror: No module named 'mine'\n\n")
    until(lambda: found.workers[0].process.poll() is not None)
    with pytest.raises(
        SweepError, match=r"worker-0 ended with exit status 3: No module named 'mine' \(all"
    ):
        found.look()
    assert ended(found) == [3]


def test_sigterm_is_taken_as_ctrl_c_and_afterwards_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with terminable(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_what_a_worker_lacks_is_said_and_the_sweep_can_be_begun_again(tmp_path):
    folder = tmp_path / "sweep"
    options: dict[str, Any] = {"max_trials": 3, "directory": folder, "workers": 2, "quiet": True}
    with pytest.raises(SweepError, match="can't be set up: RuntimeError: no licence here"):
        sweep(BASE, space, trainer=Unable(), **options)
    assert of(folder) == []
    assert len(sweep(BASE, space, trainer=BlackBox(), **options).trials) == 3


SCRIPT = """
import dataclasses
import sys
import keras
import numpy as np
from keras_ext import tuning
from keras_ext.records import Arrays, Splits, TrainConfig

def space(hp, base):
    return dataclasses.replace(base, learning_rate=hp.Float("learning_rate", 1e-3, 1e-1))

def network(config, shape, outputs, normalizer):
    return keras.Sequential([keras.Input(shape), normalizer, keras.layers.Dense(outputs)])

def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 8)).astype("float32")
    whole = Arrays(x, (x[:, 0] > 0).astype("int32"), "half")
    splits = Splits(*(whole.take(slice(a, a + 1000)) for a in (0, 1000, 2000)))
    found = tuning.sweep(
        TrainConfig(epochs=2), space, splits, max_trials=3, directory=sys.argv[1], build=network,
        workers=2, confirm=1, quiet=True,
    )
    print(found.status, len(found.ranked))

"""


@pytest.mark.slow
@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_of_the_user_with_functions_of_its_own(tmp_path, guarded):
    end = "if __name__ == '__main__':\n    main()\n" if guarded else "main()\n"
    (tmp_path / "mine.py").write_text(SCRIPT + end)
    made = subprocess.run(
        [sys.executable, "mine.py", str(tmp_path / "sweep")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if guarded:
        assert (made.returncode, made.stdout) == (0, "completed 3\n"), made.stderr
    else:
        assert made.returncode == 1
        last = made.stderr.strip().splitlines()[-1]
        assert "put what the script does under if __name__ == '__main__':" in last
    assert of(tmp_path) == []


def numbers(folder: Path) -> list[Any]:
    """All that a sweep found out, but for how long it took and what was compiled."""
    result = json.loads((folder / "sweep.json").read_text())
    found = []
    for trial in result["trials"]:
        runs = [(e["seed"], e["train"], e["validation"]) for e in trial["executions"]]
        curves = [
            [{k: v for k, v in row.items() if "second" not in k} for row in e["history"]]
            for e in trial["executions"]
        ]
        found.append((trial["values"], trial["metrics"], runs, curves))
    return found


@pytest.mark.slow
def test_two_workers_train_as_one_process_does_with_as_many_threads(tmp_path):
    options = ["--epochs", "2", "--limit", "300", "--max-trials", "2", "--confirm", "0", "--quiet"]
    options += ["--strategy", "random"]
    where = [tmp_path / "two", tmp_path / "one"]
    given = [["mnist", *options, "--output-dir", str(path)] for path in where]
    assert command(recipe.main, [*given[0], "--workers", "2"]) == 0
    threads = str(max(1, len(os.sched_getaffinity(0)) // 2))
    subprocess.run(
        [sys.executable, "-m", "recipes.sweep", *given[1]],
        cwd=ROOT,
        env={**os.environ, **dict.fromkeys(THREADS, threads)},
        capture_output=True,
        timeout=600,
        check=True,
    )
    two, one = (numbers(path / "sweeps" / "mnist-random") for path in where)
    assert len(two) == 2
    assert two == one
    assert (where[0] / "sweeps" / "mnist-random" / "report.html").exists()
    assert of(where[0]) == []
