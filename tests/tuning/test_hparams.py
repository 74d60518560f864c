"""TensorBoard finds the experiment once, and every trial with its values and curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from keras_ext.tuning import default_space, sweep
from tests.tuning.black_box import BASE, BlackBox

pytestmark = pytest.mark.tensorflow


def read(folder: Path) -> Any:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def test_the_experiment_is_written_once_and_each_trial_too(tmp_path):
    for trials in (3, 5):
        result = sweep(
            BASE,
            default_space,
            max_trials=trials,
            directory=tmp_path,
            confirm=0,
            trainer=BlackBox(),
            quiet=True,
        )
    folder = tmp_path / "tensorboard"
    assert len(list(folder.glob("events.out.tfevents.*"))) == 1
    content = read(folder).PluginTagToContent(metadata.PLUGIN_NAME)
    experiment = metadata.parse_experiment_plugin_data(content[metadata.EXPERIMENT_TAG])
    names = {info.name for info in experiment.hparam_infos}
    assert names == {str(item["name"]) for item in result.space}
    for trial in result.trials:
        run = folder / trial.trial_id / "execution-0"
        assert len(list(run.iterdir())) == 1
        events = read(run)
        started = metadata.parse_session_start_info_plugin_data(
            events.PluginTagToContent(metadata.PLUGIN_NAME)[metadata.SESSION_START_INFO_TAG]
        )
        rate = started.hparams["learning_rate"].number_value
        assert rate == pytest.approx(trial.values["learning_rate"])
        errors = [event.tensor_proto for event in events.Tensors("validation_error")]
        assert len(errors) == 4
