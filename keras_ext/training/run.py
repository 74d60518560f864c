"""One configuration, trained and measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import keras

from keras_ext import data, models
from keras_ext.errors import OutputError
from keras_ext.files import replacing
from keras_ext.records import Arrays, AugmentedImages, Check, Round, RunResult, Splits, TrainConfig
from keras_ext.regularization import frozen
from keras_ext.training.round import Builder, train_round

SHOWN_IMAGES = 4
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
    errors = {"train": kept.train, "validation": kept.validation}
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    if kept.train_validation is not None and splits.train_validation is not None:
        errors["train_validation"] = kept.train_validation
        parts["train_validation"] = splits.train_validation
    return RunResult(
        name=splits.train.name,
        config=kept.config,
        errors=errors,
        diagnosis=kept.diagnosis,
        history=kept.history,
        rounds=tuple(rounds),
        seconds=sum(item.seconds for item in rounds),
        versions=versions(),
        sizes={name: len(part) for name, part in parts.items()},
        checks=tuple(checks),
        iteration_costs=rounds[0].iteration_costs,
        augmented=augmented_images(splits.train, rounds, kept),
        status="interrupted" if rounds[-1].status == "interrupted" else "completed",
        model=model,
    )


def augmented_images(train: Arrays, rounds: Sequence[Round], kept: Round) -> AugmentedImages | None:
    """Some training images under the augmentation of the kept round, else of the last that had any.

    None where no round augmented, or the examples are no pictures in grey or colour.
    """
    tried = [item for item in (*rounds, kept) if item.config.augmentation.active]
    if not tried or train.x.ndim != 4 or train.x.shape[-1] not in (1, 3):
        return None
    config = tried[-1].config
    originals, shown = data.augmented_examples(
        train, config.augmentation, examples=SHOWN_IMAGES, seed=config.seed
    )
    return AugmentedImages(
        augmentation=replace(config.augmentation, mixup=0.0, cutmix=0.0),
        kept=config is kept.config,
        originals=originals,
        versions=shown,
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
