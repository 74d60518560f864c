"""Picking one of several outputs, against what Keras itself makes of the same structures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks import outputs
from keras_ext.callbacks.losses import compiled_loss
from keras_ext.callbacks.measure import measure
from keras_ext.callbacks.outputs import Output, labels
from keras_ext.errors import ConfigError

COUNT = 30


def data() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    y = {"size": rng.normal(size=(COUNT, 1)), "kind": rng.integers(0, 3, size=COUNT)}
    return rng.normal(size=(COUNT, 4)).astype("float32"), y


class Subclassed(keras.Model):
    """Two outputs in a mapping or a list."""

    def __init__(self, named: bool):
        super().__init__()
        self.named = named
        self.size, self.kind = keras.layers.Dense(1), keras.layers.Dense(3, activation="softmax")

    def call(self, x):
        size, kind = self.size(x), self.kind(x)
        return {"size": size, "kind": kind} if self.named else [size, kind]


def build(kind: str) -> keras.Model:
    """With the outputs "size" and "kind", in that order where there is one."""
    if kind.startswith("subclassed"):
        model = Subclassed(named=kind.endswith("dict"))
        model(np.zeros((1, 4), "float32"))
        return model
    inputs = keras.Input((4,))
    # Names of layers that differ from the keys, and stand in another order.
    names = ("z", "a") if kind.endswith("dict") else ("size", "kind")
    size = keras.layers.Dense(1, name=names[0])(inputs)
    kinds = keras.layers.Dense(3, activation="softmax", name=names[1])(inputs)
    return keras.Model(inputs, {"size": size, "kind": kinds} if "dict" in kind else [size, kinds])


LOSSES = {"size": "mae", "kind": "sparse_categorical_crossentropy"}
ORDER = ["size", "kind"]


def by_hand(model: keras.Model, name: str) -> tuple[float, float]:
    """Error and cost of one output, a loop over the examples."""
    x, y = data()
    found = model(x, training=False)
    part = found[name] if isinstance(found, dict) else found[ORDER.index(name)]
    p = np.asarray(keras.ops.convert_to_numpy(part))
    pairs = list(zip(y[name], p, strict=True))
    if name == "size":
        return (
            float(np.mean([(t[0] - q[0]) ** 2 for t, q in pairs])),
            float(np.mean([abs(t[0] - q[0]) for t, q in pairs])),
        )
    return (
        float(np.mean([q.argmax() != t for t, q in pairs])),
        float(np.mean([-np.log(q[t]) for t, q in pairs])),
    )


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize(
    ("kind", "loss", "given"),
    [
        ("functional list", LOSSES, dict),
        ("functional list", list(LOSSES.values()), tuple),
        ("functional dict", LOSSES, dict),
        ("subclassed dict", LOSSES, dict),
        ("functional list", LOSSES, "alone"),
        ("subclassed dict", LOSSES, "alone"),
    ],
)
def test_an_output_by_name(kind, loss, given, name):
    model = build(kind)
    model.compile("sgd", loss, run_eagerly=True)
    x, y = data()
    y = y[name] if given == "alone" else y if given is dict else tuple(y.values())
    estimate, cost = measure(model, (x, y), output=name)
    assert (estimate.error, cost) == pytest.approx(by_hand(model, name), rel=1e-4)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("kind", ["functional list", "subclassed list"])
def test_an_output_by_its_place(kind, place):
    model = build(kind)
    model.compile("sgd", list(LOSSES.values()), run_eagerly=True)
    x, y = data()
    estimate, cost = measure(model, (x, tuple(y.values())), output=place)
    assert (estimate.error, cost) == pytest.approx(by_hand(model, ORDER[place]), rel=1e-4)


def test_losses_of_a_list_go_to_the_keys_in_the_order_of_keras():
    model = build("functional dict")
    model.compile("sgd", ["sparse_categorical_crossentropy", "mae"], run_eagerly=True)
    x, y = data()
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    for name in ORDER:
        assert measure(model, (x, y), output=name)[1] == pytest.approx(found[f"{name}_loss"])


def test_one_loss_for_all_and_none_for_some():
    model = build("functional list")
    model.compile("sgd", "mae", run_eagerly=True)
    assert compiled_loss(model, Output("kind", ("size", "kind"))) is keras.losses.get("mae")
    model.compile("sgd", {"size": "mae"}, run_eagerly=True)
    for wanted in ("kind", 1):
        assert compiled_loss(model, Output.of_model(model, wanted)) is None
    assert compiled_loss(model, Output.of_model(model, 0)) is keras.losses.get("mae")
    x, y = data()
    estimate, cost = measure(model, (x, y), output="kind", error=lambda t, p: p.argmax(axis=1) != t)
    assert (estimate.error, cost) == (by_hand(model, "kind")[0], None)


@pytest.mark.parametrize("wanted", [None, "colour", 2])
@pytest.mark.parametrize("kind", ["functional list", "functional dict", "subclassed dict"])
def test_the_outputs_that_there_are_are_named(kind, wanted):
    model = build(kind)
    model.compile("sgd", LOSSES, run_eagerly=True)
    listed = "'size', 'kind'|'kind', 'size'"
    with pytest.raises(ConfigError, match=rf"2 outputs.*({listed}), got output={wanted!r}"):
        measure(model, data(), output=wanted)


def test_one_loss_and_no_labels_by_name_leave_it_to_the_prediction():
    model = build("subclassed list")
    model.compile("sgd", "mae", run_eagerly=True)
    x, y = data()
    with pytest.raises(ConfigError, match="a prediction, 0, 1, got output=None"):
        measure(model, (x, y["size"]))
    assert measure(model, (x, y["size"]), output=0)[1] == pytest.approx(by_hand(model, "size")[1])


def test_the_only_output_may_be_named():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    x, y = data()
    alone = measure(model, (x, y["size"]))
    for output in (0, "size"):
        assert measure(model, (x, {"size": y["size"]}), output=output) == alone
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1, name="size")(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    measure(model, (x, y["size"]), output="size")
    with pytest.raises(ConfigError, match="output='kind'"):
        measure(model, (x, y["size"]), output="kind")


def test_an_output_of_several_arrays_is_refused():
    class Pair(Subclassed):
        def call(self, x):
            return {"pair": [self.size(x), self.kind(x)], "size": self.size(x)}

    model = Pair(named=True)
    model.compile("sgd", "mae", run_eagerly=True)
    x, y = data()
    with pytest.raises(ConfigError, match="must be one array, got output='pair', which has 2"):
        measure(model, (x, y["size"]), output="pair")


@pytest.mark.parametrize(
    "y", [[1, 2, 3], [[1, 0], [0, 1]], np.zeros((2, 3)), [np.float32(1.0), np.float32(0.0)]]
)
def test_a_list_of_numbers_is_the_labels_themselves(y):
    assert labels(y, Output(None)) is y


@pytest.mark.parametrize("output", [-1, 1.5, True, ["a"], b"a"])
def test_what_is_no_name_and_no_place_is_refused(output):
    with pytest.raises(ConfigError, match="output="):
        outputs.check(output)


def test_names_and_places_are_accepted():
    assert outputs.check("a") == "a"
    assert type(outputs.check(np.int64(1))) is int
    assert outputs.check(None) is None
