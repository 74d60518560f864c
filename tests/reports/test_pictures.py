"""PNG files, read back by a library that knows the format."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext.reports.pictures import LONGEST_SIDE, data_uri, png

Image = pytest.importorskip("PIL.Image", reason="Pillow, to read the pictures back")

shapes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 4]))


@given(shapes, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_pixels_come_back(shape: tuple[int, int, int], seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, shape, dtype="uint8")
    with Image.open(io.BytesIO(png(image))) as read:
        assert np.array_equal(np.asarray(read).reshape(shape), image)


def test_slices_and_two_dimensions() -> None:
    image = np.arange(400, dtype="uint16").reshape(20, 20).astype("uint8")[::2, ::-1]
    with Image.open(io.BytesIO(png(image))) as read:
        assert np.array_equal(np.asarray(read), image)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2)), np.zeros((2, 2, 2), "uint8"), np.zeros(4, "uint8")]
)
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="image must be uint8"):
        png(image)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_large_and_odd_images_still_give_a_small_picture(channels: int) -> None:
    image = np.full((1000, 300, channels), 7, dtype="uint8")
    data = base64.b64decode(data_uri(image).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as read:
        assert max(read.size) <= LONGEST_SIDE
        assert np.unique(np.asarray(read)).tolist() == [7]
