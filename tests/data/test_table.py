"""Tables of scikit-learn as arrays."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from keras_ext.data import load_table
from keras_ext.data.table import TABLES
from keras_ext.errors import DataError, MissingExtraError


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_there(name: str) -> None:
    sets = pytest.importorskip("sklearn.datasets")
    arrays = load_table(name)
    x, y = getattr(sets, f"load_{name}")(return_X_y=True)
    assert np.allclose(arrays.x, x)
    assert np.allclose(arrays.y, y)
    assert arrays.x.dtype == np.float32
    assert len(arrays.classes) == (0 if name == "diabetes" else len(set(y)))


def test_another_table() -> None:
    with pytest.raises(DataError, match=r"comes with breast_cancer, .* got name='titanic'"):
        load_table("titanic")


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn is not installed: .*\[tuner\]"):
        load_table("wine")
