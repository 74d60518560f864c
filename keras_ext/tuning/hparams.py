"""A sweep in TensorBoard: its hyperparameters once, and each trial with its learning curves."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from keras_ext.errors import OutputError
from keras_ext.sweep_records import Trial

METRICS = ("validation_error", "train_error")
EVENTS = "events.out.tfevents.*"


def write_experiment(directory: Path, space: Sequence[Mapping[str, Any]]) -> None:
    """Write which hyperparameters and metrics there are; once, whatever was written before.

    Args:
        directory: for TensorBoard's ``--logdir``.
        space: as ``tuning.space.described`` gives it.

    Raises:
        OutputError: when it can't be written.
    """
    if any(directory.glob(EVENTS)):
        return
    names = [hparams.HParam(str(item["name"]), _domain(item)) for item in space]
    metrics = [hparams.Metric(name, display_name=name.replace("_", " ")) for name in METRICS]
    _write(directory, [(0, hparams.hparams_config_pb(hparams=names, metrics=metrics))])


def write_trial(directory: Path, trial: Trial) -> None:
    """Write the values of a trial and, for each execution, both errors by epoch.

    Raises:
        OutputError: when they can't be written.
    """
    for number, execution in enumerate(trial.executions):
        folder = directory / trial.trial_id / f"execution-{number}"
        if any(folder.glob(EVENTS)):
            continue
        values = {name: value for name, value in trial.values.items() if "/" not in name}
        started = hparams.hparams_pb(values, trial_id=trial.trial_id)
        curves = [
            (int(row["epoch"]), scalar_pb(name, row[name]))
            for row in execution.history
            for name in METRICS
            if name in row
        ]
        _write(folder, [(0, started), *curves])


def _write(folder: Path, summaries: Sequence[tuple[int, Any]]) -> None:
    try:
        writer = EventFileWriter(str(folder))
        for step, summary in summaries:
            event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary)
            writer.add_event(event)
        writer.close()
    except Exception as error:  # Of TensorFlow's file system, or of the system's own.
        for path in folder.glob(EVENTS):
            path.unlink()  # A part of it would count as written.
        raise OutputError(f"can't write {folder}: {error}") from error


def _domain(item: Mapping[str, Any]) -> Any:
    """The range of a hyperparameter; None where TensorBoard has no such kind."""
    if item["kind"] == "Boolean":
        return hparams.Discrete([False, True])
    if item.get("values"):
        values = list(item["values"])
        same = len({type(value) for value in values}) == 1
        return hparams.Discrete(values if same else [float(value) for value in values])
    if item["kind"] == "Int":
        return hparams.IntInterval(int(item["min_value"]), int(item["max_value"]))
    if item["kind"] == "Float":
        return hparams.RealInterval(float(item["min_value"]), float(item["max_value"]))
    return None
