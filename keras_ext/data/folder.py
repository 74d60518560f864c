"""A folder of images as a data set."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from keras_ext.data.images import load_images
from keras_ext.errors import DataError
from keras_ext.records import Arrays

ENDINGS = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"))


def load_folder(
    path: str | os.PathLike[str], *, size: tuple[int, int], channels: int = 3
) -> Arrays:
    """Images in one sub-folder a class, classes and files in the order of their names.

    Args:
        path: holds ``<class>/<image>``; hidden files and other endings are passed over.
        size: (height, width) to which every image is resized.
        channels: 1 for grey, 3 for colour.

    Raises:
        ConfigError: for a size or a number of channels that no image has.
        DataError: naming the folder without classes or images, or the file that can't be read.
        MissingExtraError: without Pillow.
    """
    folder = Path(path)
    try:
        folders = [child.name for child in folder.iterdir() if child.is_dir()]
        classes = sorted(name for name in folders if not name.startswith("."))
        files = [_images(folder / name) for name in classes]
    except OSError as error:
        raise DataError(f"can't read the folder {folder}: {error.strerror or error}") from error
    if not classes:
        raise DataError(f"{folder} has no sub-folders: put the images of each class into one")
    for name, images in zip(classes, files, strict=True):
        if not images:
            raise DataError(f"{folder / name} has no images ({', '.join(sorted(ENDINGS))})")
    x = load_images([image for images in files for image in images], size=size, channels=channels)
    y = np.repeat(np.arange(len(classes), dtype=np.int32), [len(images) for images in files])
    return Arrays(x, y, folder.resolve().name, tuple(classes))


def _images(folder: Path) -> list[Path]:
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".") and file.is_file()
    )
