"""What goes wrong while a state is written or read: kills, full disks, damaged files."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.callbacks import snapshot
from keras_ext.callbacks.generations import Generations
from keras_ext.errors import OutputError
from tests.callbacks import training_state_run as runs

SCRIPT = Path(__file__).with_name("training_state_run.py")
ROOT = Path(__file__).parents[2]


EPOCHS = 12
"""Of the runs that are killed."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happens to, without TrainingState."""
    return runs.train(tmp_path_factory.mktemp("whole"), state=False)


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """What a run leaves that is interrupted in its fifth epoch."""
    folder = tmp_path_factory.mktemp("halved")
    runs.interrupted(folder, 4)
    return folder


@pytest.fixture
def half(halved, tmp_path):
    """A copy of that, to be damaged."""
    return Path(shutil.copytree(halved, tmp_path / "half"))


def newest(folder) -> Path:
    """The file that would be read first."""
    states = Generations(folder / "backup")
    states.load()
    return states.paths[states._number % 2]


# What is written: two states of a few arrays.

FIRST = {"epoch": 1, "weights": [np.arange(6.0).reshape(2, 3), np.float32(0.1)]}
SECOND = {"epoch": 2, "weights": [np.ones((2, 3)), np.float32(0.2)]}


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> list[bytes]:
    """The bytes of both generations."""
    states = Generations(tmp_path_factory.mktemp("contents"))
    states.save(FIRST)
    states.save(SECOND)
    return [path.read_bytes() for path in states.paths]


def damaged(folder: Path, contents: list[bytes], second: bytes) -> tuple[object, list[str]]:
    """What is found when the newest file (of an even number) has other bytes."""
    states = Generations(folder)
    for path, content in zip(states.paths, (second, contents[1]), strict=True):
        path.unlink(missing_ok=True)  # To overwrite a file may wait for the disk.
        path.write_bytes(content)
    return states.load()


def assert_first(found: object, problems: list[str], folder: Path) -> None:
    assert found["epoch"] == 1
    np.testing.assert_array_equal(found["weights"][0], FIRST["weights"][0])
    assert len(problems) == 1
    assert str(folder / "generation-0.state") in problems[0]


@given(data=st.data())
def test_a_file_cut_anywhere_is_not_taken(contents, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "cut"
    folder.mkdir(exist_ok=True)
    length = data.draw(st.integers(0, len(contents[0]) - 1))
    assert_first(*damaged(folder, contents, contents[0][:length]), folder)


@given(data=st.data())
def test_one_wrong_bit_anywhere_is_seen(contents, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "bit"
    folder.mkdir(exist_ok=True)
    place = data.draw(st.integers(0, 8 * len(contents[0]) - 1))
    changed = bytearray(contents[0])
    changed[place // 8] ^= 1 << place % 8
    assert_first(*damaged(folder, contents, bytes(changed)), folder)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (b"", "is empty"),
        (bytes(5000), "cut short or damaged"),
        (b"{}", "cut short or damaged"),
    ],
)
def test_what_is_wrong_is_said(contents, tmp_path, second, said):
    found, problems = damaged(tmp_path, contents, second)
    assert_first(found, problems, tmp_path)
    assert said in problems[0]


def test_a_file_of_another_version_is_not_taken(contents, tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "FORMAT", b"keras_ext training state 9\n")
    states = Generations(tmp_path)
    states.save(SECOND)
    monkeypatch.undo()
    found, problems = Generations(tmp_path).load()
    assert found is None
    assert "this version" in problems[0]


def test_the_damaged_file_is_the_one_that_is_written_next(contents, tmp_path):
    damaged(tmp_path, contents, contents[0][:-1])
    states = Generations(tmp_path)
    states.load()
    states.save({"epoch": 3})
    found, problems = Generations(tmp_path).load()
    assert (found, problems) == ({"epoch": 3}, [])
    assert states.paths[1].read_bytes() == contents[1]


# A run whose newest file is damaged.


@pytest.mark.parametrize("damage", ["bit", "cut", pytest.param("empty", marks=pytest.mark.slow)])
def test_a_run_goes_on_from_the_generation_before(whole, half, damage):
    path = newest(half)
    content = bytearray(path.read_bytes())
    if damage == "bit":
        content[len(content) // 2] ^= 16
    path.write_bytes({"cut": content[:-100], "empty": b"", "bit": content}[damage])
    with pytest.warns(UserWarning, match=f"{path}.*the state before it is used"):
        runs.train(half).assert_equal(whole)


def test_a_run_starts_anew_if_both_are_damaged(whole, half):
    paths = Generations(half / "backup").paths
    for path in paths:
        path.write_bytes(path.read_bytes()[:1000])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        runs.train(half).assert_equal(whole)
    said = [str(w.message) for w in caught if "training starts anew" in str(w.message)]
    assert len(said) == 2
    assert all(str(path) in text for path, text in zip(paths, said, strict=True))


# Disks that are full.


def full(monkeypatch, how: str) -> None:
    """Let the system refuse to write a state from now on."""
    if how == "fsync":

        def refuse(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", refuse)
        return
    # Python ignores the signal that goes with it, so that writing fails with an OSError.
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    write = snapshot.write

    def limited(path, state):
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        try:
            write(path, state)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    monkeypatch.setattr(snapshot, "write", limited)


@pytest.mark.parametrize("how", ["fsync", "limit"])
def test_a_full_disk_leaves_both_files_as_they_are(contents, tmp_path, monkeypatch, how):
    states = Generations(tmp_path)
    for path, content in zip(states.paths, contents, strict=True):
        path.write_bytes(content)
    full(monkeypatch, how)
    with pytest.raises(OutputError, match=r"No space left|File too large"):
        states.save({"epoch": 3, "weights": [np.zeros(1000)]})
    assert [path.read_bytes() for path in states.paths] == contents
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in states.paths)
    monkeypatch.undo()
    states.save({"epoch": 4})
    assert states.load()[0] == {"epoch": 4}


@pytest.mark.parametrize("how", ["fsync", pytest.param("limit", marks=pytest.mark.slow)])
def test_a_run_goes_on_while_the_disk_is_full(whole, tmp_path, monkeypatch, how):
    class Fill(runs.keras.callbacks.Callback):
        """The disk is full after epochs 3 and 4, counted from 1."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                full(monkeypatch, how)
            if epoch == 4:
                monkeypatch.undo()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        runs.train(tmp_path, Fill()).assert_equal(whole)
    said = [str(w.message) for w in caught if "is not kept" in str(w.message)]
    assert len(said) == 2
    for epoch, text in zip((3, 4), said, strict=True):
        assert f"the state after epoch {epoch} is not kept, the one after epoch 2 is: can't" in text
        assert "generation-1.state" in text


@pytest.mark.parametrize("how", ["fsync", pytest.param("limit", marks=pytest.mark.slow)])
def test_a_run_killed_while_the_disk_was_full_goes_on_from_before(
    whole, tmp_path, monkeypatch, how
):
    class Fill(runs.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                full(monkeypatch, how)

    with pytest.warns(UserWarning, match="is not kept"), pytest.raises(KeyboardInterrupt):
        runs.train(tmp_path, Fill(), runs.Raise(4))
    monkeypatch.undo()
    assert Generations(tmp_path / "backup").load()[0]["epochs"] == 3
    runs.train(tmp_path).assert_equal(whole)


def test_a_folder_that_can_not_be_made_is_said_before_training(tmp_path):
    (tmp_path / "backup").write_text("a file")
    with pytest.raises(OutputError, match="backup"):
        runs.train(tmp_path)


def test_a_state_that_can_not_be_removed_is_said(half, monkeypatch):
    def refuse(self, missing_ok=False):
        if self.name.startswith("generation"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.warns(UserWarning, match=r"the next fit will take up this run: can't remove"):
        runs.train(half)


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed(half):
    backup = half / "backup"
    leftovers = [backup / f".generation-{i}.0123abcd.tmp.state" for i in (0, 1)]
    for path in [*leftovers, backup / "mine.txt"]:
        path.write_bytes(b"half")
    runs.interrupted(half, 4)
    names = ["generation-0.state", "generation-1.state", "mine.txt"]
    assert sorted(os.listdir(backup)) == names
    runs.train(half)
    assert os.listdir(backup) == ["mine.txt"]


# Processes that are killed.


class Server:
    """Runs in processes of their own; see the script.

    Args:
        seconds: what the last training of an epoch and the last write took.
    """

    def __init__(self) -> None:
        # One thread in the server: only then is it safe to fork.
        calm = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.seconds = {"fit": 0.5, "train": 0.2, "write": 0.2}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **calm, "PYTHONPATH": str(ROOT)},
        )

    def start(self, folder: Path) -> int:
        """Process id of a run that starts or goes on in a folder."""
        log = folder / "noted.txt"
        log.write_text("")
        order = {"folder": str(folder), "log": str(log), "result": str(folder / "result.state")}
        print(json.dumps({**order, "epochs": EPOCHS}), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def events(self, folder: Path) -> list[str]:
        """What the run has noted: "fit", then "write" and "train" in turn as each begins."""
        lines = (folder / "noted.txt").read_text().splitlines()
        notes = [line.split() for line in lines if line.count(" ") == 1]
        for (event, begin), (_, end) in itertools.pairwise(notes):
            self.seconds[event] = float(end) - float(begin)
        return [event for event, _ in notes]

    def end(self) -> int:
        """Exit status of the run that was started last."""
        print(file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


def kill(server: Server, pid: int, folder: Path, chance: random.Random) -> list[str]:
    """Kill a run at a random moment of a random one of its next stages; its stages until then.

    Every second stage is a write, and those are chosen twice as often. The moment is a share of
    what such a stage took last, so that a slow machine changes nothing.
    """
    count, share = chance.choice((1, 2, 2, 3, 4, 4, 5, 6, 6)), chance.random()
    while len(events := server.events(folder)) < count and not (folder / "result.state").exists():
        time.sleep(0.002)
    time.sleep(share * server.seconds[events[-1]])
    os.kill(pid, signal.SIGKILL)
    return server.events(folder)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_killed_at_20_times_a_run_ends_as_if_nothing_had_happened(server, tmp_path, capsys):
    (tmp_path / "0").mkdir()
    whole = runs.train(tmp_path / "0", state=False, epochs=EPOCHS)
    chance = random.Random(0)
    stages: list[list[str]] = []
    halves = folders = 0
    while len(stages) < 20:
        folders += 1
        folder = tmp_path / str(folders)
        folder.mkdir()
        while not (folder / "result.state").exists():
            pid = server.start(folder)
            killed = kill(server, pid, folder, chance) if len(stages) < 20 else None
            status = server.end()
            assert status in (0, -signal.SIGKILL)
            if status:
                stages.append(killed)
                halves += any((folder / "backup").glob(".*.tmp.state"))
        found = runs.Result(**snapshot.read(folder / "result.state"))
        found.assert_equal(whole)
    hits = sum(stage[-1] == "write" for stage in stages)
    with capsys.disabled():
        print(
            f"\n{len(stages)} kills in {folders} runs of {EPOCHS} epochs: {hits} hit a write, "
            f"{halves} left an unfinished file"
        )
    assert len(stages) == 20
    assert hits >= 3
    assert halves >= 3
