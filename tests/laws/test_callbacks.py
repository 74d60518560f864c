"""What every callback must do: being in ``callbacks.__all__`` enrols it here.

Its test module, tests/callbacks/test_<name>.py, exports ``example(**changes)``, which makes one for
a classifier of 4 inputs and 3 classes with the arguments that have no default, and ``BAD``, a wrong
value for each argument of the constructor.
"""

from __future__ import annotations

import copy
import importlib.util
import inspect
import random
import re
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

from keras_ext import callbacks
from keras_ext.regularization import Dropout

OBSERVERS = {"BiasVariance", "GradientCheck", "LayerHealth", "Progress", "TrainingState"}

# Those that judge what others write into ``logs``, and can go on without it.
READERS = {"RegularizationActivation"}

CALLBACK_TESTS = Path(__file__).parent.parent / "callbacks"


def load(name: str) -> ModuleType:
    """The test module of a callback."""
    stem = "test_" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    spec = importlib.util.spec_from_file_location(f"law_{stem}", CALLBACK_TESTS / f"{stem}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {name: load(name) for name in callbacks.__all__}


class Recorder(keras.callbacks.Callback):
    """Keeps the logs of each epoch as the callbacks before it left them."""

    def on_train_begin(self, logs=None):
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append(dict(logs))


def classifier(**compiled) -> keras.Model:
    """With all that a fit changes: weights, batch statistics, optimizer and seed generators."""
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(8, activation="relu", name="hidden"),
            keras.layers.BatchNormalization(name="norm"),
            Dropout(0.3, name="drop"),
            keras.layers.Dense(3, name="out"),
        ],
        name="classifier",
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # Tracing would take most of the time. Keras on torch has no steps_per_execution, and
    # torch.compile needs a C++ compiler; on jax it is the eager steps that are slow.
    backend = keras.backend.backend()
    if backend == "torch" or not compiled:
        compiled = {"run_eagerly": backend != "jax"}
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"], **compiled)
    return model


@dataclass(frozen=True)
class Run:
    """What a fit of four epochs left.

    Args:
        rows: the logs of each epoch.
        left: weights, seed generators, optimizer and metrics, then what each global random
            generator draws next.
        stopped: whether the model was told to stop.
    """

    rows: list[dict[str, float]]
    left: list[np.ndarray]
    stopped: bool

    def assert_equal(self, other: Run) -> None:
        assert self.rows == other.rows
        assert len(self.left) == len(other.left)
        for mine, others in zip(self.left, other.left, strict=True):
            np.testing.assert_array_equal(mine, others)


def run(*parts: keras.callbacks.Callback, **compiled) -> Run:
    """Train the same classifier in the same way, whatever callbacks there are."""
    return fitted(classifier(**compiled), *parts)


def fitted(model: keras.Model, *parts: keras.callbacks.Callback, **options) -> Run:
    recorder, (x, y) = Recorder(), data()
    options = {"epochs": 4, "batch_size": 16, "validation_data": (x[:32], y[:32]), **options}
    model.fit(x, y, verbose=0, callbacks=[*parts, recorder], **options)
    return Run(recorder.rows, state(model), model.stop_training)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Examples without anything to learn in them."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(64, 4)).astype("float32"), rng.integers(0, 3, size=64)


def state(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    drawn = [random.random(), np.random.random(), keras.random.uniform((3,))]
    if keras.backend.backend() == "torch":
        import torch

        drawn.append(torch.rand(3))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        drawn.append(tf.random.uniform((3,)))
    # A variable itself can't be turned into an array without a warning of numpy.
    values = [*(variable.value + 0 for variable in variables), *drawn]
    return [np.array(keras.ops.convert_to_numpy(value)) for value in values]


@pytest.fixture(scope="module", params=callbacks.__all__)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def bare() -> Run:
    """A fit without the callback."""
    return run()


@dataclass(frozen=True)
class Used:
    """A callback, with a copy and its configuration from before the fit, and what came out."""

    part: keras.callbacks.Callback
    twin: keras.callbacks.Callback
    configuration: dict[str, object]
    run: Run
    found: dict[str, str]


@pytest.fixture(scope="module")
def used(name) -> Used:
    part = MODULES[name].example()
    arguments = set(inspect.signature(type(part)).parameters) & set(vars(part))
    configuration = {argument: vars(part)[argument] for argument in arguments}
    twin, fitted = copy.deepcopy(part), run(part)
    return Used(part, twin, configuration, fitted, public(part))


def public(part: keras.callbacks.Callback) -> dict[str, str]:
    """All that a callback shows, in words."""
    hidden = {"model", "params"}
    return {
        key: repr(value) for key, value in vars(part).items() if key not in hidden and key[0] != "_"
    }


def test_the_documented_defaults_construct(name):
    kind = getattr(callbacks, name)
    parameters = inspect.signature(kind).parameters.values()
    assert isinstance(MODULES[name].example(), kind)
    assert all(p.kind is not p.VAR_KEYWORD for p in parameters)
    assert sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) <= 2
    assert kind.__doc__
    assert all(f"{p.name}: " in kind.__doc__ for p in parameters)


def test_each_bad_argument_is_named_with_its_value(name):
    bad, example = MODULES[name].BAD, MODULES[name].example
    assert set(bad) == set(inspect.signature(getattr(callbacks, name)).parameters)
    for argument, value in bad.items():
        with pytest.raises(ValueError, match=re.escape(f"{argument}={value!r}")) as raised:
            example(**{argument: value})
        assert "\n" not in str(raised.value)


def test_a_second_fit_equals_the_first(used):
    run(used.part).assert_equal(used.run)
    assert public(used.part) == used.found


def test_it_survives_a_deep_copy_before_fit(used):
    assert type(used.twin) is type(used.part)
    run(used.twin).assert_equal(used.run)
    assert public(used.twin) == used.found


def test_the_configuration_does_not_change(used):
    for argument, value in used.configuration.items():
        assert vars(used.part)[argument] is value


def test_it_writes_plain_floats_under_the_same_keys(used, bare):
    rows = used.run.rows
    assert len({frozenset(row) for row in rows}) == 1
    added = set(rows[0]) - set(bare.rows[0])
    assert all(type(row[key]) is float for row in rows for key in added)


def assert_nothing_changed(with_it: Run, without: Run) -> None:
    keys = without.rows[0]
    rows = [{key: row[key] for key in keys} for row in with_it.rows]
    replace(with_it, rows=rows).assert_equal(without)
    assert not with_it.stopped


def test_observers_leave_everything_as_it_is(name, used, bare):
    if name in OBSERVERS:
        assert_nothing_changed(used.run, bare)


@pytest.mark.parametrize(
    "compiled",
    [
        {"jit_compile": False, "steps_per_execution": 4},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_observers_leave_everything_as_it_is_when_compiled(compiled):
    without = run(**compiled)
    for observer in sorted(OBSERVERS):
        assert_nothing_changed(run(MODULES[observer].example(), **compiled), without)


def test_batch_hooks_do_not_make_training_wait(name):
    kind = getattr(callbacks, name)
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    if any(getattr(kind, hook) is not getattr(keras.callbacks.Callback, hook) for hook in hooks):
        assert kind.async_safe


class Hide(keras.callbacks.Callback):
    """Leaves nothing in ``logs`` that anyone knows."""

    def on_epoch_end(self, epoch, logs=None):
        logs.clear()
        logs["own_key"] = 1.0


def test_a_missing_key_warns_once_and_lists_those_present(name):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        rows = run(Hide(), MODULES[name].example()).rows
    assert len(rows) == 4
    said = [str(item.message) for item in caught if name in str(item.message)]
    assert len(said) == (name in READERS)
    assert all("own_key" in message for message in said)


class Killed(Exception):
    """The end of a process."""


class Keep(keras.callbacks.Callback):
    """Keeps the state of a callback after two epochs, when the process ends."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.state = copy.deepcopy(self.part.get_state())
            raise Killed


class Take(keras.callbacks.Callback):
    """Gives it to another one."""

    def __init__(self, part, kept):
        super().__init__()
        self.part, self.kept = part, kept

    def on_train_begin(self, logs=None):
        self.part.set_state(self.kept)


@pytest.mark.slow
def test_a_resumed_fit_equals_one_that_was_not_interrupted(name):
    whole, first, second = (MODULES[name].example() for _ in range(3))
    if not hasattr(whole, "get_state"):
        pytest.skip("it has no state to keep")
    expected = fitted(classifier(), whole, shuffle=False)
    model, keep = classifier(), Keep(first)
    with pytest.raises(Killed):
        fitted(model, first, keep, shuffle=False)
    # What a file can hold: plain values and arrays.
    assert plain(keep.state)
    resumed = fitted(model, second, Take(second, keep.state), shuffle=False, initial_epoch=2)
    assert resumed.rows == expected.rows[2:]
    replace(resumed, rows=expected.rows).assert_equal(expected)
    assert public(second) == public(whole)


class Kill(keras.callbacks.Callback):
    """Ends the process in the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise Killed


@pytest.mark.slow
def test_training_state_keeps_it(name, tmp_path):
    """Along with all else, in files; what draws random numbers draws the same ones afterwards."""
    whole, first, second = (MODULES[name].example() for _ in range(3))
    if isinstance(whole, callbacks.TrainingState):
        pytest.skip("one is enough")
    expected = fitted(classifier(), whole)
    with pytest.raises(Killed):
        fitted(classifier(), first, callbacks.TrainingState(tmp_path, [first]), Kill())
    model = classifier()
    resumed = fitted(model, second, callbacks.TrainingState(tmp_path, [second]))
    assert model.history.epoch == [0, 1, 2, 3]
    assert model.history.history == {
        key: [row[key] for row in expected.rows] for key in expected.rows[0]
    }
    replace(resumed, rows=expected.rows).assert_equal(expected)


def plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, (str, int)) and plain(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(plain(item) for item in value)
    return type(value) in (type(None), bool, int, float, str, np.ndarray)


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")
def test_it_runs_inside_a_search(name, tmp_path):
    tuner = pytest.importorskip("keras_tuner")

    def build(hp):
        model = classifier()
        model.optimizer.learning_rate = hp.Choice("learning_rate", [0.1, 0.01])
        return model

    part, (x, y) = MODULES[name].example(), data()
    configuration = public(part)
    objective = tuner.Objective("val_loss", "min")
    search = tuner.RandomSearch(build, objective, max_trials=2, directory=tmp_path, seed=1)
    options = {"epochs": 2, "batch_size": 16, "validation_data": (x[:32], y[:32])}
    search.search(x, y, verbose=0, callbacks=[part], **options)
    trials = search.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED"] * 2
    assert public(part) == configuration
