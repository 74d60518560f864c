"""What is compared between two runs, and how differences are said."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks.description import SHOWN, describe, differences
from keras_ext.callbacks.kept_model import trained

layers = keras.layers


def model(*parts, optimizer="sgd", loss="mse", **compiled):
    made = keras.Sequential([keras.Input((4,)), *parts])
    made.compile(optimizer, loss, **compiled)
    return made


def two(units=8, activation="relu", rate=0.5, **compiled):
    hidden = layers.Dense(units, activation=activation)
    return model(hidden, layers.Dropout(rate), layers.Dense(3), **compiled)


def branches(first=0):
    """Three layers of the same kind; the third comes after one of the others."""
    inputs = keras.Input((4,))
    hidden = [layers.Dense(4)(inputs) for _ in range(2)]
    made = keras.Model(inputs, [*hidden, layers.Dense(4)(hidden[first])])
    made.compile("sgd", "mse")
    return made


class Subclassed(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.hidden = layers.Dense(units)

    def call(self, x):
        return self.hidden(x)


def subclassed(units):
    made = Subclassed(units)
    made.compile("sgd", "mse")
    return made


def said(first, second, **options):
    """The differences, each model made when it is needed, so that Keras numbers their names."""
    described = [
        describe(part(), steps=options.get("steps"), configuration=options.get("configuration"))
        for part in (first, second)
    ]
    return differences(*described)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (two, lambda: two(units=9), "model.layers[1].units was 8, now 9"),
        (two, lambda: two(activation="tanh"), ".activation was 'relu', now 'tanh'"),
        (two, lambda: two(rate=0.4), "model.layers[2].rate was 0.5, now 0.4"),
        (
            two,
            lambda: model(layers.Dense(8, activation="relu"), layers.Dense(3)),
            "model.layers[2].class_name was 'Dropout', now 'Dense'",
        ),
        (
            lambda: model(layers.Dense(3, name="one")),
            lambda: model(layers.Dense(3, name="other")),
            ".name was 'one', now 'other'",
        ),
        (
            lambda: model(layers.Dense(3)),
            lambda: model(layers.Dense(3, dtype="float16")),
            ".dtype.name was 'float32', now 'float16'",
        ),
        (branches, lambda: branches(1), "was 'dense', now 'dense_1'"),
        (lambda: subclassed(3), lambda: subclassed(4), "model.layers[0].units was 3, now 4"),
        (two, lambda: two(optimizer="adam"), "optimizer.class_name was 'SGD', now 'Adam'"),
        (
            two,
            lambda: two(optimizer=keras.optimizers.SGD(0.5)),
            "optimizer.learning_rate was 0.009999999776482582, now 0.5",
        ),
        (
            two,
            lambda: two(optimizer=keras.optimizers.SGD(momentum=0.5)),
            "optimizer.momentum was 0.0, now 0.5",
        ),
        (two, lambda: two(loss="mae"), "compile.loss was 'mse', now 'mae'"),
        (two, lambda: two(metrics=["mae"]), "compile.metrics[0] was absent, now 'mae'"),
        (
            lambda: two(loss=keras.losses.BinaryCrossentropy()),
            lambda: two(loss=keras.losses.BinaryCrossentropy(from_logits=True)),
            "compile.loss.from_logits was False, now True",
        ),
    ],
)
def test_what_differs_is_named(first, second, text):
    assert any(text in difference for difference in said(first, second))
    assert said(first, first) == said(second, second) == []


def test_names_are_those_of_the_user():
    """Keras counts the layers of a process; block_1 and block_2 are told apart by their order."""
    assert said(two, two) == []
    assert two().layers[0].name != two().layers[0].name


@pytest.mark.parametrize(
    "parts",
    [
        (lambda: two(run_eagerly=True), lambda: two(jit_compile=False)),
        (
            lambda: model(layers.Dropout(0.5, seed=1), layers.Dense(3)),
            lambda: model(layers.Dropout(0.5, seed=2), layers.Dense(3)),
        ),
    ],
)
def test_what_makes_no_difference(parts):
    assert said(*parts) == []


def test_a_model_that_was_trained_may_have_turned_its_rates():
    """A callback turned them; the optimizer has stepped, so that it is no change of the user's."""
    first, second = two(), two(optimizer=keras.optimizers.SGD(0.5), rate=0.1, units=9)
    before, now = (describe(part, steps=2, configuration=0.1) for part in (first, second))
    assert len(differences(before, now)) == 3
    assert differences(before, now, trained=True) == ["model.layers[1].units was 8, now 9"]
    assert not trained(first)
    first.optimizer.iterations.assign(1)
    assert trained(first)


def test_what_the_user_says_counts_whatever_it_is():
    before = describe(two(), steps=2, configuration={"seed": 1, "rows": [1, 2], "name": "a_1"})
    now = describe(two(), steps=2, configuration={"seed": 2, "rows": [1, 2, 3], "name": "a_2"})
    assert differences(before, now) == [
        "configuration.seed was 1, now 2",
        "configuration.name was 'a_1', now 'a_2'",
        "configuration.rows[2] was absent, now 3",
    ]
    assert differences(before, now, trained=True) != []


def test_numbers_of_batches_count_if_they_are_known():
    before, now, unknown = (describe(two(), steps=n, configuration=None) for n in (2, 3, None))
    assert differences(before, now) == ["steps per epoch was 2, now 3"]
    assert differences(before, unknown) == differences(unknown, now) == []


def test_the_first_of_each_kind_comes_first():
    texts = said(two, lambda: two(units=9, activation="tanh", rate=0.1, optimizer="adam"))
    assert [text.split(".")[0] for text in texts[:2]] == ["model", "optimizer"]
    assert len(texts) == SHOWN + 1
    assert texts[-1].startswith("and ")


def test_long_lists_and_arrays_are_compared_and_not_shown():
    first, second = np.arange(100.0), np.arange(100.0)
    second[50] = 0
    parts = [lambda a=a: model(layers.Normalization(mean=a[:4], variance=a[1:5])) for a in (first,)]
    assert said(parts[0], parts[0]) == []
    before, now = (
        describe(two(), steps=None, configuration=list(map(float, a))) for a in (first, second)
    )
    (text,) = differences(before, now)
    assert text.startswith("configuration was '100 values, ")
    assert len(text) < 100


def test_a_class_that_tells_nothing():
    class Odd(keras.Model):
        def __init__(self, thing):
            super().__init__()
            self.thing = thing

        def get_config(self):
            raise RuntimeError("no")

    made = Odd(object())
    made.compile(loss=lambda y, p: keras.ops.mean(y - p))
    described = describe(made, steps=1, configuration=None)
    assert differences(described, describe(made, steps=1, configuration=None)) == []
    assert described["optimizer.class_name"] == "RMSprop"
