"""Image files as arrays, and those that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_ext.data import load_images
from keras_ext.errors import ConfigError, DataError

Image = pytest.importorskip("PIL.Image", reason="image files are read by Pillow")


@pytest.fixture
def picture(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, np.ndarray]:
    pixels = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png", pixels


def test_pixels_come_as_they_are(picture: tuple[Path, np.ndarray]) -> None:
    path, pixels = picture
    images = load_images([path, str(path)], size=(6, 9))
    assert images.dtype == np.uint8
    assert np.array_equal(images, [pixels, pixels])


def test_grey_and_resized(picture: tuple[Path, np.ndarray]) -> None:
    path, pixels = picture
    grey = load_images([path], size=(6, 9), channels=1)[0, :, :, 0]
    assert np.abs(grey - pixels @ [0.299, 0.587, 0.114]).max() <= 1
    assert load_images([path], size=(12, 4), channels=1).shape == (1, 12, 4, 1)
    flat = np.full((6, 9), 200, np.uint8)
    Image.fromarray(flat).save(path)
    assert np.array_equal(load_images([path], size=(3, 3)), np.full((1, 3, 3, 3), 200))


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = load_images([tmp_path / "a.png"], size=(8, 4), channels=1)[0, :, :, 0]
    assert np.array_equal(image, np.repeat([255, 0], 4)[:, None].repeat(4, axis=1))


def test_no_files_are_no_images() -> None:
    assert load_images([], size=(4, 5), channels=1).shape == (0, 4, 5, 1)


def test_files_that_are_no_images_are_named(picture: tuple[Path, np.ndarray]) -> None:
    path, _ = picture
    content = path.read_bytes()
    (path.parent / "text.png").write_text("no image")
    (path.parent / "cut.png").write_bytes(content[: len(content) // 2])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(path.parent / "deep.png")
    for name, message in [
        ("text.png", "is no image that Pillow can read"),
        ("cut.png", "as an image: "),
        ("deep.png", "more than 8 bits"),
        ("absent.png", "No such file or directory"),
        (".", "Is a directory"),
    ]:
        with pytest.raises(DataError, match=message) as caught:
            load_images([path, path.parent / name], size=(4, 4))
        assert str(path.parent / name) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": (4, 4), "channels": 2}, "channels must be 1 or 3, got channels=2"),
        ({"size": (4, 0)}, r"got size=\(4, 0\)"),
        ({"size": (4,)}, r"got size=\(4,\)"),
        ({"size": (4.0, 4)}, r"got size=\(4.0, 4\)"),
    ],
)
def test_sizes_that_no_image_has(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_images([], **arguments)
