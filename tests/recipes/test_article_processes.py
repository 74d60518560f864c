"""Claims in processes of their own: what becomes of them when one dies, or this one does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recipes.article import processes
from recipes.article.effort import Effort
from recipes.article.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
ROOT = Path(__file__).parents[2]
QUICK = Effort("quick")
SECONDS = 120


def children(parent: int) -> list[int]:
    """The processes that measure claims for another one."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True
    ).stdout.splitlines()
    return [int(line.split()[0]) for line in found if "recipes.article.processes" in line]


def alive(process: int) -> bool:
    state = Path(f"/proc/{process}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def until(condition, what: str):
    """Wait for something that comes sooner or later."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def command(tmp_path):
    """Two claims that take a while, two at a time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recipes.article", "--only", "bias_variance", "what_to_tune",
         "--output-dir", str(tmp_path), "--jobs", "2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.communicate()


def test_two_at_a_time_find_what_one_alone_finds(tmp_path):
    names = ("splits", "normalizing")
    for jobs in (1, 2):
        store = Store(tmp_path / str(jobs), QUICK)
        found = {c.name: c.finding for c in processes.attempts(names, QUICK, store, jobs)}
        assert set(found) == set(names)
        assert found == {name: store.read(name).finding for name in names}
        assert None not in found.values()
    both = [[Store(tmp_path / jobs, QUICK).read(n).finding for n in names] for jobs in "12"]
    assert both[0] == both[1]


def test_a_process_that_is_killed_fails_its_claim_alone(command, tmp_path):
    begun = until(lambda: len(c := children(command.pid)) == 2 and c, "both processes")
    os.kill(begun[0], signal.SIGKILL)
    page = tmp_path / "index.html"
    until(lambda: page.exists() and "was killed by SIGKILL" in page.read_text(), "its verdict")
    assert alive(begun[1])
    assert Store(tmp_path, Effort()).finished("bias_variance") is None


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_is_left_when_the_command_ends(command, number, status):
    begun = until(lambda: len(c := children(command.pid)) == 2 and c, "both processes")
    command.send_signal(number)
    assert command.wait(SECONDS) == status
    until(lambda: not any(map(alive, begun)), "their end")
    if number == signal.SIGINT:
        assert command.stdout.read().count("interrupted") == 1
