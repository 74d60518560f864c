"""Real training in a sweep: a trial is the run alone, also when it was interrupted or promoted."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import accelerator
from keras_ext.callbacks import on_device
from keras_ext.errors import DivergedError
from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.sweep_records import Execution, Trial
from keras_ext.training.round import train_round
from keras_ext.tuning import sweep
from keras_ext.tuning.trainer import Trainer, diagnosis_of, expecting_compilation

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]

BASE = TrainConfig(
    model="mlp", units=8, layers=1, epochs=4, batch_size=20, dropout=0.2, l2=1e-3, seed=3
)


@pytest.fixture(scope="module")
def splits() -> Splits:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(260, 5)).astype("float32")
    noisy = x[:, 0] + 0.5 * rng.normal(size=260) > 0
    whole = Arrays(x, noisy.astype("int32"), "noisy half")
    return Splits(*(whole.take(slice(a, b)) for a, b in ((0, 100), (100, 180), (180, 260))))


def space(hp: Any, base: TrainConfig) -> TrainConfig:
    return replace(
        base,
        learning_rate=hp.Float("learning_rate", 1e-3, 1e-1, sampling="log"),
        dropout=hp.Float("dropout", 0.1, 0.5),
        momentum=hp.Float("momentum", 0.7, 0.95),
    )


def timeless(execution: Execution) -> Any:
    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in execution.history]
    return execution.seed, execution.train, execution.validation, rows


def alone(config: TrainConfig, splits: Splits) -> Any:
    """As a recipe trains it."""
    made, _ = train_round(config, splits, quiet=True)
    return timeless(Execution(config.seed, made.train, made.validation, made.history))


def no_matter(*_: Any) -> None:
    """What an epoch brought."""


def at(epoch: int) -> Callable[[int, Any], None]:
    def told(number: int, logs: Any) -> None:
        if number == epoch:
            raise KeyboardInterrupt

    return told


def test_each_trial_of_a_sweep_is_the_run_alone_bit_for_bit(splits, tmp_path):
    result = sweep(BASE, space, splits, max_trials=4, directory=tmp_path, confirm=1, quiet=True)
    runs = [trial.executions[0] for trial in result.trials]
    assert [run.compiled for run in runs] == [True, False, False, False]
    for trial, run in zip(result.trials, runs, strict=True):
        assert timeless(run) == alone(trial.config, splits)
        assert trial.diagnosis == diagnosis_of(run, trial.config)
    fresh = result.confirmation.executions[0]
    assert timeless(fresh) == alone(replace(result.best.config, seed=1003), splits)
    assert (tmp_path / "model.keras").exists()


def test_what_is_measured_is_sent_to_an_accelerator_once_for_all_trials(
    splits, tmp_path, monkeypatch
):
    """The accelerator is only pretended."""
    sent, put = [], on_device.put

    def counting(part: np.ndarray, dtype: str | None = None) -> Any:
        sent.append(part.shape)
        return put(part, dtype)

    configs = [BASE, replace(BASE, units=9, seed=4)]
    expected = [alone(config, splits) for config in configs]
    monkeypatch.setattr(on_device, "put", counting)
    monkeypatch.setattr(accelerator, "on_accelerator", lambda: True)
    trainer = Trainer(splits)
    for number, config in enumerate(configs):
        found = trainer.train(config, tmp_path / str(number), epochs=None, on_epoch=no_matter)
        assert timeless(found) == expected[number]
    assert sent == [(100, 5), (100,), (80, 5), (80,)]


def test_layers_are_looked_at_where_asked_for_and_left_as_they_are(splits, tmp_path):
    deep = replace(BASE, layers=3, batch_norm=False, epochs=2)
    made = [
        Trainer(splits, layer_health=health).train(
            deep, tmp_path / str(health), epochs=None, on_epoch=no_matter
        )
        for health in (True, False)
    ]
    seen, unseen = made
    assert unseen.layer_health is None
    assert timeless(seen) == timeless(unseen) == alone(deep, splits)
    assert {layer.units for layer in seen.layer_health.layers if not layer.output} == {8}
    assert seen.layer_health.update_ratio is None


def test_dead_layers_are_in_the_record(splits, tmp_path):
    def build(config: TrainConfig, shape: Any, outputs: int, normalizer: Any) -> keras.Model:
        x = inputs = keras.Input(shape)
        for _ in range(3):
            x = keras.layers.Dense(8, "relu", bias_initializer=keras.initializers.Constant(-99))(x)
        return keras.Model(inputs, keras.layers.Dense(outputs)(x))

    trainer = Trainer(splits, build=build, layer_health=True)
    made = trainer.train(BASE, tmp_path, epochs=1, on_epoch=no_matter)
    assert made.layer_health.verdict == "dead"
    assert made.layer_health.dead_share == 1.0
    trial = Trial("0000", "completed", {}, BASE, executions=(made,))
    assert trial.layers == "dead"
    assert Trial.from_plain(json.loads(json.dumps(trial.to_plain()))) == trial


def test_a_model_whose_layers_cannot_be_seen_has_no_layer_health(splits, tmp_path):
    class Hidden(keras.Model):
        """One dense layer, called in a compiled function of the user's own."""

        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(outputs)

        def build(self, shape: Any) -> None:
            self.dense.build(shape)

        def call(self, x: Any) -> Any:
            return x @ self.dense.kernel + self.dense.bias

    def build(config: TrainConfig, shape: Any, outputs: int, normalizer: Any) -> keras.Model:
        model = Hidden(outputs)
        model.build((None, *shape))
        return model

    trainer = Trainer(splits, build=build, layer_health=True)
    made = trainer.train(BASE, tmp_path, epochs=1, on_epoch=no_matter)
    assert made.layer_health is None
    assert len(made.history) == 1


def test_an_interrupted_run_goes_on_after_its_last_epoch_and_ends_the_same(splits, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Trainer(splits).train(BASE, tmp_path / "run", epochs=None, on_epoch=at(2))
    seen: list[int] = []
    again = Trainer(splits).train(
        BASE, tmp_path / "run", epochs=None, on_epoch=lambda number, _: seen.append(number)
    )
    assert seen == [2, 3]
    assert timeless(again) == alone(BASE, splits)
    # Killed after its last epoch, before the journal had it: nothing is trained again.
    seen.clear()
    done = Trainer(splits).train(
        BASE, tmp_path / "run", epochs=None, on_epoch=lambda number, _: seen.append(number)
    )
    assert seen == []
    assert timeless(done) == timeless(again)


@pytest.mark.filterwarnings("ignore:.*(generation|state)")
@pytest.mark.parametrize("damage", ["both", "newest", "config"])
def test_damaged_state_costs_epochs_and_nothing_else(splits, tmp_path, damage):
    with pytest.raises(KeyboardInterrupt):
        Trainer(splits).train(BASE, tmp_path / "run", epochs=None, on_epoch=at(3))
    states = sorted((tmp_path / "run").glob("*.state"), key=lambda p: p.stat().st_mtime_ns)
    assert len(states) == 2
    broken = {"both": states, "newest": states[1:], "config": [tmp_path / "run/config.json"]}
    for path in broken[damage]:
        path.write_bytes(path.read_bytes()[:40])
    seen: list[int] = []
    again = Trainer(splits).train(
        BASE, tmp_path / "run", epochs=None, on_epoch=lambda number, _: seen.append(number)
    )
    assert seen == {"both": [0, 1, 2, 3], "newest": [2, 3], "config": [0, 1, 2, 3]}[damage]
    assert timeless(again) == alone(BASE, splits)


def test_the_state_of_another_point_is_not_taken_up(splits, tmp_path):
    Trainer(splits).train(BASE, tmp_path / "run", epochs=2, on_epoch=no_matter)
    other = replace(BASE, learning_rate=0.05)
    made = Trainer(splits).train(other, tmp_path / "run", epochs=None, on_epoch=no_matter)
    assert timeless(made) == alone(other, splits)


def test_a_run_in_two_parts_keeps_its_optimizer(splits, tmp_path):
    """What a promoted trial of Hyperband is: the moments of Adam are those of before."""
    trainer = Trainer(splits)
    first = trainer.train(BASE, tmp_path / "run", epochs=2, on_epoch=no_matter)
    assert len(first.history) == 2
    trainer.train(replace(BASE, seed=9), tmp_path / "other", epochs=1, on_epoch=no_matter)
    second = trainer.train(BASE, tmp_path / "run", epochs=4, on_epoch=no_matter)
    assert timeless(second) == alone(BASE, splits)


def test_promoted_trials_of_hyperband_equal_a_straight_run(splits, tmp_path):
    result = sweep(
        BASE,
        space,
        splits,
        strategy="hyperband",
        max_trials=6,
        directory=tmp_path,
        confirm=0,
        quiet=True,
    )
    promoted = [t for t in result.trials if t.values.get("tuner/trial_id") and t.epochs == 4]
    assert promoted
    for trial in promoted:
        assert timeless(trial.executions[0]) == alone(trial.config, splits)


def test_a_cost_that_is_not_finite_fails_the_trial_and_the_next_one_is_unharmed(splits, tmp_path):
    trainer = Trainer(splits)
    wild = replace(BASE, optimizer="sgd", schedule="constant", learning_rate=1e30, batch_norm=False)
    with pytest.raises(DivergedError, match=r"became|not finite"):
        trainer.train(wild, tmp_path / "wild", epochs=None, on_epoch=no_matter)
    tame = replace(wild, learning_rate=0.01)
    made = trainer.train(tame, tmp_path / "tame", epochs=None, on_epoch=no_matter)
    assert trainer.models.reused == 1
    assert timeless(made) == alone(tame, splits)


def test_a_model_is_saved_with_the_test_error_that_it_has(splits, tmp_path: Path):
    trainer = Trainer(splits)
    trainer.train(BASE, tmp_path / "run", epochs=None, on_epoch=no_matter)
    error = trainer.test(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    wrong = model.predict(splits.test.x, verbose=0).argmax(axis=1) != splits.test.y
    assert error.error == pytest.approx(float(wrong.mean()))


def test_only_the_advice_against_compiling_is_held_back(caplog):
    logger = logging.getLogger("tensorflow")
    with caplog.at_level("WARNING", logger="tensorflow"):
        logger.propagate, before = True, logger.propagate
        with expecting_compilation():
            logger.warning("5 out of the last 9 calls to f triggered tf.function retracing.")
            logger.warning("something else")
        logger.warning("6 out of the last 11 calls to f triggered tf.function retracing.")
        logger.propagate = before
    assert [message[:6] for message in caplog.messages] == ["someth", "6 out "]
