"""Small images as text that a page can hold."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 3: 2, 4: 6}
LONGEST_SIDE = 144


def png(image: np.ndarray) -> bytes:
    """A PNG file of an image; without a library, since it is so little.

    Args:
        image: uint8 array of shape (height, width), or (height, width, channels) with 1 (grey),
            3 (colour) or 4 (colour and opacity) channels.

    Raises:
        ValueError: for any other shape or type.

    Source: PNG specification, third edition, sections 5 (chunks), 9 (filter type 0) and 11.2.

    >>> file = png(np.zeros((2, 5), dtype="uint8"))
    >>> file[:4], struct.unpack(">II", file[16:24])
    (b'\\x89PNG', (5, 2))
    """
    pixels = image[:, :, None] if image.ndim == 2 else image
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in COLOR_TYPES:
        raise ValueError(
            "image must be uint8 of shape (height, width, 1, 3 or 4), "
            f"got {image.dtype} of shape {image.shape}"
        )
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOR_TYPES[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), dtype="uint8")
    rows[:, 1:] = pixels.reshape(height, -1)
    data = zlib.compress(rows.tobytes(), 9)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def data_uri(image: np.ndarray) -> str:
    """The image as an address that contains it.

    A long side above ``LONGEST_SIDE`` is thinned out, and of a number of channels that no PNG has
    the first is shown: these are pictures to recognise, not to measure.

    >>> data_uri(np.zeros((2, 2), dtype="uint8"))[:32]
    'data:image/png;base64,iVBORw0KGg'
    """
    small = thinned(image)
    if small.ndim == 3 and small.shape[2] not in COLOR_TYPES:
        small = small[:, :, :1]
    return "data:image/png;base64," + base64.b64encode(png(small)).decode()


def thinned(images: np.ndarray, longest: int = LONGEST_SIDE) -> np.ndarray:
    """Every so many rows and columns, so that no side is longer.

    Args:
        images: array of shape (..., height, width, channels), or one image of (height, width).
        longest: pixels.

    >>> thinned(np.zeros((2, 300, 100, 3)), 100).shape
    (2, 100, 34, 3)
    """
    first = max(0, images.ndim - 3)
    step = -(-max(images.shape[first : first + 2]) // longest)
    return images[(slice(None),) * first + (slice(None, None, step),) * 2]


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
