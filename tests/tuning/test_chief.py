"""The chief alone, with workers in the same process: what it takes, refuses and writes down."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from keras_ext.errors import OutputError, SweepError
from keras_ext.records import TrainConfig
from keras_ext.tuning import messages, sweep
from keras_ext.tuning.chief import DEATHS, Chief, raise_problem
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.link import Link
from keras_ext.tuning.oracles import make_oracle, replay
from keras_ext.tuning.space import declare, default_space
from keras_ext.tuning.task import Task
from keras_ext.tuning.tuner import ConfigTuner
from keras_ext.tuning.watcher import Watcher
from keras_ext.tuning.worker import WorkerTuner, work
from tests.tuning.black_box import BASE, BlackBox, space

pytestmark = pytest.mark.tensorflow

SETTINGS = {"objective": "final", "seed": 0, "data": {"train": {"examples": 100}}}


class Heard(Watcher):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.epochs: list[tuple[str, int]] = []

    def epoch(self, trial_id: str, number: int, logs: dict[str, float]) -> None:
        self.epochs.append((trial_id, number))

    def says(self, line: str) -> None:
        self.lines.append(line)


class Office:
    """A chief that listens, and what a worker of it needs."""

    def __init__(self, folder: Path, strategy: str = "random", **options: Any) -> None:
        hyperparameters = declare(space, BASE)
        oracle = make_oracle(strategy, seed=0, hyperparameters=hyperparameters, **options)
        folder.mkdir(exist_ok=True)
        self.journal = Journal(folder / "journal.jsonl")
        replay(oracle, self.journal.events)
        self.heard = Heard()
        self.box = BlackBox()
        self.task = Task(BASE, space, None, folder, trainer=self.box)
        self.tuner = ConfigTuner(
            oracle,
            space=space,
            base=BASE,
            trainer=self.box,
            journal=self.journal,
            directory=folder,
            objective="final",
            executions=1,
            watcher=self.heard,
        )
        self.chief = Chief(self.tuner, SETTINGS)
        self.address = f"127.0.0.1:{self.chief.listen('127.0.0.1:0')}"

    def link(self, name: str) -> Link:
        return Link(name, self.address, self.chief.admit(name))

    def worker(self, name: str, monkeypatch: pytest.MonkeyPatch) -> WorkerTuner:
        """A worker that has not begun."""
        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
        return WorkerTuner(self.task, self.link(name))

    def finished(self) -> list[dict[str, Any]]:
        return [e for e in self.journal.events if e["event"] == "finished"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    found = Office(tmp_path / "sweep", max_trials=4)
    yield found
    found.chief.close()


@pytest.mark.parametrize(
    "strategy",
    ["random", pytest.param("bayesian", marks=pytest.mark.slow), "hyperband", "staged", "guided"],
)
def test_one_worker_of_a_chief_does_what_one_process_does(tmp_path, monkeypatch, strategy):
    options = {"max_epochs": BASE.epochs} if strategy == "hyperband" else {}
    office = Office(tmp_path / "many", strategy, max_trials=9, **options)
    worker = office.worker("worker-0", monkeypatch)
    worker.search(verbose=0)
    office.chief.close()
    assert office.chief.done
    monkeypatch.undo()
    alone = tmp_path / "one"
    sweep(
        BASE,
        space,
        max_trials=9,
        directory=alone,
        strategy=strategy,
        confirm=0,
        trainer=BlackBox(),
        quiet=True,
    )
    # Bit for bit: KerasTuner's own messages hold metrics in single precision.
    mine, other = (
        [timeless(e) for e in journal_of(folder).events if e["event"] != "settings"]
        for folder in (tmp_path / "many", alone)
    )
    assert mine == other
    assert len(office.finished()) == 9
    assert ("0000", 3) in office.heard.epochs or strategy == "hyperband"


def journal_of(folder: Path) -> Journal:
    return Journal(folder / "journal.jsonl")


def timeless(event: dict[str, Any]) -> dict[str, Any]:
    if "trial" not in event:
        return event
    return {**event, "trial": {**event["trial"], "seconds": 0}}


def test_a_trial_belongs_to_one_worker_until_it_is_given_up(office, monkeypatch):
    first = office.worker("worker-0", monkeypatch)
    trial = first.oracle.create_trial("worker-0")
    first.on_trial_begin(trial)
    assert office.chief.lose("worker-0", "was killed")
    assert office.heard.lines == ["worker-0 was killed; its trial 0000 goes on in another process"]
    trial.status = "COMPLETED"
    with pytest.raises(grpc.RpcError, match="this worker was given up"):
        first.on_trial_end(trial)
    second = office.worker("worker-1", monkeypatch)
    again = second.oracle.create_trial("worker-1")
    assert again.trial_id == trial.trial_id
    assert again.hyperparameters.values == trial.hyperparameters.values
    with pytest.raises(grpc.RpcError, match="nothing was reported of it"):
        second.oracle.end_trial(again)
    third = office.worker("worker-2", monkeypatch)
    with pytest.raises(grpc.RpcError, match="the trial is not this worker's"):
        third.oracle.end_trial(again)
    assert office.finished() == []
    second.search(verbose=0)
    assert [e["number"] for e in office.finished()] == [0, 1, 2, 3]


def test_metrics_of_a_worker_that_died_before_the_end_do_not_count(office, monkeypatch):
    """KerasTuner keeps them, and then refuses those of the worker that ends the trial."""
    first = office.worker("worker-0", monkeypatch)
    trial = first.oracle.create_trial("worker-0")
    first.on_trial_begin(trial)
    first._try_run_and_update_trial(trial)
    office.chief.lose("worker-0", "was killed")
    office.worker("worker-1", monkeypatch).search(verbose=0)
    assert len(office.finished()) == 4
    assert office.chief.oracle.trials["0"].metrics.get_history("validation_error")[0].value == [
        office.finished()[0]["metrics"]["validation_error"]
    ]


def test_a_trial_of_which_workers_die_fails_with_the_reason(office, monkeypatch):
    for number in range(DEATHS):
        assert office.finished() == []
        worker = office.worker(f"worker-{number}", monkeypatch)
        worker.oracle.create_trial(f"worker-{number}")
        assert office.chief.lose(f"worker-{number}", "was killed by SIGKILL (out of memory?)")
    (event,) = office.finished()
    assert (event["status"], event["number"]) == ("failed", 0)
    assert event["trial"]["config"]["units"] == event["values"]["units"]
    assert event["message"].startswith(
        "3 workers died of it: worker-2 was killed by SIGKILL (out of memory?)"
    )
    assert not office.chief.lose("worker-2", "was killed")
    office.worker("worker-3", monkeypatch).search(verbose=0)
    assert [e["status"] for e in office.finished()[1:]] == ["completed"] * 3


def test_a_worker_that_leaves_gives_its_trial_back_and_that_is_no_death(office, monkeypatch):
    for number in range(DEATHS + 1):
        worker = office.worker(f"worker-{number}", monkeypatch)
        assert worker.oracle.create_trial(f"worker-{number}").trial_id == "0"
        worker.link.leave()
        assert office.chief.roster.names == []
    assert office.finished() == []
    assert office.heard.lines[0] == "worker-0 has left; its trial 0000 goes on in another process"
    assert office.chief.lose("worker-0", "ended")  # It had one.


def test_whoever_is_idle_waits_for_those_who_train(office, monkeypatch):
    workers = [office.worker(f"worker-{n}", monkeypatch) for n in range(5)]
    trials = [w.oracle.create_trial(w.tuner_id) for w in workers]
    assert [t.status for t in trials] == ["RUNNING"] * 4 + ["IDLE"]
    assert not office.chief.done
    office.chief.lose("worker-2", "was killed")
    assert workers[4].oracle.create_trial("worker-4").trial_id == trials[2].trial_id
    assert workers[0].oracle.create_trial("worker-0").trial_id == trials[0].trial_id


def test_a_silent_worker_is_given_up(office, monkeypatch):
    worker = office.worker("worker-0", monkeypatch)
    assert office.chief.lose_silent() == []  # It is not there yet.
    worker.oracle.create_trial("worker-0")
    assert office.chief.lose_silent() == []
    monkeypatch.setattr(messages, "LOST_SECONDS", -1.0)
    assert office.chief.lose_silent() == ["worker-0"]
    assert "was not heard of" in office.heard.lines[0]


def test_a_stopped_chief_gives_out_nothing_and_tells_so(office, monkeypatch):
    worker = office.worker("worker-0", monkeypatch)
    office.chief.stopping = True
    assert worker.oracle.create_trial("worker-0").status == "STOPPED"
    assert worker.link._tell({"kind": "beat"}) == {"stop": True}
    office.chief.done = True  # They find out by themselves, and end as they should.
    assert worker.link._tell({"kind": "beat"}) == {"stop": False}
    office.chief.done = False
    assert not office.chief.done


def test_a_worker_from_elsewhere_must_have_the_same_sweep_and_a_name_of_its_own(
    office, monkeypatch
):
    monkeypatch.setattr(messages, "LOST_SECONDS", -10.0)
    other = {**SETTINGS, "data": {"train": {"examples": 90}}}
    with pytest.raises(SweepError, match=r"refuses: .*data.train.examples was 100, now 90"):
        Link("host-1", office.address).join(other)
    first = Link("host-1", office.address)
    first.join(SETTINGS)
    assert office.heard.lines == ["worker host-1 has joined"]
    with pytest.raises(SweepError, match="there is another worker named 'host-1'"):
        Link("host-1", office.address).join(SETTINGS)
    first.leave()
    assert office.chief.roster.names == []
    office.chief.settings = None
    with pytest.raises(SweepError, match="takes no workers from elsewhere"):
        Link("host-2", office.address).join(SETTINGS)


def test_what_fails_in_the_oracle_or_the_journal_ends_the_sweep_with_its_reason(
    office, monkeypatch
):
    def full(event: Any) -> None:
        raise OutputError("can't write journal.jsonl: No space left on device")

    monkeypatch.setattr(office.journal, "append", full)
    worker = office.worker("worker-0", monkeypatch)
    assert worker.oracle.create_trial("worker-0").status == "STOPPED"
    assert not office.chief.done
    with pytest.raises(OutputError, match="No space left"):
        raise_problem(office.chief)
    office.chief.problem = ValueError("singular")
    with pytest.raises(SweepError, match=re.escape("the chief failed: ValueError('singular')")):
        raise_problem(office.chief)


def test_a_port_that_is_taken_is_named(office):
    with pytest.raises(SweepError, match=f"can't listen at {office.address}"):
        Chief(office.tuner).listen(office.address)


def test_a_worker_without_a_chief_says_so(office, monkeypatch):
    """The beat interrupts the main thread, as Ctrl-C does."""
    monkeypatch.setattr(messages, "SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(messages, "BEAT_SECONDS", 0.05)
    link = office.link("worker-0")
    for name, value in (("TUNER_ID", "worker-0"), ("ORACLE_IP", "127.0.0.1"), ("ORACLE_PORT", "1")):
        monkeypatch.setenv(f"KERASTUNER_{name}", value)

    def fault(call: int, config: TrainConfig) -> None:
        office.chief.close()
        time.sleep(60)

    office.box.fault = fault
    with pytest.raises(SweepError, match=f"the chief at {office.address} is gone"):
        work(office.task, link)


def test_a_space_with_conditions_is_sent_without_a_word(capsys):
    point = declare(default_space, BASE)
    assert any(item.conditions for item in point.space)
    found = type(point).from_proto(point.to_proto())
    assert found.values == point.values
    # KerasTuner sorts them by kind.
    assert {item.name for item in found.space} == {item.name for item in point.space}
    config = {"decay_rate": 0.5, "schedule": "time_based"}
    for item in (found, point):
        item.values.update(config)
    assert default_space(found, BASE) == default_space(point, BASE)
    assert default_space(found, BASE).decay_rate == 0.5
    assert capsys.readouterr().out == ""


def test_numbers_that_json_has_not_arrive():
    nan, inf, number = messages.unpack(messages.pack([math.nan, math.inf, 0.1]))
    assert math.isnan(nan)
    assert (inf, number) == (math.inf, 0.1)
