"""A folder of images as a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_ext.data import load_folder
from keras_ext.errors import DataError

Image = pytest.importorskip("PIL.Image", reason="image files are read by Pillow")


def save(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((5, 5), value, np.uint8)).save(path)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    folder = tmp_path / "animals"
    for name, value in [("dog/2.png", 2), ("dog/1.PNG", 1), ("cat/x.png", 3), ("owl/x.bmp", 4)]:
        save(folder / name, value)
    (folder / "dog" / "notes.txt").write_text("passed over")
    save(folder / "dog" / ".hidden.png", 9)
    save(folder / ".hidden" / "x.png", 9)
    save(folder / "no-class.png", 9)
    return folder


def test_classes_and_files_in_the_order_of_their_names(animals: Path) -> None:
    arrays = load_folder(animals, size=(5, 5), channels=1)
    assert arrays.name == "animals"
    assert arrays.classes == ("cat", "dog", "owl")
    assert arrays.x.shape == (4, 5, 5, 1)
    assert arrays.x[:, 0, 0, 0].tolist() == [3, 1, 2, 4]
    assert arrays.y.tolist() == [0, 1, 1, 2]
    assert arrays.y.dtype == np.int32


def test_folders_that_hold_no_data_set(animals: Path) -> None:
    with pytest.raises(DataError, match="absent: No such file or directory"):
        load_folder(animals / "absent", size=(5, 5))
    with pytest.raises(DataError, match=r"no-class\.png: Not a directory"):
        load_folder(animals / "no-class.png", size=(5, 5))
    with pytest.raises(DataError, match="dog has no sub-folders"):
        load_folder(animals / "dog", size=(5, 5))
    (animals / "emu").mkdir()
    with pytest.raises(DataError, match="emu has no images"):
        load_folder(animals, size=(5, 5))


def test_a_file_that_is_no_image_is_named(animals: Path) -> None:
    (animals / "cat" / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cat/broken\.jpg"):
        load_folder(animals, size=(5, 5))
