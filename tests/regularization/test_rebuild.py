import keras
import numpy as np
import pytest
from keras import ops

from keras_ext.errors import ConfigError
from keras_ext.regularization import L2, Dropout, adjustable, frozen, knobs, strengths

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(8, 3)).astype("float32")


def outputs_of(model, x=ROWS):
    return ops.convert_to_numpy(model(x, training=False))


def classes(model):
    return {type(layer) for layer in strengths.walk(model)}


def penalty(model):
    return sum(float(ops.convert_to_numpy(loss)) for loss in model.losses)


def dense(l2, units=3, **options):
    return keras.layers.Dense(units, kernel_regularizer=l2, **options)


def test_a_layer_used_twice_stays_one_layer():
    shared, inner = dense(L2(0.1)), keras.Sequential([keras.Input((3,)), dense(L2(0.2))])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, inner(shared(inner(shared(inputs)))) + inputs)
    stock = frozen(model)
    assert len(stock.trainable_weights) == 4
    np.testing.assert_array_equal(outputs_of(stock), outputs_of(model))


def test_wrappers_cells_and_equal_names_in_two_models():
    branches = [
        keras.Sequential(
            [
                keras.Input((4, 3)),
                keras.layers.TimeDistributed(dense(L2(0.1))),
                Dropout(0.3),
                keras.layers.LSTM(2, recurrent_regularizer=L2(0.2), name="same"),
            ],
            name=name,
        )
        for name in ("left", "right")
    ]
    inputs = keras.Input((4, 3))
    outputs = branches[0](inputs) - 2 * branches[1](inputs)
    model = keras.Model(inputs, keras.layers.Reshape((2,))(outputs))
    x = RNG.normal(size=(5, 4, 3)).astype("float32")
    stock = frozen(model)
    assert all(kind.__module__.startswith("keras.") for kind in classes(stock))
    np.testing.assert_array_equal(outputs_of(stock, x), outputs_of(model, x))
    assert penalty(stock) == pytest.approx(penalty(model), rel=1e-6)


@pytest.mark.tensorflow
def test_vocabularies_are_copied():
    lookup = keras.layers.IntegerLookup(output_mode="one_hot")
    lookup.adapt(np.array([[5], [5], [9]]))
    model = keras.Sequential([keras.Input((1,), dtype="int64"), lookup, dense(L2(0.1))])
    x = np.array([[9], [5], [7]])
    np.testing.assert_array_equal(outputs_of(frozen(model), x), outputs_of(model, x))


@keras.saving.register_keras_serializable(package="tests")
class Residual(keras.layers.Layer):
    """Takes the layers inside as arguments and has them in its config: can be rebuilt."""

    def __init__(self, inner, drop, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.drop = inner, drop

    def build(self, shape):
        if not self.inner.built:
            self.inner.build(shape)

    def call(self, inputs):
        return inputs + self.drop(self.inner(inputs))

    def get_config(self):
        parts = {"inner": self.inner, "drop": self.drop}
        own = {key: keras.saving.serialize_keras_object(value) for key, value in parts.items()}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        parts = {
            key: keras.saving.deserialize_keras_object(config.pop(key)) for key in ("inner", "drop")
        }
        return cls(**parts, **config)


class Closed(keras.layers.Layer):
    """Makes the layers inside in its own code."""

    def __init__(self, drop, **kwargs):
        super().__init__(**kwargs)
        self.inner = drop(0.5, name="inside")

    def call(self, inputs):
        return self.inner(inputs)

    def get_config(self):
        return super().get_config()


class ClosedLive(Closed):
    def __init__(self, **kwargs):
        super().__init__(Dropout, **kwargs)


class ClosedStock(Closed):
    def __init__(self, **kwargs):
        super().__init__(keras.layers.Dropout, **kwargs)


class NoConfig(keras.Model):
    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function
        self.drop = Dropout(0.5)

    def call(self, inputs):
        return self.function(self.drop(inputs))


@keras.saving.register_keras_serializable(package="tests")
class Plain(keras.Model):
    """A subclassed model whose config says it all."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = keras.layers.Dense(units), keras.layers.Dense(units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}

    def build(self, shape):
        self.first.build(shape)
        self.second.build((*shape[:-1], self.first.units))
        super().build(shape)

    def call(self, inputs):
        return self.second(self.first(inputs))


def test_a_layer_of_layers_with_a_config_is_converted():
    block = Residual(dense(L2(0.1)), Dropout(0.25))
    model = keras.Sequential([keras.Input((3,)), block, Plain(2)])
    stock = frozen(model)
    assert not {Dropout, L2} & classes(stock)
    assert stock.layers[0].drop.rate == 0.25
    np.testing.assert_array_equal(outputs_of(stock), outputs_of(model))
    assert {name: knob.value for name, knob in knobs(adjustable(stock)).items()} == {
        "dropout": 0.25,
        "l2": 0.1,
    }


@pytest.mark.parametrize(
    ("convert", "kind"),
    [(frozen, ClosedLive), (adjustable, ClosedStock)],
    ids=lambda item: item.__name__,
)
def test_what_a_class_makes_in_its_own_code_is_refused_by_name(convert, kind):
    model = keras.Sequential([keras.Input((3,)), kind()])
    with pytest.raises(ConfigError, match="layer 'inside' can't be converted"):
        convert(model)


@pytest.mark.parametrize("convert", [frozen, adjustable])
def test_a_model_without_a_config_is_refused_by_name(convert):
    inner = NoConfig(lambda x: x, name="mine")
    for model in (inner, keras.Sequential([keras.Input((3,)), inner], name="outer")):
        model(ROWS)
        with pytest.raises(ConfigError, match="NoConfig 'mine' can't be rebuilt") as caught:
            convert(model)
        assert "\n" not in str(caught.value)


class Bare(keras.Model):
    """As most people write one."""

    def __init__(self):
        super().__init__()
        self.drop = keras.layers.Dropout(0.5)

    def call(self, inputs, training=None):
        return self.drop(inputs, training=training)


class Passing(keras.Model):
    """What Keras gives every model goes on to it, whatever the first argument is called."""

    def __init__(this, **options):
        super().__init__(**options)
        this.dense = keras.layers.Dense(2)

    def call(this, inputs):
        return this.dense(inputs)


def test_a_constructor_without_keras_arguments_is_told_what_to_take():
    model = Bare()
    model(ROWS)
    with pytest.raises(
        ConfigError, match=r"Bare 'bare\w*' .* must take \*\*kwargs .*Dropout in the"
    ):
        adjustable(model)


def test_self_may_have_another_name():
    model = Passing()
    model(ROWS)
    np.testing.assert_array_equal(outputs_of(adjustable(model)), outputs_of(model))


class Defaults(keras.Model):
    """Keras takes 1 for the argument whatever was passed."""

    def __init__(self, factor=1):
        super().__init__(name="guess")
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs


@pytest.mark.parametrize("convert", [frozen, adjustable])
def test_a_config_that_keras_made_up_is_refused_by_name(convert):
    model = Defaults(2)
    model(ROWS)
    with pytest.raises(ConfigError, match=r"Defaults 'guess' .* has no get_config"):
        convert(model)


def test_a_layer_shared_by_two_models_is_refused_by_name():
    shared = dense(L2(0.1), name="shared")
    inner = keras.Sequential([keras.Input((3,)), shared])
    inputs = keras.Input((3,))
    model = keras.Model(inputs, inner(inputs) + shared(inputs))
    with pytest.raises(ConfigError, match="layer 'shared' is shared between two models"):
        frozen(model)


@pytest.mark.parametrize("convert", [frozen, adjustable])
@pytest.mark.parametrize("model", [None, "model.keras", Dropout(0.5)])
def test_only_models_are_converted(convert, model):
    with pytest.raises(ConfigError, match=r"model must be a keras.Model, got model="):
        convert(model)
