"""The composed transform against matrices multiplied one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.affine import DRAWS, Draw, coefficients
from keras_ext.records import Augmentation

ALL = Augmentation(flip="both", rotation=30, zoom=0.3, translation=0.2, shear=0.2, crop=2)


def rows_of(augmentation: Augmentation, draws: np.ndarray, **sides: int) -> np.ndarray:
    """The coefficients, a row an image."""
    return np.stack(coefficients(augmentation, draws, **sides), axis=1)


def shift(x: float, y: float) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def composed(augmentation: Augmentation, draw: np.ndarray, height: int, width: int) -> np.ndarray:
    """The inverse of matrices multiplied one by one: from output to input pixels."""
    m = augmentation.magnitude

    def spread(column: Draw, most: float) -> float:
        return float(m * most * (2 * draw[column] - 1))

    flips = [
        -1.0 if augmentation.flip in (name, "both") and draw[i] < m / 2 else 1.0
        for i, name in enumerate(("horizontal", "vertical"))
    ]
    flip = np.diag([*flips, 1.0])
    angle = np.radians(spread(Draw.ANGLE, augmentation.rotation))
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    shown = 1 + spread(Draw.ZOOM, augmentation.zoom)
    zoom = np.diag([1 / shown, 1 / shown, 1.0])
    down = spread(Draw.SHIFT_DOWN, augmentation.translation) * height
    right = spread(Draw.SHIFT_RIGHT, augmentation.translation) * width
    slant = np.array([[1, -spread(Draw.SHEAR, augmentation.shear), 0], [0, 1, 0], [0, 0, 1]])
    most = int(m * augmentation.crop + 0.5)
    choices = range(-most, most + 1)
    crop = (choices[int(draw[i] * len(choices))] for i in (Draw.CROP_RIGHT, Draw.CROP_DOWN))
    center = shift((width - 1) / 2, (height - 1) / 2)
    forward = shift(*crop) @ center @ slant @ shift(right, down) @ zoom @ turn @ flip
    inverse: np.ndarray = np.linalg.inv(forward @ np.linalg.inv(center))
    return inverse


@given(
    st.sampled_from([None, "horizontal", "vertical", "both"]),
    st.floats(0, 180),
    st.tuples(st.floats(0, 0.9), st.floats(0, 1), st.floats(0, 1)),
    st.integers(0, 5),
    st.floats(0, 1),
    st.integers(0, 100),
)
def test_law_one_transform_is_the_chain_of_matrices(
    flip: str | None,
    rotation: float,
    fractions: tuple[float, float, float],
    crop: int,
    magnitude: float,
    seed: int,
) -> None:
    strengths = dict(zip(("zoom", "translation", "shear"), fractions, strict=True))
    augmentation = Augmentation(
        flip=flip, rotation=rotation, crop=crop, magnitude=magnitude, **strengths
    )
    draws = np.random.default_rng(seed).random((4, DRAWS))
    for row, draw in zip(rows_of(augmentation, draws, height=9, width=14), draws, strict=True):
        expected = composed(augmentation, draw, 9, 14)
        assert np.allclose(row.reshape(2, 3), expected[:2], rtol=1e-9, atol=1e-9)


def test_every_part_moves_the_image_its_own_way() -> None:
    middle = np.full((1, DRAWS), 0.5)

    def at(column: int, value: float, **strengths: float) -> list[float]:
        draws = middle.copy()
        draws[0, column] = value
        rows = rows_of(Augmentation(**strengths), draws, height=11, width=21)
        return [round(float(v), 5) for v in rows[0]]

    assert at(2, 1.0, rotation=90) == [0, 1, 5, -1, 0, 15]
    assert at(3, 1.0, zoom=0.2) == [1.2, 0, -2, 0, 1.2, -1]
    assert at(4, 1.0, translation=0.5) == [1, 0, 0, 0, 1, -5.5]
    assert at(5, 0.0, translation=0.5) == [1, 0, 10.5, 0, 1, 0]
    assert at(6, 1.0, shear=0.5) == [1, 0.5, -2.5, 0, 1, 0]
    assert at(7, 0.99, crop=3) == [1, 0, 0, 0, 1, -3]
    assert at(8, 0.0, crop=3) == [1, 0, 3, 0, 1, 0]


@pytest.mark.parametrize("flip", ["horizontal", "vertical", "both"])
def test_half_of_the_images_are_flipped_and_magnitude_makes_it_fewer(flip: str) -> None:
    draws = np.random.default_rng(0).random((4000, DRAWS))
    for magnitude in (1.0, 0.4):
        rows = rows_of(Augmentation(flip=flip, magnitude=magnitude), draws, height=4, width=4)
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
        rows_of(half, draws, height=8, width=8), rows_of(other, draws, height=8, width=8)
    )


def test_no_strength_is_the_identity() -> None:
    draws = np.random.default_rng(0).random((3, DRAWS))
    rows = rows_of(replace(ALL, magnitude=0.0), draws, height=7, width=8)
    assert np.array_equal(rows, np.tile([1, 0, 0, 0, 1, 0], (3, 1)))


def test_drawn_scales_are_uniform() -> None:
    draws = np.random.default_rng(2).random((4000, DRAWS))
    rows = rows_of(ALL, draws, height=10, width=20)
    scale = np.sqrt(rows[:, 0] ** 2 + rows[:, 3] ** 2)
    assert scale.min() >= 0.7 - 1e-6
    assert scale.max() <= 1.3 + 1e-6
    assert np.abs(np.histogram(scale, 6, (0.7, 1.3))[0] / 4000 * 6 - 1).max() < 0.15


def test_a_crop_shifts_by_each_whole_number_as_often() -> None:
    draws = np.random.default_rng(3).random((7000, DRAWS))
    for magnitude, most in ((1.0, 3), (0.4, 1)):
        rows = rows_of(Augmentation(crop=3, magnitude=magnitude), draws, height=8, width=8)
        for column in (2, 5):
            shifts, counts = np.unique(rows[:, column], return_counts=True)
            assert shifts.tolist() == list(range(-most, most + 1))
            assert np.abs(counts / 7000 * len(shifts) - 1).max() < 0.12
