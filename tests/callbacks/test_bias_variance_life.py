"""BiasVariance where things go wrong, end early, are copied or shown."""

from __future__ import annotations

import copy
import io

import keras
import numpy as np
import pytest
from rich.console import Console

from keras_ext.callbacks import BiasVariance
from keras_ext.errors import ConfigError


def problem(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")


TRAIN, VALIDATION = problem(128, 0), problem(48, 1)


def example(**changes) -> BiasVariance:
    arguments = {"train": TRAIN, "validation": VALIDATION, **changes}
    return BiasVariance(arguments.pop("train"), arguments.pop("validation"), **arguments)


def build() -> keras.Model:
    """A compiled classifier with dropout."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dropout(0.5), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    eager = keras.backend.backend() != "jax"
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=eager)
    return model


def fit(model: keras.Model, *callbacks: keras.callbacks.Callback, epochs: int = 3):
    options = {"batch_size": 32, "epochs": epochs, "verbose": 0}
    return model.fit(*TRAIN, callbacks=list(callbacks), **options)


def cost(model: keras.Model, data: tuple[np.ndarray, np.ndarray]) -> float:
    """By hand: minus the mean logarithm of the probability of the label."""
    p = np.asarray(keras.ops.convert_to_numpy(model(data[0], training=False)))
    return float(-np.mean(np.log(p[np.arange(len(p)), data[1]])))


@pytest.mark.parametrize("which", ["train", "validation"])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((TRAIN[0],), "{} must be labelled"),
        ((TRAIN[0], TRAIN[1][:7]), "{} must have as many labels"),
        ([], "{} must have at least one example"),
    ],
)
def test_wrong_data_is_named_before_the_first_step(which, data, message):
    model = build()
    before = [np.array(weight) for weight in model.get_weights()]
    with pytest.raises(ConfigError, match=message.format(which)):
        fit(model, example(**{which: data}))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_one_shot_generator_is_refused_at_the_start_of_fit():
    watch = example(validation=((VALIDATION) for _ in range(1)))
    with pytest.raises(ConfigError, match="validation must be readable more than once"):
        fit(build(), watch)


def test_a_model_that_auto_cannot_judge_is_refused_at_the_start_of_fit():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.square(y_pred))

    model = Own()
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(ConfigError, match="error='auto'"):
        fit(model, example())
    own = example(error=lambda y, p: p.argmax(axis=1) != y)
    logs = fit(model, own).history
    assert {"train_error", "validation_error", "variance"} < set(logs)
    assert not {"train_cost", "validation_cost"} & set(logs)


def test_divergence_is_told_but_does_not_stop_the_fit():
    model, watch = build(), example()

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                model.layers[-1].bias.assign([np.nan] * 3)

    with pytest.warns(UserWarning, match=r"epoch [23]: the predictions of 128 of 128 .* diverged"):
        logs = fit(model, Break(), watch).history
    infinite = {"train_error", "validation_error", "avoidable_bias", "variance"}
    infinite |= {"train_cost", "validation_cost"}
    assert np.isfinite(logs["train_error"][0])
    assert all(logs[key][1:] == [np.inf] * 2 for key in infinite)
    assert logs["measured_epoch"] == [0.0, 1.0, 2.0]
    assert [row["epoch"] for row in watch.history] == [0]


def test_an_interrupted_fit_can_be_measured():
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.seen = getattr(self, "seen", 0) + 1
            if self.seen == 6:
                raise KeyboardInterrupt

    model, watch = build(), example()
    with pytest.raises(KeyboardInterrupt):
        fit(model, watch, Interrupt())
    watch.measure_now(model)
    assert [row["epoch"] for row in watch.history] == [0, 1]
    assert watch.history[-1]["train_cost"] == pytest.approx(cost(model, TRAIN), rel=1e-4)
    watch.measure_now()
    assert [row["epoch"] for row in watch.history] == [0, 1]
    unused = example()
    unused.measure_now(model)
    assert unused.train_estimate == watch.train_estimate


def test_a_copy_shares_the_data():
    watch = example()
    twin = copy.deepcopy(watch)
    assert twin._samples.data["train"][0] is TRAIN[0]
    assert twin._samples.data is not watch._samples.data
    fit(build(), watch, epochs=1)
    late = copy.deepcopy(watch)
    assert late._samples.chosen["train"].x is TRAIN[0]
    assert late.history == watch.history
    assert late.history is not watch.history


def test_summary_prints_a_table_and_words():
    out = io.StringIO()
    watch = example(optimal_error=0.25, knobs={"epochs": 2})
    with pytest.raises(ConfigError, match="fit first"):
        watch.summary()
    fit(build(), watch, epochs=2)
    watch.summary(console=Console(file=out, width=100))
    text = out.getvalue()
    low, high = watch.validation_estimate.interval()
    for part in ("after epoch 2", f"{low:.4g} to {high:.4g}", "128", "0.25", "avoidable bias"):
        assert part in text


def test_plot_draws_the_history():
    watch = example()
    with pytest.raises(ConfigError, match="fit first"):
        watch.plot()
    fit(build(), watch)
    drawn = {line.get_label(): line for line in watch.plot().axes[0].lines}
    np.testing.assert_allclose(
        drawn["validation"].get_ydata(), [row["validation_error"] for row in watch.history]
    )
