"""The composed transform against matrices, and a slow resampler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.data.augment import DRAWS, transforms
from keras_ext.records import Augmentation

ALL = Augmentation(flip="both", rotation=30, zoom=0.3, translation=0.2)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def composed(augmentation: Augmentation, draw: np.ndarray, height: int, width: int) -> np.ndarray:
    """The inverse of five matrices multiplied one by one: from output to input pixels."""
    m = augmentation.magnitude
    flips = [
        -1.0 if augmentation.flip in (name, "both") and draw[i] < m / 2 else 1.0
        for i, name in enumerate(("horizontal", "vertical"))
    ]
    flip = np.diag([*flips, 1.0])
    angle = np.radians(m * augmentation.rotation * (2 * draw[2] - 1))
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    scale = 1 + m * augmentation.zoom * (2 * draw[3] - 1)
    zoom = np.diag([scale, scale, 1.0])
    down, right = (m * augmentation.translation * (2 * draw[i] - 1) for i in (4, 5))
    center = shift((width - 1) / 2, (height - 1) / 2)
    move = shift(right * width, down * height)
    forward = center @ move @ zoom @ turn @ flip @ np.linalg.inv(center)
    inverse: np.ndarray = np.linalg.inv(forward)
    return inverse


@given(
    st.sampled_from([None, "horizontal", "vertical", "both"]),
    st.floats(0, 180),
    st.floats(0, 0.9),
    st.floats(0, 1),
    st.floats(0, 1),
    st.integers(0, 100),
)
def test_law_one_transform_is_the_chain_of_matrices(
    flip: str | None, rotation: float, zoom: float, translation: float, magnitude: float, seed: int
) -> None:
    augmentation = Augmentation(
        flip=flip, rotation=rotation, zoom=zoom, translation=translation, magnitude=magnitude
    )
    draws = np.random.default_rng(seed).random((4, DRAWS))
    result = transforms(augmentation, draws, height=9, width=14)
    for row, draw in zip(result, draws, strict=True):
        expected = composed(augmentation, draw, 9, 14)
        assert np.allclose(row[:6].reshape(2, 3), expected[:2], rtol=1e-4, atol=1e-4)
    assert not result[:, 6:].any()


def test_every_part_moves_the_image_its_own_way() -> None:
    middle = np.full((1, DRAWS), 0.5)

    def at(column: int, value: float, **strengths: float) -> list[float]:
        draws = middle.copy()
        draws[0, column] = value
        rows = transforms(Augmentation(**strengths), draws, height=11, width=21)
        return [round(float(v), 5) for v in rows[0, :6]]

    assert at(2, 1.0, rotation=90) == [0, 1, 5, -1, 0, 15]
    assert at(3, 1.0, zoom=0.25) == [0.8, 0, 2, 0, 0.8, 1]
    assert at(4, 1.0, translation=0.5) == [1, 0, 0, 0, 1, -5.5]
    assert at(5, 0.0, translation=0.5) == [1, 0, 10.5, 0, 1, 0]


@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_half_of_the_images_are_flipped_and_magnitude_makes_it_fewer(flip: str) -> None:
    draws = np.random.default_rng(0).random((4000, DRAWS))
    for magnitude in (1.0, 0.4):
        rows = transforms(Augmentation(flip=flip, magnitude=magnitude), draws, height=4, width=4)
        for name, column in (("horizontal", 0), ("vertical", 4)):
            share = np.mean(rows[:, column] == -1)
            expected = magnitude / 2 if flip in (name, "both") else 0
            assert abs(share - expected) < 0.03


def test_magnitude_scales_what_is_drawn() -> None:
    draws = np.random.default_rng(1).random((5, DRAWS))
    draws[:, :2] = 0.9
    half = Augmentation(rotation=15, zoom=0.15, translation=0.1)
    other = Augmentation(rotation=30, zoom=0.3, translation=0.2, magnitude=0.5)
    assert np.array_equal(
        transforms(half, draws, height=8, width=8), transforms(other, draws, height=8, width=8)
    )


def test_no_strength_is_the_identity() -> None:
    rows = transforms(
        Augmentation(magnitude=0, rotation=90, flip="both"), np.zeros((3, DRAWS)), height=7, width=8
    )
    assert np.array_equal(rows, np.tile([1, 0, 0, 0, 1, 0, 0, 0], (3, 1)))


def test_drawn_angles_scales_and_shifts_are_uniform() -> None:
    draws = np.random.default_rng(2).random((4000, DRAWS))
    rows = transforms(ALL, draws, height=10, width=20).astype(float)
    scale = 1 / np.sqrt(rows[:, 0] ** 2 + rows[:, 1] ** 2)
    assert scale.min() >= 0.7 - 1e-6
    assert scale.max() <= 1.3 + 1e-6
    assert np.abs(np.histogram(scale, 6, (0.7, 1.3))[0] / 4000 * 6 - 1).max() < 0.15
