"""What is measured again and again crosses the bus once; the numbers are the same."""

from __future__ import annotations

import copy
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import accelerator
from keras_ext.callbacks import BiasVariance, on_device
from keras_ext.callbacks.measure import predictions
from keras_ext.callbacks.on_device import OnDevice, takes_tensors
from keras_ext.callbacks.samples import Drawn
from keras_ext.rows import Rows

BACKEND = keras.backend.backend()
SIZE = 50
KINDS = ["uint8", "bool", "int32", "int64", "float16", "float32", "float64"]
ONCE = [(50, 6, 5, 1)] * 3 + [(110,)] + [(40, 6, 5, 1)] + [(40,)]
"""Shapes of the batches and labels of 110 training and 40 validation examples."""


def pictures(count: int, seed: int, dtype: str = "uint8") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 6, 5, 1)).astype(dtype), rng.integers(0, 3, count)


TRAIN, VALIDATION = pictures(110, 0), pictures(40, 1)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what is copied to an accelerator that is only pretended."""
    shapes, put = [], on_device.put

    def counting(part: np.ndarray, dtype: str | None = None) -> Any:
        shapes.append(part.shape)
        return put(part, dtype)

    monkeypatch.setattr(on_device, "put", counting)
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: True)
    return shapes


def build(traces: list[Any] | None = None, **compiled: Any) -> keras.Model:
    """A compiled classifier of pictures, which notes when its Python code runs."""

    class Noting(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            if traces is not None:
                traces.append((str(x.shape), keras.backend.standardize_dtype(x.dtype)))
            return x

    keras.utils.set_random_seed(1)
    layers = [
        Noting(autocast=False),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(3, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((6, 5, 1), dtype="uint8"), *layers])
    # torch.compile needs a C++ compiler, and Keras on torch has no steps_per_execution.
    compiled = {"jit_compile": False} if BACKEND == "torch" else compiled
    model.compile("sgd", "sparse_categorical_crossentropy", **compiled)
    return model


def example(**changes: Any) -> BiasVariance:
    return BiasVariance(TRAIN, VALIDATION, **{"batch_size": SIZE, **changes})


def fit(watch: BiasVariance, model: keras.Model | None = None, epochs: int = 3) -> BiasVariance:
    model = build() if model is None else model
    model.fit(*TRAIN, batch_size=55, epochs=epochs, verbose=0, shuffle=False, callbacks=[watch])
    return watch


@pytest.mark.parametrize(
    "compiled",
    [
        {},
        pytest.param(
            {"jit_compile": True, "steps_per_execution": 2}, marks=pytest.mark.slow, id="jit"
        ),
    ],
)
def test_each_batch_crosses_the_bus_once_and_the_numbers_are_the_same(monkeypatch, sent, compiled):
    traces: list[Any] = []
    found = fit(example(), build(traces, **compiled))
    assert sent == ONCE
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: False)
    before: list[Any] = []
    expected = fit(example(), build(before, **compiled))
    assert len(sent) == len(ONCE)
    assert found.history == expected.history
    assert len(found.history) == 3
    assert traces == before  # Neither another shape or dtype, nor once more.
    for name, part in expected.measured.items():
        np.testing.assert_array_equal(found.measured[name].errors, part.errors)
        np.testing.assert_array_equal(found.measured[name].costs, part.costs)


def test_nothing_is_copied_without_an_accelerator(sent, monkeypatch):
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: False)
    fit(example())
    assert sent == []


@pytest.mark.parametrize("dtype", KINDS)
def test_predictions_of_every_kind_of_number(sent, dtype):
    x, _ = pictures(110, 2, dtype)
    model = build()
    expected = predictions(model, x, SIZE)
    kept = OnDevice()
    for _ in range(2):
        np.testing.assert_array_equal(predictions(model, x, SIZE, device=kept), expected)
    assert sent == [(50, 6, 5, 1)] * 3


def test_apples_accelerator_has_no_numbers_of_64_bits(sent, monkeypatch):
    monkeypatch.setattr(accelerator, "device", lambda: "mps:0")
    x = np.zeros((4, 2))
    kept = OnDevice()
    assert kept.labels(x, "float32") is x
    assert kept.labels(x.astype("float32"), "float32") is not x
    assert sent == [(4, 2)]


def test_the_room_is_that_of_all_together(sent, monkeypatch):
    size = TRAIN[0].nbytes + TRAIN[1].nbytes + 10
    monkeypatch.setattr(accelerator, "DEVICE_BYTES", size)
    fit(example())
    assert sent[:4] == ONCE[:4]
    assert sent[4:] == []


def test_what_is_no_plain_array_of_numbers_stays_as_it_is(sent):
    x = np.zeros((4, 2), "float32")
    others = [
        {"a": x},
        [x, x],
        Rows(x, np.arange(3)),
        np.ma.masked_array(x, x == 0),
        np.array(["a", "b"]),
        np.array([[1], [2, 3]], dtype=object),
    ]
    kept = OnDevice()
    for other in others:
        (batch,) = kept.batches(other, len(keras.tree.flatten(other)[0]))
        assert type(batch) in (type(other), np.ndarray)
    assert sent == []


def test_inputs_by_name_are_measured_as_before(sent):
    inputs = {name: keras.Input((2,), name=name) for name in ("a", "b")}
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Add()(list(inputs.values()))))
    model.compile("sgd", "mse")
    data = {name: np.ones((30, 2), "float32") for name in inputs}, np.ones(30, "float32")
    watch = BiasVariance(data, data)
    model.fit(*data, epochs=2, verbose=0, callbacks=[watch])
    assert sent == [(30,)]  # The labels, of both.


def test_a_model_with_a_way_of_its_own_gets_arrays():
    class Own(keras.Model):
        def predict_on_batch(self, x: Any) -> Any:
            return 2 * x

    class Mask(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x

        def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
            return keras.ops.not_equal(inputs, 0)

    assert not takes_tensors(Own())
    assert not takes_tensors(keras.Sequential([keras.Input((2,)), Mask()]))
    assert takes_tensors(build())


def test_padding_is_left_out_of_what_stays_on_the_accelerator_too(monkeypatch, sent):
    def measured() -> list[dict[str, float]]:
        keras.utils.set_random_seed(1)
        embedding = keras.layers.Embedding(5, 4, mask_zero=True)
        model = keras.Sequential([keras.Input((8,)), embedding, keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        watch = BiasVariance((x[:45], y[:45]), (x[45:], y[45:]), batch_size=20)
        model.fit(x, y, epochs=2, verbose=0, shuffle=False, callbacks=[watch])
        return watch.history

    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (90, 8)).astype("int32"), rng.integers(0, 3, (90, 8))
    found = measured()
    assert sent == [(20, 8)] * 3 + [(45, 8)] + [(20, 8)] * 3 + [(45, 8)]
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: False)
    assert found == measured()


def test_a_network_that_adds_stays_on_the_accelerator(sent):
    """A layer that would combine masks is asked for one each time, with what is there already."""
    inputs = keras.Input((6, 5, 1), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Flatten()(
        keras.layers.Add()([x, keras.layers.Conv2D(1, 3, padding="same")(x)])
    )
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    fit(example(), model)
    assert sent == ONCE


def test_room_is_made_at_the_end_and_the_next_fit_sends_what_is_there_then(sent):
    watch = fit(example())
    assert watch._samples.drawn.device._kept == {}
    fit(copy.deepcopy(watch))
    assert sent == ONCE * 2


def test_samples_of_a_precision_are_sent_once_they_are_chosen(sent):
    watch = fit(example(precision=0.2))
    assert len(watch.history) == 3
    assert sent == ONCE


def test_several_that_share_send_once(sent):
    drawn = Drawn()
    histories = []
    for _ in range(2):
        # Tuples of their own, of the same arrays.
        watch = BiasVariance((*TRAIN,), (*VALIDATION,), batch_size=SIZE)
        watch.share(drawn)
        histories.append(fit(watch).history)
    assert sent == ONCE
    assert histories[0] == histories[1] == fit(example()).history


@pytest.mark.parametrize("what", ["data", "max_examples"])
def test_other_data_or_another_size_are_not_shared(sent, what):
    drawn = Drawn()
    first = example()
    first.share(drawn)
    fit(first)
    train, validation = pictures(110, 3), pictures(40, 4)
    if what == "data":
        other = BiasVariance(train, validation, batch_size=SIZE)
    else:
        other = example(max_examples=20)
    other.share(drawn)
    fit(other)
    sizes = [110, 40] if what == "data" else [20, 20]
    assert [estimate.count for estimate in other._estimates.values()] == sizes
    assert len(sent) == len(ONCE) + (len(ONCE) if what == "data" else 4)
