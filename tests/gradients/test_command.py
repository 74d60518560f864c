"""The command on a saved model: its words and its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from keras_ext.gradients import random_data
from keras_ext.gradients.command import main


def _save(model: keras.Model, path: Path, **compiled) -> str:
    if compiled:
        model.compile("sgd", **compiled)
    model.save(path)
    return str(path)


@pytest.fixture
def right(tmp_path: Path) -> str:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _save(model, tmp_path / "right.keras", loss=loss)


@pytest.fixture
def wrong(tmp_path: Path, faults) -> str:
    layer = faults.dense(4, fault="bias", factor=-1.0)
    model = keras.Sequential([keras.Input((5,)), layer, layers.Dense(3)])
    return _save(model, tmp_path / "wrong.keras", loss="mse")


def test_a_right_model_is_0(right: str, capsys) -> None:
    assert main([right]) == 0
    out = capsys.readouterr().out
    assert "Gradient check" in out
    assert "excellent" in out


def test_a_wrong_model_is_1(wrong: str, capsys) -> None:
    assert main([wrong, "--json", "--method", "exhaustive", "--examples", "4"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in report["variables"]] == ["ok", "wrong", "ok", "ok"]
    assert report["method"] == "exhaustive"


def test_given_data_are_used(right: str, tmp_path: Path, rng, capsys) -> None:
    data = tmp_path / "batch.npz"
    arrays = {"x": rng.normal(size=(40, 5)), "y": rng.integers(0, 3, 40)}
    np.savez(data, **arrays, sample_weight=np.ones(40))
    assert main([right, "--data", str(data), "--inputs", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["variables"]
    assert (row["path"], row["shape"]) == ("x", [16, 5])
    np.savez(data, **{**arrays, "y": np.full(40, 7)})
    assert main([right, "--data", str(data)]) == 2
    assert "y must be class numbers from 0 to 2" in capsys.readouterr().err


def test_several_inputs_and_outputs_go_by_name(tmp_path: Path, rng, capsys) -> None:
    words = keras.Input((None,), dtype="int32", name="words")
    image = keras.Input((4, 4, 1), name="image")
    both = layers.Concatenate()(
        [layers.LSTM(2)(layers.Embedding(7, 3)(words)), layers.Flatten()(image)]
    )
    outputs = [layers.Dense(1, name="size")(both), layers.Dense(3, "softmax", name="kind")(both)]
    path = tmp_path / "two.keras"
    loss = {"size": "mse", "kind": "sparse_categorical_crossentropy"}
    model = keras.Model([words, image], outputs)
    _save(model, path, loss=loss)
    assert main([str(path)]) == 0
    data = tmp_path / "batch.npz"
    x = dict(zip(("x_words", "x_image"), random_data.random_inputs(model, 6, rng), strict=True))
    assert x["x_words"].shape == (6, random_data.LENGTH)
    np.savez(data, **x, y_size=np.ones((6, 1)), y_kind=np.ones(6, "int32"))
    assert main([str(path), "--data", str(data)]) == 0
    np.savez(data, x_words=x["x_words"])
    capsys.readouterr()
    assert main([str(path), "--data", str(data)]) == 2
    assert "must hold x_image, got x_words" in capsys.readouterr().err


def test_what_is_missing_or_broken_is_2_in_one_line(right: str, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.keras"
    broken.write_bytes(b"no model")
    bare = keras.Sequential([keras.Input((5,)), layers.Dense(3)])
    uncompiled = _save(bare, tmp_path / "uncompiled.keras")
    empty = tmp_path / "empty.npz"
    np.savez(empty, z=np.ones(3))
    cases = {
        "no such file: none.keras": ["none.keras"],
        "can't load": [str(broken)],
        "is not compiled: pass --loss": [uncompiled],
        "--loss must be the name of a Keras loss, got no_loss": [right, "--loss", "no_loss"],
        "no such file: none.npz": [right, "--data", "none.npz"],
        "can't read": [right, "--data", str(broken)],
        "must hold x, got z": [right, "--data", str(empty)],
        "--import can't import no_module": [right, "--import", "no_module"],
    }
    for message, arguments in cases.items():
        assert main(arguments) == 2
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ")
        assert message in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""
    assert main([uncompiled, "--loss", "mse"]) == 0


def test_a_lambda_in_the_file_is_not_run(tmp_path: Path, capsys) -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), layers.Lambda(lambda x: 2 * x)])
    assert main([_save(model, tmp_path / "lambda.keras", loss="mse")]) == 2
    assert "Lambda" in capsys.readouterr().err


LAYER = """
import keras
@keras.saving.register_keras_serializable(package="command_test")
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""


def test_own_layers_are_imported_from_the_current_folder(tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "own_doubled_layer.py").write_text(LAYER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import own_doubled_layer

    model = keras.Sequential([keras.Input((5,)), layers.Dense(3), own_doubled_layer.Doubled()])
    path = _save(model, tmp_path / "own.keras", loss="mse")
    keras.saving.get_custom_objects().pop("command_test>Doubled")
    sys.modules.pop("own_doubled_layer")
    assert main([path]) == 2
    assert "--import" in capsys.readouterr().err
    assert main([path, "--import", "own_doubled_layer"]) == 0


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["a", "--examples", "0"], ["a", "--no"]])
def test_bad_usage_is_2(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: python -m keras_ext.gradients" in capsys.readouterr().err


def test_help_teaches(capsys) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    out = capsys.readouterr().out
    for part in ("--data", "numpy.savez", "exit status", "--import my_layers"):
        assert part in out
