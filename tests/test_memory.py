"""How much memory there is, whoever limits it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keras_ext import memory


def test_the_limit_is_a_share_of_the_memory() -> None:
    there = memory.memory_bytes()
    assert 2**28 < there < 2**50

    class Sized:
        nbytes = 0

    sized = Sized()
    for factor, expected in ((0.9, False), (1.1, True)):
        sized.nbytes = int(factor * memory.SHARE * there)
        assert memory.too_large(sized) is expected


def test_a_container_may_have_less_memory_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTROL_GROUPS", (limit, tmp_path / "missing"))
    alone = memory.memory_bytes()
    limit.write_text("max\n")
    assert memory.memory_bytes() == alone
    limit.write_text("1048576\n")
    assert memory.memory_bytes() == 2**20


def test_a_process_may_have_less_memory_than_the_machine() -> None:
    """As ``ulimit -v`` says, in a child process."""
    resource = pytest.importorskip("resource")
    code = (
        "import resource\n"
        f"resource.setrlimit({resource.RLIMIT_AS}, (2**33, 2**33))\n"
        f"resource.setrlimit({resource.RLIMIT_DATA}, (2**32, 2**32))\n"
        "from keras_ext import memory\n"
        "print(int(memory.memory_bytes()))\n"
    )
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert int(done.stdout) == min(memory.memory_bytes(), 2**32)
