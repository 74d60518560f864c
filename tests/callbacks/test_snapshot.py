"""Files of states: what is written is read, with the types that it had."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.callbacks import snapshot
from keras_ext.errors import ConfigError, DataError

DTYPES = (
    "bool",
    "int8",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "<U3",
    "S2",
    ">i4",
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"])),
)


@st.composite
def arrays(draw):
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    array = np.arange(math.prod(shape)).reshape(shape).astype(draw(st.sampled_from(DTYPES)))
    return array if draw(st.booleans()) or array.size == 0 else array.ravel()[0]


STATES = st.recursive(
    PLAIN | arrays(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text("ab") | st.integers(), inner, max_size=4),
    ),
    max_leaves=12,
)


def same(one, another) -> bool:
    if type(one) is not type(another):
        return False
    if isinstance(one, (np.ndarray, np.generic)):
        return one.dtype == another.dtype and np.array_equal(one, another)
    if isinstance(one, (list, tuple)):
        return len(one) == len(another) and all(map(same, one, another))
    if isinstance(one, dict):
        return list(one) == list(another) and all(same(one[key], another[key]) for key in one)
    return repr(one) == repr(another)


@given(state=STATES)
def test_what_is_written_is_read(state, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "a.state"
    snapshot.write(path, state)
    assert same(snapshot.read(path), state)


def test_half_precision_of_accelerators(tmp_path):
    values = keras.ops.convert_to_numpy(keras.ops.cast([1.5, -2.0], "bfloat16"))
    snapshot.write(tmp_path / "a.state", values)
    found = snapshot.read(tmp_path / "a.state")
    assert found.dtype.name == "bfloat16"
    assert found.astype("float32").tolist() == [1.5, -2.0]


@pytest.mark.parametrize(
    "odd", [object(), {1, 2}, np.array([None]), np.zeros(2, [("a", "i4")]), b"bytes", print]
)
def test_what_can_not_be_kept_is_named_and_nothing_is_written(tmp_path, odd):
    name = type(odd).__name__
    with pytest.raises(ConfigError, match=rf"state\['a'\]\[1\] is of type {name}, which can't"):
        snapshot.write(tmp_path / "a.state", {"a": [1, odd]})
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_file_is_run(tmp_path):
    """A pickle is not taken, whatever its name."""
    np.save(tmp_path / "a.state", np.array([print]), allow_pickle=True)
    (tmp_path / "a.state.npy").rename(tmp_path / "a.state")
    with pytest.raises(DataError, match="cut short or damaged"):
        snapshot.read(tmp_path / "a.state")


def test_a_file_that_can_not_be_read(tmp_path):
    with pytest.raises(DataError, match=r"a\.state can't be read: "):
        snapshot.read(tmp_path / "a.state")
