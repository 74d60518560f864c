"""BiasVariance with every kind of data that ``fit`` takes, and with models of several outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks import BiasVariance
from keras_ext.errors import ConfigError

BACKEND = keras.backend.backend()


def problem(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0.5)


TRAIN, VALIDATION = problem(128, 0), problem(48, 1)


def batches(data: tuple[np.ndarray, ...], size: int = 32) -> list[tuple[np.ndarray, ...]]:
    starts = range(0, len(data[0]), size)
    return [tuple(part[start : start + size] for part in data) for start in starts]


class Batched(keras.utils.PyDataset):
    """Batches by number."""

    def __init__(self, data):
        super().__init__()
        self.batches = batches(data)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def forever(data):
    while True:
        yield from batches(data)


def tensors(data):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(data).batch(32)


def loader(data):
    import torch

    parts = [torch.as_tensor(part) for part in data]
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*parts), batch_size=32)


class Subclassed(keras.Model):
    """Two dense layers."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8, activation="tanh")
        self.out = keras.layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.out(self.hidden(x))


def build(kind: str = "sequential", **compiled) -> keras.Model:
    keras.utils.set_random_seed(1)
    if kind == "subclassed":
        model = Subclassed()
    else:
        hidden = keras.layers.Dense(8, activation="tanh")
        out = keras.layers.Dense(3, activation="softmax")
        model = keras.Sequential([keras.Input((4,)), hidden, out])
        if kind == "functional":
            model = keras.Model(model.inputs[0], model.outputs[0])
    if BACKEND == "torch" or not compiled:
        compiled = {"run_eagerly": BACKEND != "jax"}
    model.compile("sgd", "sparse_categorical_crossentropy", **compiled)
    return model


def given(kind: str) -> tuple[dict, dict]:
    """What goes to fit, and what to the callback."""
    train, validation = {
        "arrays": lambda: (TRAIN, VALIDATION),
        "weighted": lambda: ((*TRAIN, np.ones(128)), (*VALIDATION, np.zeros(48))),
        "iterator": lambda: (TRAIN, VALIDATION),
        "PyDataset": lambda: (Batched(TRAIN), Batched(VALIDATION)),
        "tf.data": lambda: (tensors(TRAIN), tensors(VALIDATION)),
        "DataLoader": lambda: (loader(TRAIN), loader(VALIDATION)),
    }[kind]()
    fit = {"x": train}
    if kind in ("arrays", "weighted"):
        fit = dict(zip(("x", "y", "sample_weight"), train, strict=False)) | {"batch_size": 32}
    if kind == "iterator":
        fit = {"x": forever(TRAIN), "steps_per_epoch": 4}
    return fit | {"shuffle": False}, {"train": train, "validation": validation}


KINDS = [
    "arrays",
    "weighted",
    "iterator",
    "PyDataset",
    pytest.param("tf.data", marks=pytest.mark.tensorflow),
    pytest.param("DataLoader", marks=pytest.mark.skipif(BACKEND != "torch", reason="needs torch")),
]


def run(kind: str, model: keras.Model) -> dict[str, list[float]]:
    fit, data = given(kind)
    watch = BiasVariance(data["train"], data["validation"])
    return model.fit(epochs=2, verbose=0, callbacks=[watch], **fit).history


@pytest.fixture(scope="module")
def expected() -> dict[str, list[float]]:
    return run("arrays", build())


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_data_makes_no_difference(kind, expected):
    found = run(kind, build())
    for key in ("train_error", "validation_error", "measured_epoch"):
        assert found[key] == expected[key]
    assert found["train_cost"] == pytest.approx(expected["train_cost"], rel=1e-5)


@pytest.mark.parametrize("model", ["sequential", "functional", "subclassed"])
@pytest.mark.parametrize(
    "compiled",
    [
        {"run_eagerly": True},
        pytest.param({"jit_compile": False, "steps_per_execution": 2}, marks=pytest.mark.slow),
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("kind", ["arrays", "iterator"])
def test_models_and_ways_to_compile(model, compiled, kind):
    model = build(model, **compiled)
    found = run(kind, model)
    p = np.asarray(keras.ops.convert_to_numpy(model(VALIDATION[0], training=False)))
    wrong = np.mean(p.argmax(axis=1) != VALIDATION[1])
    assert found["validation_error"][-1] == pytest.approx(wrong, abs=1e-9)


@pytest.mark.parametrize("how", ["sample_weight", "class_weight"])
def test_weights_of_fit_do_not_change_the_measure(how):
    weights = {"sample_weight": np.ones(128), "class_weight": {0: 1.0, 1: 5.0, 2: 1.0}}
    model = build()
    options = {"epochs": 1, "verbose": 0, how: weights[how]}
    history = model.fit(*TRAIN, callbacks=[BiasVariance(TRAIN, VALIDATION)], **options).history
    p = np.asarray(keras.ops.convert_to_numpy(model(TRAIN[0], training=False)))
    assert history["train_error"] == [pytest.approx(np.mean(p.argmax(axis=1) != TRAIN[1]))]


class Drawing(Batched):
    """A data set that draws from the global generators each time it is read."""

    def __getitem__(self, index):
        np.random.random()
        keras.random.uniform((1,))
        return super().__getitem__(index)


def test_reading_data_leaves_the_random_state_as_it_is():
    keras.utils.set_random_seed(3)
    first = np.random.random(), float(keras.random.uniform(()))
    keras.utils.set_random_seed(3)
    BiasVariance(Drawing(TRAIN), Drawing(VALIDATION)).measure_now(build_quietly())
    assert (np.random.random(), float(keras.random.uniform(()))) == first


def build_quietly() -> keras.Model:
    """Built without drawing from the global generators."""
    zeros = {"kernel_initializer": "zeros"}
    layers = [keras.Input((4,)), keras.layers.Dense(3, activation="softmax", **zeros)]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=BACKEND != "jax")
    return model


def test_a_sorted_data_set_gives_a_fair_sample():
    x, y = problem(3000, 5)
    order = np.argsort(y, kind="stable")
    sets = Batched((x[order], y[order])), Batched(VALIDATION)
    watch = BiasVariance(*sets, max_examples=600)
    watch.measure_now(build())
    share = np.bincount(watch._samples.chosen["train"].y) / 600
    np.testing.assert_allclose(share, np.bincount(y) / 3000, atol=1 / 600 + 1e-9)


# Several outputs: a number, and which of three classes.


def two_outputs(kind: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    size = keras.layers.Dense(1, name="size")(inputs)
    which = keras.layers.Dense(3, activation="softmax", name="which")(inputs)
    outputs = {"size": size, "which": which} if kind == "mapping" else [size, which]
    model = keras.Model(inputs, outputs)
    losses = {"size": "mae", "which": "sparse_categorical_crossentropy"}
    eager = BACKEND != "jax"
    model.compile("sgd", losses if kind == "mapping" else [*losses.values()], run_eagerly=eager)
    return model


def labels(data: tuple[np.ndarray, np.ndarray], kind: str):
    x, y = data
    each = {"size": x[:, :1] * 2, "which": y}
    return x, (each if kind == "mapping" else tuple(each.values()))


@pytest.mark.parametrize("kind", ["mapping", "list"])
@pytest.mark.parametrize("form", ["arrays", "PyDataset"])
def test_the_output_that_the_user_names(kind, form):
    train, validation = labels(TRAIN, kind), labels(VALIDATION, kind)
    given = [train, validation] if form == "arrays" else [[train], [validation]]
    model = two_outputs(kind)
    which = BiasVariance(*given, output="which")
    size = BiasVariance(*given, output="size" if kind == "mapping" else 0)
    found = model.fit(*train, epochs=1, verbose=0, callbacks=[which, size]).history
    predicted = model.predict_on_batch(VALIDATION[0])
    of = predicted if kind == "mapping" else dict(zip(("size", "which"), predicted, strict=True))
    wrong = np.mean(np.asarray(of["which"]).argmax(axis=1) != VALIDATION[1])
    assert which.validation_estimate.error == pytest.approx(wrong)
    apart = np.asarray(of["size"])[:, 0] - 2 * VALIDATION[0][:, 0]
    assert size.validation_estimate.error == pytest.approx(np.mean(apart**2), rel=1e-5)
    # The later one writes last.
    assert found["validation_cost"] == [pytest.approx(np.mean(np.abs(apart)), rel=1e-5)]


@pytest.mark.parametrize("kind", ["mapping", "list"])
def test_several_outputs_and_none_named(kind):
    model, data = two_outputs(kind), (labels(TRAIN, kind), labels(VALIDATION, kind))
    with pytest.raises(ConfigError, match=r"2 outputs.*'size', 'which', got output=None"):
        model.fit(*data[0], verbose=0, callbacks=[BiasVariance(*data)])
    with pytest.raises(ConfigError, match="'size', 'which', got output='colour'"):
        model.fit(*data[0], verbose=0, callbacks=[BiasVariance(*data, output="colour")])
