"""The shipped copy of MNIST, and what happens to a spoilt one."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data.mnist import PACKAGED, unpack_mnist
from keras_ext.errors import DataError

# sha256 of the pixels alone, as published with the data set of Keras.
TRAIN = "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"
TEST = "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PACKAGED, tmp_path / "packaged"))


def test_the_real_images() -> None:
    arrays = unpack_mnist()
    assert (arrays.x.shape, arrays.x.dtype) == ((70_000, 28, 28, 1), np.uint8)
    assert (arrays.y.shape, arrays.y.dtype) == ((70_000,), np.int32)
    assert arrays.published == {"train": (0, 60_000), "test": (60_000, 70_000)}
    assert arrays.classes == tuple("0123456789")
    assert hashlib.sha256(arrays.part("train").x).hexdigest() == TRAIN
    assert hashlib.sha256(arrays.part("test").x).hexdigest() == TEST
    assert arrays.y[[0, 1, 2, 59_999, 60_000, 69_999]].tolist() == [5, 0, 4, 8, 7, 6]


def test_the_license_lies_beside_the_data() -> None:
    text = (PACKAGED / "LICENSE").read_text(encoding="utf-8")
    assert "LeCun" in text
    assert "Cortes" in text
    assert "creativecommons.org/licenses/by-sa/3.0" in text


def refused(folder: Path) -> str:
    """The message, which is one line."""
    with pytest.raises(DataError) as caught:
        unpack_mnist(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("position", [0, 10, 5_000_000, -30, -1])
def test_one_flipped_bit_anywhere(copy: Path, position: int) -> None:
    content = bytearray((copy / "mnist.npz").read_bytes())
    content[position] ^= 1
    (copy / "mnist.npz").write_bytes(bytes(content))
    message = refused(copy)
    expected = json.loads((copy / "manifest.json").read_text())["file"]["sha256"]
    assert str(copy / "mnist.npz") in message
    assert f"expected {expected}" in message


@pytest.mark.parametrize("size", [0, 100, 11_000_000])
def test_a_truncated_copy(copy: Path, size: int) -> None:
    content = (copy / "mnist.npz").read_bytes()
    (copy / "mnist.npz").write_bytes(content[:size])
    assert f"{copy / 'mnist.npz'} is damaged: its sha256 is " in refused(copy)


def test_files_that_are_missing_or_unreadable(copy: Path) -> None:
    (copy / "mnist.npz").unlink()
    assert "mnist.npz: No such file or directory; install keras-ext again" in refused(copy)
    for content in ('{"file": {}}', "{", "[]", '{"splits": 3}'):
        (copy / "manifest.json").write_text(content)
        assert "manifest.json is damaged" in refused(copy)
    (copy / "manifest.json").unlink()
    assert "manifest.json: No such file" in refused(copy)


def repack(copy: Path, content: bytes | None = None, **arrays: Any) -> None:
    """Another file, with a manifest that fits it: only the published sums can tell."""
    path = copy / "mnist.npz"
    if content is None:
        np.savez(path, **arrays)
    else:
        path.write_bytes(content)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["file"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))


def test_one_changed_pixel_or_label_against_the_published_sums(copy: Path) -> None:
    arrays = unpack_mnist()
    x, y = arrays.x.copy(), arrays.y.copy()
    x[65_000, 14, 14, 0] ^= 1
    repack(copy, x=x, y=y)
    message = refused(copy)
    assert "its md5 of t10k-images-idx3-ubyte is" in message
    assert "expected 2646ac647ad5339dbf082846283269ea" in message
    y[3] = 7
    repack(copy, x=arrays.x, y=y)
    assert "expected a25bea736e30d166cdddb491f175f624" in refused(copy)


def test_a_file_of_the_right_sum_that_is_no_archive(copy: Path) -> None:
    content = (copy / "mnist.npz").read_bytes()
    for wrong in (b"nothing", b"", content[: len(content) // 2]):
        repack(copy, wrong)
        assert "mnist.npz can't be decompressed" in refused(copy)
    middle = len(content) // 2
    repack(copy, content[:middle] + bytes(1000) + content[middle + 1000 :])
    assert "mnist.npz can't be decompressed" in refused(copy)
    repack(copy, x=np.zeros(3))
    assert "mnist.npz can't be decompressed" in refused(copy)
