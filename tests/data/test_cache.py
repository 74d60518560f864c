"""The array cache: whole or not there, whatever happens to it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data import Arrays, cache
from keras_ext.data.cache import cache_directory, read_entry, write_entry

KEY = "toy-1.0.0"


@pytest.fixture
def toy() -> Arrays:
    x = np.arange(600, dtype=np.uint8).reshape(50, 4, 3, 1)
    y = np.arange(50, dtype=np.int32) % 2
    return Arrays(x, y, "toy", ("even", "odd"), {"train": (0, 40), "test": (40, 50)})


@pytest.fixture
def entry(cache_folder: Path, toy: Arrays) -> Path:
    write_entry(KEY, toy, source="s")
    return cache_folder / KEY


def assert_same(a: Arrays | None, b: Arrays) -> None:
    assert a is not None
    assert np.array_equal(a.x, b.x)
    assert np.array_equal(a.y, b.y)
    assert (a.name, a.classes, a.published) == (b.name, b.classes, b.published)
    assert (a.x.dtype, a.y.dtype) == (b.x.dtype, b.y.dtype)


def test_what_is_written_is_read(entry: Path, toy: Arrays) -> None:
    arrays = read_entry(KEY, source="s")
    assert_same(arrays, toy)
    assert isinstance(arrays.x, np.memmap)  # type: ignore[union-attr]
    assert not arrays.x.flags.writeable  # type: ignore[union-attr]
    assert sorted(os.listdir(entry.parent)) == [KEY]
    assert sorted(os.listdir(entry)) == ["manifest.json", "x.npy", "y.npy"]


def test_what_was_never_written(cache_folder: Path) -> None:
    assert read_entry(KEY) is None
    assert not cache_folder.exists()


def test_the_manifest_says_what_is_there(entry: Path, toy: Arrays) -> None:
    import hashlib

    manifest = json.loads((entry / "manifest.json").read_text())
    assert manifest["arrays"]["x"]["sha256"] == hashlib.sha256(toy.x.tobytes()).hexdigest()
    assert manifest["arrays"]["y"]["bytes"] == (entry / "y.npy").stat().st_size
    assert manifest["splits"] == {"train": [0, 40], "test": [40, 50]}
    assert manifest["source"] == "s"


def cut(entry: Path) -> None:
    os.truncate(entry / "x.npy", 300)


def grow(entry: Path) -> None:
    with (entry / "y.npy").open("ab") as file:
        file.write(b"\0")


def lose(entry: Path) -> None:
    (entry / "y.npy").unlink()


def lose_manifest(entry: Path) -> None:
    (entry / "manifest.json").unlink()


def reshape(entry: Path) -> None:
    path = entry / "x.npy"
    path.write_bytes(path.read_bytes().replace(b"(50, 4, 3, 1)", b"(50, 3, 4, 1)"))


def flip(entry: Path) -> None:
    content = bytearray((entry / "x.npy").read_bytes())
    content[-7] ^= 1
    (entry / "x.npy").write_bytes(bytes(content))


def spoil_header(entry: Path) -> None:
    path = entry / "x.npy"
    path.write_bytes(b"X" + path.read_bytes()[1:])


def pickle(entry: Path) -> None:
    """Objects, with a manifest that fits them: loading must not run what they hold."""
    np.save(entry / "x.npy", np.array([print] * 50, object), allow_pickle=True)
    edit(entry, bytes=(entry / "x.npy").stat().st_size, shape=[50], dtype="|O")


def other_schema(entry: Path) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    rewrite(entry, {**manifest, "schema": 0})


def no_object(entry: Path) -> None:
    (entry / "manifest.json").write_text("[1]")


def edit(entry: Path, **fields: Any) -> None:
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["arrays"]["x"].update(fields)
    rewrite(entry, manifest)


def rewrite(entry: Path, manifest: dict[str, Any]) -> None:
    manifest.pop("checksum")
    manifest["checksum"] = cache._checksum(manifest)
    (entry / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [cut, grow, flip, lose, lose_manifest, reshape, spoil_header, pickle, other_schema, no_object],
)
def test_a_damaged_entry_is_discarded_and_made_anew(entry: Path, toy: Arrays, damage: Any) -> None:
    damage(entry)
    with pytest.warns(UserWarning, match="toy-1.0.0 is damaged .*: making it anew"):
        assert read_entry(KEY) is None
    assert os.listdir(entry.parent) == []
    assert_same(write_entry(KEY, toy, source="s"), toy)
    assert_same(read_entry(KEY), toy)


def test_any_flipped_byte_of_the_manifest_is_found(entry: Path, toy: Arrays) -> None:
    path = entry / "manifest.json"
    content = path.read_bytes()
    for position in range(0, len(content), 23):
        if not content[position : position + 1].strip():
            continue
        flipped = bytearray(content)
        flipped[position] ^= 1
        path.write_bytes(bytes(flipped))
        with pytest.warns(UserWarning, match="damaged"):
            assert read_entry(KEY) is None
        write_entry(KEY, toy, source="s")


def test_another_source_is_replaced_without_a_word(entry: Path, toy: Arrays) -> None:
    assert read_entry(KEY, source="another") is None
    assert entry.is_dir()
    newer = Arrays(toy.x[:3], toy.y[:3], "toy")
    assert_same(write_entry(KEY, newer, source="another"), newer)
    assert_same(read_entry(KEY, source="another"), newer)


def test_leftovers_of_a_kill_while_writing_are_ignored(cache_folder: Path, toy: Arrays) -> None:
    script = (
        "import os, signal, numpy as np\n"
        "from keras_ext.data import Arrays, cache\n"
        "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"cache.write_entry({KEY!r}, Arrays(np.zeros((50, 9)), np.zeros(50)), source='s')\n"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script], cwd=root, check=False)
    assert killed.returncode == -9
    assert len(list(cache_folder.iterdir())) == 1
    assert read_entry(KEY) is None
    assert_same(write_entry(KEY, toy, source="s"), toy)


@pytest.mark.slow
def test_processes_that_fill_it_at_once_all_end_well(cache_folder: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "from keras_ext.data import Arrays, cache\n"
        "x = np.arange(400_000).reshape(1000, 400)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for _ in range(5):\n"
        f"    arrays = cache.write_entry({KEY!r}, Arrays(x, x[:, 0]), source='s')\n"
        "    assert isinstance(arrays.x, np.memmap) and (arrays.x == x).all()\n"
    )
    root = Path(__file__).parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-W", "error", "-c", script]
    writers = [subprocess.Popen(command, cwd=root, text=True, **pipes) for _ in range(3)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, complaint = writer.communicate(timeout=60)
        assert (writer.returncode, complaint) == (0, "")
    assert os.listdir(cache_folder) == [KEY]


@pytest.mark.parametrize("winner_is_damaged", [False, True])
def test_the_second_to_publish(
    cache_folder: Path, toy: Arrays, monkeypatch: pytest.MonkeyPatch, winner_is_damaged: bool
) -> None:
    real = os.rename

    def overtaken(source: Any, target: Any) -> None:
        monkeypatch.setattr(os, "rename", real)
        write_entry(KEY, toy, source="s")
        if winner_is_damaged:
            cut(cache_folder / KEY)
        os.rename(source, target)

    monkeypatch.setattr(os, "rename", overtaken)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert_same(write_entry(KEY, toy, source="s"), toy)
    assert len(caught) == winner_is_damaged
    assert os.listdir(cache_folder) == [KEY]


def test_a_cache_that_cannot_be_written(
    tmp_path: Path, toy: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KERAS_EXT_CACHE", str(tmp_path / "file" / "cache"))
    assert read_entry(KEY) is None
    with pytest.warns(UserWarning, match="toy can't be cached .* kept in memory; KERAS_EXT_CACHE"):
        assert write_entry(KEY, toy, source="s") is toy


@pytest.mark.parametrize("step", ["save", "fsync", "rename"])
def test_a_full_disk_leaves_nothing_behind(
    cache_folder: Path, toy: Arrays, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np if step == "save" else os, step, full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert write_entry(KEY, toy, source="s") is toy
    assert os.listdir(cache_folder) == []


def test_a_limit_of_the_system_is_a_full_disk_that_loses_nothing(cache_folder: Path) -> None:
    """A child process that may write files of 100 KB: MNIST stays in memory, whole."""
    code = (
        "import resource, warnings\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from keras_ext.data import load\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    arrays = load('mnist')\n"
        "print(len(arrays), int(arrays.y.sum()), *(str(w.message) for w in caught))\n"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("70000 ")
    assert "mnist can't be cached" in done.stdout
    assert "kept in memory; KERAS_EXT_CACHE names another place" in done.stdout
    assert os.listdir(cache_folder) == []


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, toy: Arrays) -> None:
    monkeypatch.setenv("KERAS_EXT_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert cache_directory() == Path("/a")
    monkeypatch.delenv("KERAS_EXT_CACHE")
    assert cache_directory() == Path("/b/keras_ext")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_directory() == Path("/c/.cache/keras_ext")

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    assert read_entry(KEY) is None
    with pytest.warns(UserWarning, match="no home directory"):
        assert write_entry(KEY, toy, source="s") is toy
