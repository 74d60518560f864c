"""Names as TensorFlow Datasets writes them."""

from __future__ import annotations

import pytest

from keras_ext.data.dataset_name import DatasetName
from keras_ext.errors import DataError


@pytest.mark.parametrize(
    ("name", "folder", "key"),
    [
        ("mnist", "mnist", "mnist"),
        ("cifar10:3.0.2", "cifar10", "cifar10"),
        ("cmaterdb/bangla", "cmaterdb/bangla", "cmaterdb+bangla"),
        ("resized/32x32:0.1.0", "resized/32x32", "resized+32x32"),
    ],
)
def test_names_and_their_folders(name: str, folder: str, key: str) -> None:
    parsed = DatasetName.parse(name)
    assert (str(parsed), parsed.folder, parsed.key) == (name, folder, key)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/../b", "a/..", "a b", "a:1", "a:1.*.*", "/a", "a/", "a\n", "ä", None, 3]
)
def test_what_is_no_name(name: object) -> None:
    with pytest.raises(DataError, match=r"a data set is named .*, got name="):
        DatasetName.parse(name)  # type: ignore[arg-type]
