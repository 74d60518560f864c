"""A run that is interrupted and started again ends as the one that was not."""

from __future__ import annotations

import atexit
import copy
import importlib.util
import itertools
import re
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TrainingState
from keras_ext.callbacks.generations import Generations
from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig


def load():
    """The run that is interrupted here; tests are no package to import it from."""
    path = Path(__file__).with_name("training_state_run.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


runs = load()

BAD = {
    "directory": 3,
    "callbacks": "early",
    "data": "shuffled",
    "every": 0,
    "configuration": {1, 2},
    "keep": "yes",
}

_folder = tempfile.TemporaryDirectory(prefix="training-state-")
atexit.register(_folder.cleanup)
_numbers = itertools.count()


def example(**changes) -> TrainingState:
    """One with a folder of its own, as the laws want it."""
    return TrainingState(
        **{"directory": Path(_folder.name) / str(next(_numbers)), "every": 2, **changes}
    )


class Raise(keras.callbacks.Callback):
    """Interrupts in the second step of an epoch, or at the end of training (epoch None)."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.now == self.epoch and batch == 1:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        if self.epoch is None:
            raise KeyboardInterrupt


def interrupted(folder, epoch, **arguments):
    """A run that raises in an epoch, counted from 0; epoch None: when all are done."""
    first = (Raise(None),) if epoch is None else ()
    later = () if epoch is None else (Raise(epoch),)
    with pytest.raises(KeyboardInterrupt):
        runs.train(folder, *later, first=first, **arguments)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nothing happens to, without TrainingState."""
    return runs.train(tmp_path_factory.mktemp("whole"), state=False)


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """The folder of a run that was interrupted in its fourth epoch."""
    folder = tmp_path_factory.mktemp("halved")
    interrupted(folder, 3)
    return folder


def test_it_changes_nothing(whole, tmp_path):
    runs.train(tmp_path).assert_equal(whole)
    assert not (tmp_path / "backup").exists()


def test_interrupted_again_and_again(whole, tmp_path):
    """The learning rate falls after the third epoch, and both generators and moments matter."""
    for epoch in (1, 1, 3):
        interrupted(tmp_path, epoch)
    runs.train(tmp_path).assert_equal(whole)
    assert len(set(whole.history["learning_rate"])) == 2


@pytest.mark.slow
def test_interrupted_before_anything_was_kept(whole, tmp_path):
    interrupted(tmp_path, 0)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_every_so_many_epochs(whole, tmp_path):
    options = {"every": 2}
    interrupted(tmp_path, 3, options=options)
    runs.train(tmp_path, options=options).assert_equal(whole)


@pytest.mark.slow
def test_what_the_callbacks_have_for_a_state(tmp_path):
    """As they leave the fit, whether it was interrupted or not."""

    def attributes(folder):
        parts = runs.callbacks(folder)
        state = TrainingState(folder / "backup", parts)
        x, y = runs.arrays()
        options = {"epochs": 5, "batch_size": 32, "verbose": 0, "validation_split": 0.5}
        raiser = [Raise(3)] if not (folder / "backup").exists() and folder.name == "b" else []
        try:
            runs.classifier().fit(x, y, callbacks=[*parts, state, *raiser], **options)
        except KeyboardInterrupt:
            parts[3].on_train_end()
            return attributes(folder)
        names = ("best", "wait", "best_epoch", "stopped_epoch", "cooldown_counter")
        return [
            {name: value for name, value in vars(part).items() if name in names} for part in parts
        ], [weights.tolist() for weights in parts[0].best_weights]

    for name in "ab":
        (tmp_path / name).mkdir()
    assert attributes(tmp_path / "a") == attributes(tmp_path / "b")


# The end of a run.


def test_killed_after_its_last_epoch_nothing_is_trained_again(whole, tmp_path):
    interrupted(tmp_path, None)
    with pytest.warns(UserWarning, match=r"nothing is left to train: .* has done 5 epochs of 5"):
        resumed = runs.train(tmp_path)
    resumed.assert_equal(whole)
    assert not (tmp_path / "backup").exists()


class StopIn(keras.callbacks.Callback):
    """What EarlyStopping does when it runs out of patience."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 2


def test_a_stopped_run_is_not_trained_further(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", first=(StopIn(),), state=False)
    with pytest.raises(KeyboardInterrupt):
        runs.train(tmp_path, first=(StopIn(), Raise(None)))
    model = runs.classifier()
    with pytest.warns(UserWarning, match="has done 3 epochs and was stopped"):
        resumed = runs.train(tmp_path, first=(StopIn(),), model=model)
    resumed.assert_equal(whole)
    assert resumed.epoch == [0, 1, 2]
    assert model.stop_training
    assert not (tmp_path / "backup").exists()


def test_a_later_fit_trains_as_many_epochs_as_it_is_asked_for(tmp_path):
    x, y = runs.arrays()
    interrupted(tmp_path, 3)
    model = runs.classifier()
    state = TrainingState(tmp_path / "backup", runs.callbacks(tmp_path)[:0])
    (tmp_path / "backup" / "generation-0.state").unlink()
    with pytest.raises(ConfigError, match="callbacks with state were EarlyStopping"):
        model.fit(x, y, verbose=0, batch_size=32, callbacks=[state])
    resumed = runs.train(tmp_path, model=model)
    assert resumed.epoch == list(range(5))
    assert model.fit(x, y, verbose=0, epochs=2).epoch == [0, 1]
    assert model.fit(x, y, verbose=0, epochs=2, callbacks=[state]).epoch == [0, 1]
    assert model.fit(x, y, verbose=0, epochs=4, callbacks=[state]).epoch == [0, 1, 2, 3]
    again = model.fit(x, y, verbose=0, epochs=4, initial_epoch=1, callbacks=[state])
    assert again.epoch == [1, 2, 3]
    assert state.resumed_epoch is None


def test_the_same_model_goes_on_after_an_interruption(whole, tmp_path):
    """In a notebook, say: its learning rate is another one by now, its optimizer has stepped."""
    model = runs.classifier()
    interrupted(tmp_path, 4, model=model)
    interrupted(tmp_path, 4, model=model)
    runs.train(tmp_path, model=model).assert_equal(whole)


@pytest.mark.slow
def test_after_that_a_fresh_one_goes_on_as_well(whole, tmp_path):
    model = runs.classifier()
    interrupted(tmp_path, 3, model=model)
    interrupted(tmp_path, 4, model=model)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_fewer_epochs_than_are_done_train_none_and_keep_the_run(whole, tmp_path):
    interrupted(tmp_path, 4)
    with pytest.warns(UserWarning, match=r"nothing is left to train: .* 4 epochs of 2"):
        runs.train(tmp_path, epochs=2)
    runs.train(tmp_path).assert_equal(whole)


@pytest.mark.slow
def test_more_epochs_may_be_asked_for(tmp_path):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", state=False, epochs=4)
    interrupted(tmp_path, 2, epochs=3)
    runs.train(tmp_path, epochs=4).assert_equal(whole)


@pytest.mark.slow
def test_a_run_that_ended_can_be_kept(whole, tmp_path):
    for asked, said in ((5, "done 5 epochs of 5"), (4, "done 5 epochs of 4")):
        folder = tmp_path / str(asked)
        folder.mkdir()
        runs.train(folder, options={"keep": True}).assert_equal(whole)
        with pytest.warns(UserWarning, match=said):
            again = runs.train(folder, options={"keep": True}, epochs=asked)
        again.assert_equal(whole)
    longer = runs.train(folder, options={"keep": True}, epochs=6)
    assert longer.epoch == list(range(6))
    assert longer.history["loss"][:5] == whole.history["loss"]


# Where the epochs come from.


class Shuffled(keras.utils.PyDataset):
    """An order of its own for each epoch, from a generator that is drawn from once an epoch."""

    def __init__(self):
        super().__init__()
        self.x, self.y = runs.arrays()
        self.rng = np.random.default_rng(5)
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.order = self.rng.permutation(len(self.x))

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = self.order[32 * index : 32 * (index + 1)]
        noise = np.random.default_rng(self.order[0]).normal(size=(32, 4))
        return (self.x[rows] + 0.1 * noise).astype("float32"), self.y[rows]


class Told(Shuffled):
    """The same from the number of the epoch."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self):
        self.order = np.random.default_rng((5, self.epoch)).permutation(len(self.x))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        pytest.param(Shuffled, lambda data: data.rng, marks=pytest.mark.slow, id="generator"),
        pytest.param(Told, lambda data: data, id="epoch"),
    ],
)
def test_a_pipeline_gives_the_batches_of_the_epoch(tmp_path, kind, what):
    (tmp_path / "whole").mkdir()
    data = kind()
    whole = runs.train(tmp_path / "whole", x=data, options={"data": what(data)})
    for epoch in (3, None):
        data = kind()
        options = {"x": data, "options": {"data": [what(data)]}}
        if epoch is None:
            runs.train(tmp_path, **options).assert_equal(whole)
        else:
            interrupted(tmp_path, epoch, **options)
    with_nothing = runs.train(tmp_path / "whole", x=kind(), state=False)
    assert (with_nothing.history == whole.history) == (kind is Shuffled)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_training_batches_give_the_order_and_the_augmentation_of_the_epoch(tmp_path):
    from keras_ext import data

    rng = np.random.default_rng(0)
    digits = data.Arrays(rng.integers(0, 256, (64, 2, 2, 1)).astype("uint8"), runs.arrays()[1])
    moves = data.Augmentation(flip="horizontal", rotation=30, translation=0.3)

    def fitted(folder, *extra, state=True):
        batches = data.training_batches(digits, batch_size=32, seed=0, augmentation=moves)
        flat = batches.map(lambda x, y: (keras.ops.reshape(x, (-1, 4)) / 255, y))
        options = {"data": batches} if state else {}
        return runs.train(folder, *extra, x=flat, shuffle=False, state=state, options=options)

    (tmp_path / "whole").mkdir()
    whole = fitted(tmp_path / "whole", state=False)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, Raise(3))
    fitted(tmp_path).assert_equal(whole)


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", ["batch", False])
def test_arrays_come_in_the_order_of_the_epoch(tmp_path, shuffle):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", state=False, shuffle=shuffle, epochs=4)
    interrupted(tmp_path, 2, shuffle=shuffle, epochs=4)
    runs.train(tmp_path, shuffle=shuffle, epochs=4).assert_equal(whole)


@pytest.mark.slow
def test_dropout_with_the_global_generator(tmp_path):
    """One that is no part of the model."""

    class Noise(keras.layers.Layer):
        def call(self, x, training=False):
            return x + keras.random.normal((1, 4)) if training else x

    if keras.backend.backend() == "jax":
        pytest.skip("jax needs a generator of the layer")

    def model():
        inner = runs.classifier()
        noisy = keras.Sequential([keras.Input((4,)), Noise(), *inner.layers])
        noisy.compile("sgd", inner.loss, run_eagerly=True)
        return noisy

    def losses(folder, *extra):
        x, y = runs.arrays()
        callbacks = [TrainingState(folder / "backup"), *extra]
        return model().fit(x, y, epochs=4, verbose=0, callbacks=callbacks).history["loss"]

    whole = losses(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        losses(tmp_path, Raise(2))
    np.random.seed(99)
    keras.random.normal((3,))
    assert losses(tmp_path) == whole


# Models and optimizers.


class Subclassed(keras.Model):
    """Without a shape of its own."""

    def __init__(self):
        super().__init__()
        self.hidden = keras.layers.Dense(8)
        self.dropout = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(3)

    def call(self, x, training=False):
        return self.out(self.dropout(self.hidden(x), training=training))


def functional():
    inputs = keras.Input((4,))
    left, right = keras.layers.Dense(8)(inputs), keras.layers.Dense(8, activation="tanh")(inputs)
    outputs = keras.layers.Dense(3)(keras.layers.Dropout(0.5)(left + right))
    return keras.Model(inputs, outputs)


def unbuilt():
    return keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(3)])


MODELS = {"subclassed": Subclassed, "functional": functional, "unbuilt": unbuilt}
OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    ),
    "average": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5),
    "accumulating": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=3),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), dynamic_growth_steps=3
    ),
}


def parity(folder, make, *, parts=list, **arguments):
    """Losses and variables of a run, and of the same run interrupted in its third epoch."""

    def run(directory, *extra):
        keras.utils.set_random_seed(3)
        model, callbacks = make(), parts()
        callbacks.append(TrainingState(directory, callbacks))
        x, y = runs.arrays()
        fitted = model.fit(x, y, epochs=4, verbose=0, callbacks=[*callbacks, *extra], **arguments)
        return fitted.history, runs.values(model)

    whole = run(folder / "a")
    with pytest.raises(KeyboardInterrupt):
        run(folder / "b", Raise(2))
    resumed = run(folder / "b")
    assert resumed[0] == whole[0]
    for mine, others in zip(resumed[1], whole[1], strict=True):
        assert mine.dtype == others.dtype
        np.testing.assert_array_equal(mine, others)


LOSS = {
    "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "run_eagerly": True,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_kinds_of_models(tmp_path, name):
    def make():
        model = MODELS[name]()
        model.compile("adam", **LOSS)
        return model

    parity(tmp_path, make)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_kinds_of_optimizers(tmp_path, name):
    def make():
        model = functional()
        model.compile(OPTIMIZERS[name](), **LOSS)
        return model

    swap = name == "average"
    parts = (lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]) if swap else list
    parity(tmp_path, make, parts=parts)


@pytest.mark.slow
def test_half_precision(tmp_path):
    def make():
        keras.config.set_dtype_policy("bfloat16")
        model = functional()
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), **LOSS)
        assert model.weights[0].numpy().dtype.name == "bfloat16"
        return model

    try:
        parity(tmp_path, make)
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.slow
def test_compiled(tmp_path):
    def make():
        model = functional()
        model.compile("adam", **{**LOSS, "run_eagerly": False})
        return model

    parity(tmp_path, make)


class Dictionary(keras.Model):
    """Takes two inputs by name."""

    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(3)

    def call(self, x, training=False):
        return self.out(x["a"] + x["b"])


class Looks(Dictionary):
    """Can only be called on numbers, and so not be built from their shape."""

    def call(self, x, training=False):
        return super().call({name: value * float(value[0, 0]) for name, value in x.items()})


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:.*unbuilt state:UserWarning")
@pytest.mark.parametrize("kind", [Dictionary, Looks])
def test_a_model_that_was_not_built_before_fit(tmp_path, kind):
    def fit(*extra, model):
        x, y = runs.arrays()
        model.compile("sgd", **LOSS)
        callbacks = [TrainingState(tmp_path), *extra]
        return model.fit({"a": x, "b": x}, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(Raise(1), model=kind())
    model = kind()
    if kind is Looks:
        with pytest.raises(ConfigError, match="before it is built: call it on a batch"):
            fit(model=model)
        model(dict.fromkeys("ab", np.ones((2, 4))))
    assert fit(model=model).epoch == [0, 1, 2]


def test_variables_of_another_shape_are_refused_if_nothing_else_tells(tmp_path):
    """A subclassed model need not say how it is made."""

    class Quiet(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.kernel = self.add_weight(shape=(4, units), name="kernel")

        def call(self, x, training=False):
            return keras.ops.matmul(x, self.kernel)

    def quiet(units):
        model = Quiet(units)
        model.compile("sgd", **LOSS)
        model(np.ones((2, 4)))
        return model

    text = refusal(tmp_path, quiet(3), quiet(5), {}, {})
    assert re.search(r"model was \S*kernel float32\[4, 3\], now \S*kernel float32\[4, 5\]", text)


# What is refused.


def sequential(*layers, optimizer="sgd", **compiled):
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, **{**LOSS, **compiled})
    return model


def two(units=8, activation="relu", rate=0.5, **compiled):
    layers = keras.layers
    return sequential(
        layers.Dense(units, activation=activation),
        layers.Dropout(rate),
        layers.Dense(3),
        **compiled,
    )


def refusal(folder, first, second, arguments, changed):
    """What a second run says that differs from the first one, which was interrupted."""
    x, y = runs.arrays()

    def fit(model, *extra, configuration=None, batch_size=32):
        callbacks = [TrainingState(folder / "backup", configuration=configuration), *extra]
        model.fit(x, y, epochs=3, verbose=0, batch_size=batch_size, callbacks=callbacks)

    def contents():
        paths = Generations(folder / "backup").paths
        return [path.read_bytes() for path in paths if path.exists()]

    with pytest.raises(KeyboardInterrupt):
        fit(first, Raise(1), **arguments)
    before = contents()
    with pytest.raises(ConfigError) as raised:
        fit(second, **changed)
    assert before == contents()
    assert "\n" not in str(raised.value)
    assert f"the run in {folder / 'backup'} can't go on: " in str(raised.value)
    return str(raised.value)


def test_another_model_is_refused(tmp_path):
    """All that is compared is in test_description.py."""
    text = refusal(tmp_path, two(), two(units=9, optimizer="adam"), {}, {})
    assert "on: model.layers[1].units was 8, now 9; optimizer.class_name was 'SGD', now" in text


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"batch": 32}, {"batch": 16}, "configuration.batch was 32, now 16"),
        (
            TrainConfig(seed=1),
            TrainConfig(seed=2),
            "configuration.seed was 1, now 2",
        ),
        ("digits", None, "configuration was 'digits', now None"),
    ],
)
def test_another_configuration_is_refused(tmp_path, first, second, said):
    text = refusal(tmp_path, two(), two(), {"configuration": first}, {"configuration": second})
    assert f"can't go on: {said}; undo that" in text


def test_another_number_of_batches_is_refused(tmp_path):
    text = refusal(tmp_path, two(), two(), {}, {"batch_size": 16})
    assert "steps per epoch was 2, now 4" in text


def test_other_callbacks_with_state_are_refused_and_others_not(tmp_path):
    early = keras.callbacks.EarlyStopping("loss", patience=9)
    x, y = runs.arrays()

    def fit(*parts, extra=()):
        callbacks = [*parts, TrainingState(tmp_path, parts), *extra]
        return two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(early, extra=[Raise(1)])
    with pytest.raises(ConfigError, match="with state were EarlyStopping, now ReduceLROnPlateau"):
        fit(keras.callbacks.ReduceLROnPlateau("loss"))
    state = TrainingState(tmp_path, [early], data=np.random.default_rng(0))
    with pytest.raises(ConfigError, match="data with state were none, now Generator"):
        two().fit(x, y, verbose=0, callbacks=[early, state])
    found = fit(Prints(), early, keras.callbacks.History())
    assert found.epoch == [0, 1, 2]


@pytest.mark.slow
def test_what_makes_no_difference_is_not_refused(tmp_path):
    """How steps are compiled, seeds of layers that go on, names that Keras counts up."""
    layers = keras.layers
    x, y = runs.arrays()

    def fit(*extra, seed, **compiled):
        model = sequential(layers.Dropout(0.5, seed=seed), layers.Dense(3), **compiled)
        callbacks = [TrainingState(tmp_path), *extra]
        return model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        fit(Raise(1), seed=1)
    assert fit(seed=2, run_eagerly=False, jit_compile=False).epoch == [0, 1, 2]


# How it is used.


def test_the_list_it_is_given_may_contain_it(whole, tmp_path):
    callbacks = runs.callbacks(tmp_path)
    callbacks.append(TrainingState(tmp_path / "backup", callbacks))
    x, y = runs.arrays()
    options = {"epochs": 5, "batch_size": 32, "verbose": 0, "validation_data": (x[:32], y[:32])}
    for callback in (Raise(3), None):
        used = copy.deepcopy(callbacks)
        assert used[-1].callbacks is used
        try:
            fitted = runs.classifier().fit(
                x, y, callbacks=[*used[:-1], used[-1], *([callback] if callback else [])], **options
            )
        except KeyboardInterrupt:
            used[3].on_train_end()
    assert used[-1].resumed_epoch == 3
    assert fitted.history == whole.history


def test_it_comes_last(tmp_path):
    x, y = runs.arrays()
    early = keras.callbacks.EarlyStopping("loss")
    state = TrainingState(tmp_path, [early])
    for callbacks in ([state, early], [state], [copy.deepcopy(early), state]):
        with pytest.raises(ConfigError, match=r"after the callbacks .* EarlyStopping comes later"):
            two().fit(x, y, verbose=0, callbacks=callbacks)
    two().fit(x, y, verbose=0, callbacks=[early, state])


def test_logs_that_come_after_it_are_named_once(tmp_path):
    class Late(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["late"] = 1.0

    x, y = runs.arrays()
    with pytest.warns(UserWarning, match=r"^late came into logs after TrainingState") as caught:
        two().fit(x, y, epochs=3, verbose=0, callbacks=[TrainingState(tmp_path), Late()])
    assert len([w for w in caught if "late came" in str(w.message)]) == 1


class Counts(keras.callbacks.Callback):
    """Has state, and no way to keep it."""

    def on_train_begin(self, logs=None):
        self.rows, self.fixed = [], [1, 2]

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(epoch)


class Remembers(Counts):
    """Has a way."""

    def get_state(self):
        return {"rows": self.rows}

    def set_state(self, state):
        self.rows = state["rows"]


class Prints(keras.callbacks.Callback):
    """Has none."""

    def __init__(self):
        super().__init__()
        self.text = "epoch"


def test_state_that_is_not_kept_is_said_once_by_name(tmp_path):
    x, y = runs.arrays()
    parts = [Counts(), Remembers(), Prints(), *runs.callbacks(tmp_path)[:2]]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        two().fit(
            x,
            y,
            epochs=3,
            verbose=0,
            validation_split=0.5,
            callbacks=[*parts, TrainingState(tmp_path / "backup", parts)],
        )
    (said,) = [str(w.message) for w in caught if "state" in str(w.message)]
    assert said.startswith("Counts has state that a resumed run will lack (rows): give it get_st")


def test_callbacks_that_tell_their_state_get_it_back(tmp_path):
    x, y = runs.arrays()
    for extra in ([Raise(2)], []):
        part = Remembers()
        callbacks = [part, TrainingState(tmp_path, [part]), *extra]
        try:
            two().fit(x, y, epochs=4, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            assert part.rows == [0, 1]
    assert part.rows == [0, 1, 2, 3]


def test_state_that_can_not_be_written_is_named(tmp_path):
    class Odd(Remembers):
        def get_state(self):
            return {"rows": object()}

    x, y = runs.arrays()
    part = Odd()
    with pytest.raises(ConfigError, match=r"Odd'\].*\['rows'\] is of type object"):
        two().fit(x, y, verbose=0, callbacks=[part, TrainingState(tmp_path, [part])])


def test_rows_that_a_log_had_before_stay(tmp_path):
    x, y = runs.arrays()
    log = tmp_path / "log.csv"

    def fit(*extra):
        logger = keras.callbacks.CSVLogger(str(log), separator=";", append=True)
        callbacks = [logger, TrainingState(tmp_path / "backup", [logger]), *extra]
        keras.utils.set_random_seed(0)
        try:
            two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        finally:
            logger.on_train_end()

    fit()
    before = log.read_text()
    fit()
    twice = log.read_text()
    log.write_text(before)
    with pytest.raises(KeyboardInterrupt):
        fit(Raise(2))
    log.write_text(log.read_text() + "2;0.5;an epoch that was not kept\n")
    fit()
    assert log.read_text() == twice
    assert twice.startswith("epoch;loss;")


@pytest.mark.slow
@pytest.mark.tensorflow
def test_tensorboard_goes_on_at_its_step(tmp_path):
    steps = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(board._global_train_batch)

    x, y = runs.arrays()
    for extra in ([Raise(2)], []):
        board = keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False)
        callbacks = [board, TrainingState(tmp_path / "backup", [board]), Look(), *extra]
        try:
            two().fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
        except KeyboardInterrupt:
            board.on_train_end()
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6]


def test_what_it_says_when_it_goes_on(halved, tmp_path, capsys):
    folder = shutil.copytree(halved, tmp_path / "copy")
    runs.train(folder, verbose=2)
    said = f"Going on after epoch 3 of 5, from {folder / 'backup'}\n"
    assert said in capsys.readouterr().out


def test_where_it_went_on_from(halved, tmp_path):
    folder = shutil.copytree(halved, tmp_path / "copy")
    parts = runs.callbacks(folder)
    state = TrainingState(folder / "backup", parts)
    assert state.resumed_epoch is None
    x, y = runs.arrays()
    data = {"batch_size": 32, "validation_data": (x[:32], y[:32])}
    model = runs.classifier()
    model.fit(x, y, epochs=5, verbose=0, callbacks=[*parts, state], **data)
    assert state.resumed_epoch == 3
    assert model._initial_epoch is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"callbacks": [3]}, r"callbacks must be a list of callbacks, got callbacks=\[3\]"),
        ({"data": [np.random.default_rng(0), 3]}, "data must have set_epoch, or"),
        ({"configuration": {"rows": np.ones(2)}}, "configuration must be plain values"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(ConfigError, match=said):
        example(**arguments)


def test_keras_s_own_backup_is_refused(tmp_path):
    other = keras.callbacks.BackupAndRestore(str(tmp_path))
    with pytest.raises(ConfigError, match="must not have a BackupAndRestore"):
        example(callbacks=[other])


def test_a_keras_that_starts_elsewhere_is_found(halved, tmp_path, monkeypatch):
    """Where to begin has no public name: if it goes, the resumed run must not go wrong."""
    folder = shutil.copytree(halved, tmp_path / "copy")

    class Deaf(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model._initial_epoch = None

    with pytest.raises(ConfigError, match="give fit initial_epoch=3"):
        runs.train(folder, Deaf())
