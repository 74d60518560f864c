"""A sweep proposes, judges, writes down and goes on; faults cost what they hit and nothing else."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from keras_ext.errors import ConfigError, DivergedError, MissingExtraError, SweepError
from keras_ext.records import Arrays, Augmentation, Splits, TrainConfig
from keras_ext.reports.folder import standard
from keras_ext.tuning import oracles, sweep
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.seed_noise import seed_noise
from keras_ext.tuning.space import declare
from keras_ext.tuning.tuner import DEATHS, counting_deaths
from tests.tuning.black_box import BASE, BlackBox, error_of, space

pytestmark = pytest.mark.tensorflow


def run(directory: Path, trainer: BlackBox | None = None, **changes: Any) -> Any:
    own = {"max_trials": 6, "strategy": "random", "confirm": 0, "quiet": True}
    arguments: dict[str, Any] = {**own, **changes}
    return sweep(
        BASE,
        arguments.pop("space", space),
        directory=directory,
        trainer=trainer or BlackBox(),
        **arguments,
    )


def ids(result: Any) -> list[str]:
    return [trial.trial_id for trial in result.trials]


def test_every_trial_is_kept_with_what_it_was_and_what_it_reached(tmp_path):
    result = run(tmp_path)
    assert ids(result) == ["0000", "0001", "0002", "0003", "0004", "0005"]
    for trial in result.trials:
        assert trial.status == "completed"
        assert trial.validation_error == pytest.approx(error_of(trial.config))
        assert trial.config.learning_rate == trial.values["learning_rate"]
        assert trial.metrics["variance"] == pytest.approx(trial.validation_error - 0.05)
        assert trial.metrics["unsteadiness"] == 0
        assert trial.diagnosis.avoidable_bias.value == pytest.approx(0.05)
        assert len(trial.executions[0].history) == 4
    assert result.best.validation_error == min(trial.validation_error for trial in result.trials)
    best = TrainConfig.from_dict(json.loads((tmp_path / "best.json").read_text()))
    assert best == result.best.config
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert values["schema"] == "keras_ext.sweep/1"
    assert len(values["trials"]) == 6


def test_trials_as_a_data_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    result = run(tmp_path, BlackBox(lambda call, config: math.nan if call == 2 else None))
    frame = result.to_dataframe()
    assert frame.index.name == "trial_id"
    assert list(frame.index) == ids(result)
    assert list(frame["values.units"]) == [t.values["units"] for t in result.trials]
    assert frame["validation_error"].idxmin() == result.best.trial_id
    assert list(frame.index[frame["validation_error"].isna()]) == ["0002"]
    assert frame.loc["0002", "status"] == "failed"
    assert frame.loc["0000", "metrics.variance"] == result.trials[0].metrics["variance"]
    assert frame.loc["0000", "dominant"] == result.trials[0].diagnosis.dominant
    pandas.testing.assert_frame_equal(frame, pandas.DataFrame(result.rows()).set_index("trial_id"))
    assert len(replace(result, trials=()).to_dataframe()) == 0
    epochs = result.to_dataframe(each="epoch")
    assert list(epochs.index.names) == ["trial_id", "seed", "epoch"]
    assert len(epochs) == sum(len(r.history) for t in result.trials for r in t.executions)
    assert epochs.loc[("0001", 0, 3), "train_cost"] == 0.25
    assert len(replace(result, trials=()).to_dataframe(each="epoch")) == 0
    with pytest.raises(ConfigError, match="each must be 'trial' or 'epoch', got each='week'"):
        result.to_dataframe(each="week")


def test_without_pandas_the_error_names_it(tmp_path, monkeypatch):
    result = run(tmp_path, max_trials=1)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match="pandas is not installed: pip install pandas"):
        result.to_dataframe()


def test_the_same_seed_gives_the_same_points_and_seed_0_is_a_seed(tmp_path):
    points = [[t.values for t in run(tmp_path / str(i), seed=0).trials] for i in range(2)]
    assert points[0] == points[1]
    assert points[0] != [t.values for t in run(tmp_path / "other", seed=1).trials]


def test_objectives_differ_as_they_say(tmp_path):
    final = run(tmp_path / "a", objective="final").best
    last = run(tmp_path / "b", objective="mean_of_last").best
    assert last.validation_error == pytest.approx(final.validation_error + 0.01)


def test_executions_train_on_seeds_that_follow_and_their_mean_counts(tmp_path):
    box = BlackBox(lambda call, config: 0.2 + 0.1 * config.seed)
    result = run(tmp_path, box, max_trials=2, executions=3)
    assert [config.seed for config in box.calls] == [0, 1, 2] * 2
    assert result.best.validation_error == pytest.approx(0.3)


def test_a_staged_sweep_is_told_the_noise_of_its_mean_over_executions(tmp_path, monkeypatch):
    """Errors of 0.2, 0.3 and 0.4 have a standard deviation of 0.1, their mean one of 0.058."""
    seen = []

    def spy(trials: Any, noise: float | None) -> float:
        seen.append(seed_noise(trials, noise))
        return seen[-1]

    monkeypatch.setattr("keras_ext.tuning.staged.seed_noise", spy)
    box = BlackBox(lambda call, config: 0.2 + 0.1 * config.seed)
    result = run(tmp_path / "three", box, strategy="staged", executions=3)
    noise = 0.1 / math.sqrt(3)
    assert [trial.metrics["seed_noise"] for trial in result.trials] == pytest.approx([noise] * 6)
    assert seen
    assert seen == pytest.approx([noise] * len(seen))
    once = run(tmp_path / "one", BlackBox(), strategy="staged")
    assert all("seed_noise" not in trial.metrics for trial in once.trials)


def test_the_winner_is_judged_on_fresh_seeds_and_the_test_set_is_opened_for_it_alone(tmp_path):
    box = BlackBox(lambda call, config: 0.3 if config.seed >= 1000 else None)
    result = run(tmp_path, box, confirm=3)
    assert [config.seed for config in box.calls[6:]] == [1000, 1001, 1002]
    assert {replace(c, seed=0) for c in box.calls[6:]} == {result.best.config}
    assert result.confirmation.validation_error == pytest.approx(0.3)
    assert result.optimism == pytest.approx(0.3 - result.best.validation_error)
    assert result.confirmation.test_error == pytest.approx(error_of(result.best.config))
    again = BlackBox()
    assert run(tmp_path, again, confirm=3).confirmation == result.confirmation
    assert again.calls == []


class Saves(BlackBox):
    """Writes which configuration the saved model is of."""

    def test(self, save: Path | None) -> Any:
        if save is not None:
            save.write_text(str(self.calls[-1].seed))
        return super().test(save)


def test_a_fresh_seed_that_fails_is_told_and_the_others_count(tmp_path):
    def fault(call: int, config: TrainConfig) -> None:
        if config.seed == 1000:
            raise DivergedError("the cost became nan in epoch 1")

    result = run(tmp_path, Saves(fault), confirm=3)
    found = result.confirmation
    assert found.failures == ("seed 1000: the cost became nan in epoch 1",)
    assert [item.seed for item in found.executions] == [1001, 1002]
    assert found.validation_error == pytest.approx(result.best.validation_error)
    assert (tmp_path / "model.keras").read_text() == "1001"
    again = BlackBox()
    assert run(tmp_path, again, confirm=3).confirmation == found
    assert again.calls == []


def test_where_all_fresh_seeds_fail_there_is_a_result_all_the_same(tmp_path):
    def fault(call: int, config: TrainConfig) -> None:
        if config.seed >= 1000:
            raise MemoryError("no room")

    result = run(tmp_path, BlackBox(fault), confirm=2)
    assert result.status == "completed"
    assert result.confirmation.failures == (
        "seed 1000: MemoryError: no room",
        "seed 1001: MemoryError: no room",
    )
    assert result.optimism is None
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("objective", ["final", "best", "mean_of_last"])
def test_optimism_compares_the_same_thing(tmp_path, objective):
    """The black box does the same on every seed."""
    assert run(tmp_path, confirm=2, objective=objective).optimism == pytest.approx(0)


def test_a_new_winner_of_a_longer_sweep_is_told_from_the_one_before(tmp_path):
    few = run(tmp_path, Saves(), max_trials=2, confirm=2)
    assert few.confirmation.earlier == 0
    assert (tmp_path / "model.keras").exists()
    more = run(tmp_path, Saves(), max_trials=9, confirm=0)
    assert more.best.trial_id != few.best.trial_id
    assert not (tmp_path / "model.keras").exists()
    more = run(tmp_path, Saves(), max_trials=9, confirm=2)
    assert len(more.confirmation.executions) == 2
    assert more.confirmation.earlier == 2
    assert (tmp_path / "model.keras").exists()


def test_the_model_of_the_winner_stays_and_comes_back_where_it_was_lost(tmp_path):
    """A whole number in the base is a float when it is read back."""
    base = replace(BASE, augmentation=Augmentation(rotation=20))

    def go_on(trials: int, confirm: int) -> Any:
        how: dict[str, Any] = {"strategy": "random", "confirm": confirm, "quiet": True}
        return sweep(base, space, max_trials=trials, directory=tmp_path, trainer=Saves(), **how)

    go_on(2, 1)
    best = (tmp_path / "best.json").read_bytes()
    go_on(2, 1)
    assert (tmp_path / "best.json").read_bytes() == best
    assert (tmp_path / "model.keras").read_text() == "1000"
    (tmp_path / "model.keras").unlink()
    go_on(2, 3)
    assert (tmp_path / "model.keras").read_text() == "1001"


def test_what_a_failed_execution_reached_is_kept(tmp_path):
    epochs = iter(range(1000))

    def fault(call: int, config: TrainConfig) -> None:
        if (call, next(epochs)) == (2, 11):
            raise DivergedError("the cost became nan in epoch 4")

    result = run(tmp_path, BlackBox(fault))
    failed = result.trials[2]
    error = error_of(failed.config)
    assert failed.unfinished == tuple({"epoch": n, "validation_error": error} for n in range(3))
    assert all(trial.unfinished == () for trial in result.ranked)
    rows = result.epoch_rows()
    assert len(rows) == 5 * 4 + 3
    assert rows[8] == {"trial_id": "0002", "seed": 0, "epoch": 0, "validation_error": error}
    assert run(tmp_path).trials == result.trials
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert len(values["trials"][2]["unfinished"]) == 3


def test_what_was_tried_again_is_in_the_journal(tmp_path, capsys):
    def fault(call: int, config: TrainConfig) -> None:
        if call == 1:
            raise MemoryError("no room")

    assert len(run(tmp_path, BlackBox(fault), retries=1, max_trials=3).ranked) == 3
    assert capsys.readouterr().out == ""
    (event,) = Journal(tmp_path / "journal.jsonl").of("retried")
    assert (event["number"], event["message"]) == (1, "MemoryError: no room")
    assert (event["executions"], event["unfinished"]) == ([], [])


def test_what_always_fails_has_failed_after_its_retries(tmp_path):
    def fault(call: int, config: TrainConfig) -> float | None:
        return math.nan if 1 <= call <= 3 else None

    box = BlackBox(fault)
    result = run(tmp_path, box, retries=2, max_trials=3)
    assert [trial.status for trial in result.trials] == ["completed", "failed", "completed"]
    assert len(box.calls) == 5
    assert result.trials[1].message.startswith("validation_error is not finite: nan")


def test_what_the_process_dies_of_three_times_is_not_begun_a_fourth_time(tmp_path):
    path = tmp_path / "starts"
    for starts in range(DEATHS):
        path.write_text(str(starts))
        with counting_deaths(path):
            assert path.read_text() == str(starts + 1)
        assert not path.exists()
    path.write_text(str(DEATHS))
    refused = pytest.raises(SweepError, match="the process died 3 times in this trial")
    with refused, counting_deaths(path):
        pytest.fail("was begun")
    path.write_text("2")
    with counting_deaths(path) as survived:
        survived()
        assert not path.exists()
    path.write_text("2")
    with suppress(KeyboardInterrupt), counting_deaths(path):
        raise KeyboardInterrupt
    assert not path.exists()


def deadly(directory: Path, trial: int, epoch: int) -> None:
    """A sweep whose process dies in an epoch of a trial, as of a lack of memory."""
    epochs: list[int] = []

    def fault(call: int, config: TrainConfig) -> None:
        epochs.append(call)
        done = json.loads((directory / "sofar.json").read_text())
        if len(done) == trial and epochs.count(call) == epoch + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    class Counted(BlackBox):
        def train(self, config: TrainConfig, folder: Path, **how: Any) -> Any:
            ended = len(Journal(directory / "journal.jsonl").of("finished"))
            (directory / "sofar.json").write_text(json.dumps([0] * ended))
            return super().train(config, folder, **how)

    run(directory, Counted(fault), max_trials=4)


# The process that is forked has threads of TensorFlow, which the black box never calls.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_a_trial_that_kills_its_process_fails_and_the_others_are_done(tmp_path):
    for start in range(DEATHS + 1):
        process = multiprocessing.get_context("fork").Process(target=deadly, args=(tmp_path, 2, 0))
        process.start()
        process.join(60)
        assert process.exitcode == (-signal.SIGKILL if start < DEATHS else 0)
    result = run(tmp_path, BlackBox(lambda call, config: pytest.fail("run again")), max_trials=4)
    assert [t.status for t in result.trials] == ["completed", "completed", "failed", "completed"]
    assert result.trials[2].message.startswith("the process died 3 times in this trial")


@pytest.mark.parametrize("fate", [Path.unlink, lambda path: path.write_bytes(b'{"objec')])
@pytest.mark.filterwarnings("ignore:.*damaged")
def test_settings_that_are_lost_are_known_from_the_journal(tmp_path, fate):
    run(tmp_path, max_trials=2)
    fate(tmp_path / "settings.json")
    with pytest.raises(ConfigError, match="objective was 'final', now 'best'"):
        run(tmp_path, objective="best")
    (tmp_path / "settings.json").unlink(missing_ok=True)
    assert len(run(tmp_path, max_trials=3).trials) == 3
    assert json.loads((tmp_path / "settings.json").read_text())["objective"] == "final"


def test_other_examples_are_refused_naming_the_split(tmp_path):
    def splits(change: str = "") -> Splits:
        parts = {}
        for place, name in enumerate(("train", "validation", "test", "train_validation")):
            y = np.arange(6) % 2
            y[0] = 1 if name == change else 0
            parts[name] = Arrays(np.full((6, 2), place, "float32"), y, "small", ("a", "b"))
        return Splits(**parts)

    run(tmp_path, splits=splits(), max_trials=2)
    assert len(run(tmp_path, splits=splits(), max_trials=3).trials) == 3
    for name in ("train", "validation", "test", "train_validation"):
        with pytest.raises(ConfigError, match=rf"data\.{name}\.sha256 was '\w+', now '\w+'"):
            run(tmp_path, splits=splits(name), max_trials=3)


def test_a_finished_sweep_is_not_run_again_and_can_be_made_longer(tmp_path):
    first, box = run(tmp_path), BlackBox()
    assert run(tmp_path, box).trials == first.trials
    assert box.calls == []
    longer = run(tmp_path, box, max_trials=12)
    assert longer.trials[:6] == first.trials
    assert len(box.calls) == 6
    assert len({tuple(t.values.items()) for t in longer.trials}) == 12
    assert [t.values for t in longer.trials] == [
        t.values for t in run(tmp_path.with_name("whole"), max_trials=12).trials
    ]


def test_guided_is_the_default(tmp_path):
    result = sweep(
        BASE,
        space,
        max_trials=3,
        directory=tmp_path,
        options={"learning_rates": (1e-3, 0.1)},
        confirm=0,
        trainer=BlackBox(),
        quiet=True,
    )
    assert result.strategy == "guided"
    assert all(trial.reason for trial in result.trials)


@pytest.mark.parametrize(
    "strategy", ["guided", "staged", pytest.param("hyperband", marks=pytest.mark.slow)]
)
def test_a_longer_sweep_goes_on_from_what_the_shorter_one_was_told(tmp_path, strategy):
    """These divide up the number of trials, so the first ones of a longer sweep may be others."""
    short = run(tmp_path, strategy=strategy)
    long = run(tmp_path, strategy=strategy, max_trials=11)
    assert long.trials[:6] == short.trials
    assert len(long.trials) == 11
    assert run(tmp_path, strategy=strategy, max_trials=12).trials[:11] == long.trials
    events = Journal(tmp_path / "journal.jsonl").events
    told = [e["max_trials"] for e in events if e["event"] == "proposed"]
    assert told == [6] * 6 + [11] * 5 + [12]


@pytest.mark.parametrize("strategy", ["guided", "staged"])
def test_a_sweep_made_longer_does_not_refine_for_ever(tmp_path, strategy):
    short = run(tmp_path, strategy=strategy, max_trials=8)
    assert short.trials[-1].reason.startswith("joint refinement")
    added = run(tmp_path, strategy=strategy, max_trials=30).trials[8:]
    refined = [trial.reason.startswith("joint refinement") for trial in added]
    assert not any(refined[:5])
    assert refined[-1]


def test_what_a_proposal_was_meant_to_be_is_forgotten_where_another_point_was_tried():
    def oracle() -> Any:
        return oracles.make_oracle(
            "guided", max_trials=9, seed=0, hyperparameters=declare(space, BASE)
        )

    events, first = [], oracle()
    first.save = first._save_trial = lambda *_: None
    for number in range(3):
        trial = first.create_trial("alone")
        values = dict(trial.hyperparameters.values)
        if number == 2:
            values["learning_rate"] *= 1.01
        metrics = {"validation_error": 0.3, "avoidable_bias": 0.2, "variance": 0.1}
        end = {"status": "completed", "metrics": metrics, "message": ""}
        oracles._end(first, trial, end)
        about = {"number": number, "values": values}
        events += [
            {"event": "proposed", **about, "max_trials": 9},
            {"event": "finished", **about, **end},
        ]
    again = oracle()
    with pytest.warns(UserWarning, match="other values for 1 of the trials"):
        oracles.replay(again, events)
    assert {int(name) for name in again.proposals} == {0, 1}


@pytest.mark.parametrize(
    "strategy",
    ["random", pytest.param("bayesian", marks=pytest.mark.slow), "hyperband", "guided", "staged"],
)
def test_a_sweep_in_two_parts_proposes_what_one_in_one_part_does(tmp_path, strategy):
    whole = run(tmp_path / "whole", strategy=strategy, max_trials=9)

    def stop(call: int, config: TrainConfig) -> None:
        if call == 5:
            raise KeyboardInterrupt

    broken = run(tmp_path / "parts", BlackBox(stop), strategy=strategy, max_trials=9)
    assert (broken.status, len(broken.trials)) == ("interrupted", 5)
    parts = run(tmp_path / "parts", strategy=strategy, max_trials=9)
    assert [t.values for t in parts.trials] == [t.values for t in whole.trials]


def test_an_interrupted_trial_goes_on_after_its_last_epoch(tmp_path):
    epochs = iter(range(100))

    def stop(call: int, config: TrainConfig) -> None:
        if next(epochs) == 10:
            raise KeyboardInterrupt

    run(tmp_path, BlackBox(stop))
    box = BlackBox()
    assert len(run(tmp_path, box).trials) == 6
    assert box.began_at == [2, 0, 0, 0]


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (MemoryError("no room for 8 GB"), "MemoryError: no room for 8 GB"),
        (RuntimeError("bad <b>luck</b>"), "RuntimeError: bad <b>luck</b>"),
        (DivergedError("the cost became nan in epoch 1"), "the cost became nan in epoch 1"),
        (math.nan, "validation_error is not finite: nan"),
        (math.inf, "validation_error is not finite: inf"),
        (-math.inf, "validation_error is not finite: -inf"),
    ],
)
def test_one_trial_fails_with_its_reason_and_the_others_are_done(tmp_path, problem, said):
    def fault(call: int, config: TrainConfig) -> float | None:
        if call != 2:
            return None
        if isinstance(problem, BaseException):
            raise problem
        return problem

    result = run(tmp_path, BlackBox(fault))
    failed = result.trials[2]
    assert [t.status for t in result.trials].count("completed") == 5
    assert failed.status == "failed"
    assert failed.message.startswith(said)
    assert failed.validation_error == math.inf
    assert failed not in result.ranked
    if isinstance(problem, BaseException):
        assert "black_box.py" in failed.message
    json.dumps(standard(result.to_dict()), allow_nan=False)


def test_a_retry_can_succeed(tmp_path):
    def fault(call: int, config: TrainConfig) -> float | None:
        return math.nan if call == 1 else None

    result = run(tmp_path, BlackBox(fault), retries=1)
    assert [t.status for t in result.trials] == ["completed"] * 6
    assert ids(result) == ["0000", "0001", "0002", "0003", "0004", "0005"]


def test_many_failures_in_a_row_end_nothing(tmp_path):
    def fault(call: int, config: TrainConfig) -> float | None:
        return math.nan if call < 5 else None

    assert run(tmp_path, BlackBox(fault)).best.trial_id == "0005"


def test_when_all_fail_the_error_has_the_reasons(tmp_path):
    def fault(call: int, config: TrainConfig) -> float | None:
        raise ValueError(f"no {call}")

    with pytest.raises(SweepError, match=r"all 4 trials failed: trial 0000: ValueError: no 0; .*1"):
        run(tmp_path, BlackBox(fault), max_trials=4)
    with pytest.raises(SweepError, match="all 4 trials failed") as caught:
        run(tmp_path, BlackBox(), max_trials=4)
    assert [trial.status for trial in caught.value.result.trials] == ["failed"] * 4


def other_space(hp: Any, base: TrainConfig) -> TrainConfig:
    return replace(space(hp, base), dropout=hp.Float("dropout", 0.0, 0.5))


def halved_space(hp: Any, base: TrainConfig) -> TrainConfig:
    config = space(hp, base)
    return replace(config, units=config.units // 2)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"space": other_space}, "space was"),
        ({"space": halved_space}, "default.units was 4, now 2"),
        ({"objective": "best"}, "objective was 'final', now 'best'"),
        ({"seed": 7}, "seed was 0, now 7"),
        ({"strategy": "bayesian"}, "strategy was 'random', now 'bayesian'"),
    ],
)
def test_another_sweep_in_the_same_folder_is_refused_naming_what_differs(tmp_path, changes, named):
    run(tmp_path, max_trials=2)
    before = (tmp_path / "journal.jsonl").read_bytes()
    with pytest.raises(ConfigError, match=re.escape(named)):
        run(tmp_path, **changes)
    assert (tmp_path / "journal.jsonl").read_bytes() == before


def files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file() and p.name != "lock")


DAMAGE = {
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * 2 // 3]),
    "deleted": lambda path: path.unlink(),
    "other": lambda path: path.write_bytes(b"\xff\x00{]" * 40),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["oracle.json", "trial.json", "best.json", "journal.jsonl"])
@pytest.mark.filterwarnings("ignore:.*(damaged|set aside)")
def test_a_damaged_file_costs_at_most_what_it_told(tmp_path, damage, name):
    whole = run(tmp_path)
    path = next(path for path in files(tmp_path) if path.name == name)
    DAMAGE[damage](path)
    box = BlackBox()
    result = run(tmp_path, box)
    assert [(t.trial_id, t.values, t.metrics) for t in result.trials] == [
        (t.trial_id, t.values, t.metrics) for t in whole.trials
    ]
    expected = {"journal.jsonl": {"cut": range(1, 4)}.get(damage, [6])}.get(name, [0])
    assert len(box.calls) in expected
    assert run(tmp_path, BlackBox(lambda call, config: pytest.fail("run again"))).trials
    for file in tmp_path.rglob("*.json"):
        json.loads(file.read_text())


@pytest.mark.filterwarnings("ignore:.*set aside")
@pytest.mark.parametrize(
    "lost", [pytest.param(n, marks=pytest.mark.slow) if 3 < n < 11 else n for n in range(13)]
)
def test_a_lost_line_of_the_journal_is_done_again_under_its_own_number(tmp_path, lost):
    whole = run(tmp_path)
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 13
    lines[lost] = lines[lost].replace(b"0.", b"1.", 1)
    path.write_bytes(b"".join(lines))
    box = BlackBox()
    result = run(tmp_path, box)
    assert len(box.calls) == (lost > 0 and lost % 2 == 0)
    assert [(t.trial_id, t.values) for t in result.trials] == [
        (t.trial_id, t.values) for t in whole.trials
    ]


def test_a_tuner_of_keras_tuner_reads_the_folder(tmp_path, capsys):
    result = run(tmp_path, strategy="guided", options={"learning_rates": (1e-3, 0.1)})
    tuner = keras_tuner.RandomSearch(
        lambda hp: keras.Sequential(),
        objective=keras_tuner.Objective("validation_error", "min"),
        directory=tmp_path,
        project_name="keras_tuner",
    )
    assert len(tuner.oracle.trials) == 6
    assert tuner.get_best_hyperparameters()[0].values == result.best.values
    capsys.readouterr()
    run(tmp_path, strategy="guided", options={"learning_rates": (1e-3, 0.1)}, max_trials=7)
    assert "Reloading" not in capsys.readouterr().out


def test_a_second_process_is_kept_out(tmp_path):
    def inner(call: int, config: TrainConfig) -> None:
        with pytest.raises(SweepError, match="another process"):
            run(tmp_path)

    assert len(run(tmp_path, BlackBox(inner), max_trials=1).trials) == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_trials": 0}, "max_trials must be a whole number from 1 on, got max_trials=0"),
        ({"executions": 1.5}, "executions must be a whole number"),
        ({"objective": "loss"}, "objective must be one of final, best, mean_of_last"),
        ({"strategy": "luck"}, "strategy must be one of random, bayesian, hyperband"),
        ({"options": {"speed": 3}}, "strategy 'random' can't be made so"),
        ({"space": lambda hp, base: base}, "space must have a hyperparameter"),
        ({"splits": (1, 2)}, "splits must be keras_ext.records.Splits"),
    ],
)
def test_a_bad_argument_is_named_and_makes_no_folder(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        run(tmp_path / "folder", **changes)
    assert not (tmp_path / "folder").exists()


def test_a_point_that_is_no_configuration_is_a_failed_trial(tmp_path):
    def odd(hp: Any, base: TrainConfig) -> TrainConfig:
        return replace(base, dropout=hp.Float("dropout", 0.0, 2.0))

    result = run(tmp_path, space=odd, max_trials=8)
    failed = [t for t in result.trials if t.status == "failed"]
    assert 0 < len(failed) < 8
    assert failed[0].message.startswith("dropout must be in [0, 1)")


def test_an_oracle_that_waits_for_nothing_does_not_wait_for_ever(tmp_path, monkeypatch):
    class Waiting(oracles.GuidedOracle):
        def populate_space(self, trial_id: str) -> dict[str, Any]:
            return super().populate_space(trial_id) if trial_id == "0" else {"status": "IDLE"}

    monkeypatch.setitem(oracles.STRATEGIES, "waiting", Waiting)
    with pytest.raises(SweepError, match="Waiting proposes no trial and does not stop"):
        run(tmp_path, strategy="waiting")
    assert (tmp_path / "journal.jsonl").read_text().count('"finished"') == 1


def test_hyperband_promotes_with_the_state_and_only_full_trials_can_win(tmp_path):
    box = BlackBox()
    result = run(tmp_path, box, strategy="hyperband", max_trials=9)
    promoted = [t for t in result.trials if t.values.get("tuner/initial_epoch")]
    assert promoted
    for trial in promoted:
        began = box.began_at[ids(result).index(trial.trial_id)]
        assert began == trial.values["tuner/initial_epoch"]
        past = result.trials[int(trial.values["tuner/trial_id"])]
        assert past.config == trial.config
    longest = max(t.epochs for t in result.trials)
    assert {t.epochs for t in result.ranked} == {longest}
    assert not (tmp_path / "trials").exists()
