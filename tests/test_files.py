"""Files appear whole or not at all, whatever fails."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from keras_ext.errors import OutputError
from keras_ext.files import atomic_write, remove_leftovers, replacing

DISK_FULL = """
import resource, signal, sys
from keras_ext.errors import OutputError
from keras_ext.files import atomic_write

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    atomic_write(sys.argv[1], "x" * 100_000)
except OutputError as error:
    print(error)
"""


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files included."""
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("content", ["0.45 % \u2212 ü", b"\x00\xff"])
def test_writes_and_replaces(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "new" / "folder" / "result.json"
    atomic_write(path, "old")
    assert atomic_write(path, content) == path
    expected = content.encode("utf-8") if isinstance(content, str) else content
    assert path.read_bytes() == expected
    assert names(path.parent) == ["result.json"]


def test_the_usual_permissions_apply(tmp_path: Path) -> None:
    """A file that only its writer may read would surprise whoever serves the report."""
    plain = tmp_path / "plain"
    plain.write_text("")
    written = atomic_write(tmp_path / "written", "")
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_temporary_name_keeps_folder_and_ending(tmp_path: Path) -> None:
    with replacing(tmp_path / "model.keras") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".keras"
        temporary.write_bytes(b"weights")
        assert not (tmp_path / "model.keras").exists()
    assert (tmp_path / "model.keras").read_bytes() == b"weights"


def test_two_writers_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert names(tmp_path) == ["a"]


def test_a_failing_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = atomic_write(tmp_path / "report.html", "old")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OutputError, match=r"can't write .*report\.html: No space left on device"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report.html"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_block_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def half() -> None:
        with replacing(tmp_path / "report.html") as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="file size limits are POSIX")
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    run = [sys.executable, "-c", DISK_FULL, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"can't write {path}: ")
    assert names(tmp_path) == []


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OutputError, match="runs"):
        atomic_write(tmp_path / "runs" / "result.json", "{}")


def test_what_can_not_be_written_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        atomic_write(tmp_path / "report.html", "page")
    assert names(tmp_path) == ["report.html"]


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "a[1].state", "whole")
    other = tmp_path / "b.state"
    blocks = [replacing(target) for target in (path, other)]
    # A process that is killed does not come to the end of the block.
    temporaries = [block.__enter__() for block in blocks]
    for temporary in temporaries:
        temporary.write_text("half")
    remove_leftovers(path)
    assert names(tmp_path) == sorted(["a[1].state", temporaries[1].name])
    assert path.read_text() == "whole"
    remove_leftovers(tmp_path / "missing" / "c.state")
