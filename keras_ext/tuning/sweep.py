"""A sweep: points proposed, trained, judged and written down, whatever happens in between."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_ext import models
from keras_ext.errors import ConfigError, SweepError
from keras_ext.records import Splits, TrainConfig
from keras_ext.sweep_records import SweepResult, best, ranked
from keras_ext.training.round import Builder
from keras_ext.training.run import versions
from keras_ext.tuning import hparams, oracles
from keras_ext.tuning.confirm import confirm_winner
from keras_ext.tuning.crew import FILES, search
from keras_ext.tuning.first_rates import set_first_rates
from keras_ext.tuning.hosts import serve
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.outcome import confirmation_of, trials_of
from keras_ext.tuning.outputs import Outputs
from keras_ext.tuning.project import check_settings, fingerprint, locked
from keras_ext.tuning.roles import role_of
from keras_ext.tuning.scores import check_objective
from keras_ext.tuning.sending import check_task
from keras_ext.tuning.space import Space, declare, default_space, described, point
from keras_ext.tuning.table import LiveTable
from keras_ext.tuning.task import Task
from keras_ext.tuning.trainer import Trains, expecting_compilation
from keras_ext.tuning.tuner import ConfigTuner
from keras_ext.tuning.worker import work_for


def sweep(
    base: TrainConfig,
    space: Space = default_space,
    splits: Splits | None = None,
    *,
    max_trials: int,
    directory: str | os.PathLike[str],
    strategy: str = "guided",
    seed: int = 0,
    objective: str = "final",
    executions: int = 1,
    confirm: int = 3,
    retries: int = 0,
    options: Mapping[str, Any] | None = None,
    build: Builder = models.build,
    reuse: bool | str = True,
    layer_health: bool = False,
    trainer: Trains | None = None,
    workers: int = 1,
    insecure_network: bool = False,
    console: Console | None = None,
    quiet: bool = False,
) -> SweepResult:
    """Search for the configuration with the lowest validation error; the same call goes on.

    Every proposal and every result is on the disk before the next trial begins. Stopped by Ctrl-C,
    or killed, the same call takes the sweep up again: what has ended counts, and what was running
    goes on after its last epoch. A larger ``max_trials`` makes it longer.

    The winner is the trial with the lowest error of many, so part of it is luck. It is trained
    again on ``confirm`` fresh seeds and these are judged on the test examples, once;
    ``SweepResult.optimism`` says how much of the error was luck.

    Args:
        base: what isn't tuned.
        space: a pure function of (hyperparameters, base) that gives a ``TrainConfig``.
        splits: training, validation and test examples.
        max_trials: how many points are tried.
        directory: of this sweep alone. It gets ``journal.jsonl``, ``best.json`` (for ``--config``
            of a recipe), ``model.keras`` (the winner trained on the first fresh seed),
            TensorBoard's events and KerasTuner's own files.
        strategy: one of ``STRATEGIES``.
        seed: decides the points; the configuration's own seed decides how they are trained.
        objective: "final" for the validation error after the last epoch, "best" for the lowest of
            all epochs, "mean_of_last" for the mean over the last three.
        executions: of each trial, on different seeds; their mean counts.
        confirm: fresh seeds for the winner, 0 to leave the test examples closed.
        retries: how often a trial that raised is tried again.
        options: of the strategy. Without ``learning_rates`` among them, "staged" and "guided" begin
            with a learning-rate range test of the default point, a hundred mini-batches long.
        build: makes the uncompiled model, see ``models.build``. Another builder, or trainer, is not
            noticed when a sweep goes on: give it another directory.
        reuse: compile once for points that differ only in numbers, see ``Trainer``.
        layer_health: look at the layers when a trial ends (dead or saturated units, vanishing or
            exploding signals), for the record and the report.
        trainer: something else that trains the points, in place of ``build``, ``reuse`` and
            ``layer_health``.
        workers: processes that train, each with its part of the cores and, where there are any,
            one GPU. With more than one, ``space``, ``build`` and ``trainer`` must be importable:
            functions at the top level of a module or of a script whose work stands under
            ``if __name__ == "__main__":``. For several hosts see docs/distributed.md.
        insecure_network: with KERASTUNER_ORACLE_IP, allow an address that other machines reach;
            whoever reaches it can read and change the sweep.
        console: for the table, by default the standard output.
        quiet: show nothing.

    Returns:
        The result; after Ctrl-C, with the status "interrupted".

    Raises:
        ConfigError: for an argument, and when the folder's sweep was begun with another space,
            objective or other examples, naming what differs.
        SweepError: when all trials failed, with their reasons and the result; when another process
            has the folder; when a worker can't start, or its chief is gone.
        OutputError: when the folder can't be written, as with a full disk; the same call goes on
            once it can.
        SystemExit: with status 0, at the end of a worker on another host: its chief has the result.
    """
    check_objective(objective)
    for name, value, least in (
        ("max_trials", max_trials, 1),
        ("executions", executions, 1),
        ("confirm", confirm, 0),
        ("retries", retries, 0),
        ("seed", seed, 0),
        ("workers", workers, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(
                f"{name} must be a whole number from {least} on, got {name}={value!r}"
            )
    if splits is not None and not isinstance(splits, Splits):
        raise ConfigError(
            "splits must be keras_ext.records.Splits, such as data.split(Arrays(x, y), seed=0), "
            f"got {type(splits).__name__}"
        )
    folder = Path(directory)
    task = Task(
        base, space, splits, folder, objective, executions, build, reuse, layer_health, trainer
    )
    if workers > 1:
        check_task(task)
    role = role_of(os.environ, workers=workers, insecure=insecure_network)
    hyperparameters = declare(space, base)
    own = {"max_epochs": base.epochs} if strategy == "hyperband" else {}
    oracle = oracles.make_oracle(
        strategy,
        max_trials=max_trials,
        seed=seed,
        hyperparameters=hyperparameters,
        retries=retries,
        **{**own, **(options or {})},
    )
    settings: dict[str, Any] = {
        "base": base.to_dict(),
        "space": described(hyperparameters),
        "default": point(space, hyperparameters, base).to_dict(),
        "strategy": strategy,
        "options": dict(options or {}),
        "seed": seed,
        "objective": objective,
        "executions": executions,
        "data": fingerprint(splits) if splits is not None else None,
    }
    if role is not None and not role.chief:
        work_for(role, task, settings)
        raise SystemExit(0)
    with locked(folder):
        journal = Journal(folder / "journal.jsonl")
        for problem in journal.problems:
            warnings.warn(problem, stacklevel=2)
        check_settings(folder, settings, journal)
        trainer = task.make_trainer()
        hparams.write_experiment(folder / "tensorboard", settings["space"])
        with LiveTable(max_trials, trials_of(journal), console=console, quiet=quiet) as table:
            first = point(space, hyperparameters, base)
            set_first_rates(oracle, journal, trainer, first, table.says)
            oracles.replay(oracle, journal.events)
            oracles.keep_files(oracle, folder / "keras_tuner")
            tuner = ConfigTuner(
                oracle,
                space=space,
                base=base,
                trainer=trainer,
                journal=journal,
                directory=folder,
                objective=objective,
                executions=executions,
                watcher=Outputs(table, folder, trials_of(journal)),
            )
            if len(trials_of(journal)) >= max_trials:
                there = len(trials_of(journal))
                table.says(f"{there} trials are there already; a larger max_trials goes on")
            with expecting_compilation():
                if role is not None:
                    run = partial(serve, tuner, settings, role)
                elif workers > 1:
                    run = partial(search, tuner, task, workers)
                else:
                    run = partial(tuner.search, verbose=0)
                status = _run(run, tuner, journal, confirm)
        result = SweepResult(
            name=splits.train.name if splits is not None else folder.name,
            strategy=strategy,
            objective=objective,
            seed=seed,
            base=base,
            space=described(hyperparameters),
            trials=trials_of(journal),
            confirmation=confirmation_of(journal, objective),
            seconds=sum(trial.seconds for trial in trials_of(journal)),
            versions=versions(),
            sizes=_sizes(splits),
            status=status,
        )
    if status == "completed":
        try:
            best(result.trials)
        except SweepError as error:
            error.result = result
            raise
    return result


def _run(search: Callable[[], None], tuner: ConfigTuner, journal: Journal, confirm: int) -> str:
    """All trials, then the confirmation; how it ended."""
    try:
        search()
        if ranked(trials_of(journal)):
            confirm_winner(tuner, journal, confirm)
    except KeyboardInterrupt:
        return "interrupted"
    for unused in (tuner.states, tuner.states.parent / FILES):
        shutil.rmtree(unused, ignore_errors=True)
    return "completed"


def _sizes(splits: Splits | None) -> dict[str, int]:
    if splits is None:
        return {}
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: len(part) for name, part in parts.items()}
