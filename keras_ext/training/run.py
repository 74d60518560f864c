"""One configuration, trained and measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import keras

from keras_ext import models
from keras_ext.errors import OutputError
from keras_ext.files import replacing
from keras_ext.records import Check, Round, RunResult, Splits, TrainConfig
from keras_ext.regularization import frozen
from keras_ext.training.round import Builder, train_round

PACKAGES = ("keras-ext", "keras", "tensorflow", "jax", "torch", "numpy")


def run(
    config: TrainConfig,
    splits: Splits,
    *,
    build: Builder = models.build,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    directory: Path | str | None = None,
    placement: str = "auto",
    quiet: bool = False,
) -> RunResult:
    """Train one configuration; no knob is turned and the test examples stay closed.

    Args:
        config: what to train.
        splits: training and validation examples.
        build: makes the uncompiled model, see ``models.build``.
        callbacks: further ones; they find ``train_error`` and the like in ``logs``.
        directory: gets ``model.keras`` and TensorBoard's events.
        placement: of the training images, see ``data.training_batches``; it decides how fast the
            run is, not what comes out.
        quiet: show no progress.

    Raises:
        DivergedError: when the cost is not finite.
        OutputError: when the directory can't be written.
    """
    logs = log_directory(directory) if directory else None
    only, model = train_round(
        config,
        splits,
        build=build,
        callbacks=callbacks,
        log_directory=logs,
        placement=placement,
        quiet=quiet,
    )
    if directory:
        save_model(model, Path(directory) / "model.keras")
    return result_of([only], only, model, splits)


def log_directory(directory: Path | str, name: str = "") -> Path:
    """A folder for TensorBoard's events, made before the training that would find it can't be.

    Raises:
        OutputError: when it can't be made.
    """
    path = Path(directory) / "tensorboard" / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"can't write to {directory}: {error.strerror}") from error
    return path


def result_of(
    rounds: Sequence[Round],
    kept: Round,
    model: keras.Model,
    splits: Splits,
    *,
    checks: Sequence[Check] = (),
) -> RunResult:
    """The record of a run from its rounds, of which one was kept."""
    return RunResult(
        name=splits.train.name,
        config=kept.config,
        errors={"train": kept.train, "validation": kept.validation},
        diagnosis=kept.diagnosis,
        history=kept.history,
        rounds=tuple(rounds),
        seconds=sum(item.seconds for item in rounds),
        versions=versions(),
        sizes={
            "train": len(splits.train),
            "validation": len(splits.validation),
            "test": len(splits.test),
        },
        checks=tuple(checks),
        iteration_costs=rounds[0].iteration_costs,
        status="interrupted" if rounds[-1].status == "interrupted" else "completed",
        model=model,
    )


def versions() -> Mapping[str, str]:
    """Of Python and of each package that decides results, as far as installed."""
    found = {"python": platform.python_version(), "backend": keras.backend.backend()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def save_model(model: keras.Model, path: Path) -> None:
    """Write the model in stock Keras layers, under a temporary name first.

    Raises:
        OutputError: when it can't be written; what stood there before is left as it was.
    """
    with replacing(path) as temporary:
        frozen(model).save(temporary)
