"""Arrays as batches that leave the processor to the network: from the host or on the device."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from keras_ext import accelerator
from keras_ext.accelerator import DEVICE_BYTES
from keras_ext.affine import DRAWS, Draw
from keras_ext.data import host
from keras_ext.data._accept import arrays_of
from keras_ext.data._seeding import Stream, check_seed, permutation
from keras_ext.data.augment import draw
from keras_ext.errors import ConfigError, DataError
from keras_ext.records import Arrays, Augmentation
from keras_ext.rows import streams

PLACEMENTS = ("auto", "device", "host")
LOOKED_AT = 1000
"""Images, of those too many for the memory, that are looked at for their range of values."""


def training_batches(
    arrays: Arrays | tuple[Any, Any],
    *,
    batch_size: int,
    augmentation: Augmentation | None = None,
    placement: str = "auto",
    seed: int,
    first_epoch: int = 0,
) -> Any:
    """Every example once an epoch, in an order drawn anew for each, augmented if asked for.

    Order and augmentation are functions of (seed, epoch, example) alone: the same batches come
    whatever the number of threads. Each pass that is begun over the data set is the next epoch. The
    last batch may be smaller. Only indices are shuffled; images are gathered a batch at a time.

    On JAX, PyTorch and under MirroredStrategy Keras begins a pass only to build a model. A training
    model tells its batches which epoch it is; from the host, a callback that calls ``set_epoch`` at
    the beginning of each epoch does.

    All geometric changes become one affine transform an image, resampled once (bilinear) for the
    whole batch. Images keep their dtype, with or without augmentation; whole numbers are rounded.
    With MixUp or CutMix, labels are float32 of shape (batch, classes), the share of each class,
    for ``keras.losses.CategoricalCrossentropy`` or ``training.MixedCrossentropy``, which takes
    class numbers, too. A loss of class numbers is refused with a remedy by the training model when
    it is compiled; from the host by ``training_model``, when the model is compiled before (the
    ``fit`` of a model of your own would end in Keras's message about the rank of its arguments).

    Args:
        arrays: the training examples, a tuple (x, y) will do; images of shape (examples, height,
            width, channels) to be augmented.
        batch_size: examples a batch.
        augmentation: None, or what to change at random.
        placement: "host" gathers and augments in a tf.data pipeline, which two processor cores
            like better. "device" keeps all images on the accelerator and gives row numbers to the
            model, which must be wrapped: ``batches.training_model(model)``, before it is compiled,
            is that model behind gathering and augmentation (with "host" it is the model itself).
            "auto" is "device" where there is an accelerator and the images take at most 2 GiB, or
            where there is no TensorFlow; ``batches.placement`` says which, and why.
        seed: decides order and augmentation.
        first_epoch: number of the first pass, for a run that is carried on.

    Returns:
        A ``tf.data.Dataset`` of (x, y), of known cardinality, with a function ``set_epoch(epoch)``
        that says which number the next pass has: TrainingState calls it when a run is resumed. It
        holds for the data sets that are made from this one, too. With "device" a
        ``keras.utils.PyDataset`` of ((rows, draws), y) with the same function, which needs no
        TensorFlow. Both have ``training_model(model)`` and ``placement``. Fit with
        ``shuffle=False``: the order is drawn here. From the host, arrays that take more than a
        quarter of the memory (memory-mapped ones), and all parts of them, are read from the disk a
        batch at a time.

    >>> arrays = Arrays(np.zeros((5, 8, 8, 1), "uint8"), np.arange(5))
    >>> batches = training_batches(arrays, batch_size=2, placement="device", seed=0)
    >>> (rows, draws), y = batches[2]
    >>> batches.placement, len(batches), rows.tolist() == y.tolist(), len(y)
    ('device: as asked for', 3, True, 1)

    Raises:
        ConfigError: for what are no arrays, a batch size below 1, another placement, or
            augmentation of what are no images.
        DataError: without examples, or for a label without a class.
        MissingExtraError: for "host", without TensorFlow.
    """
    check_seed(seed)
    arrays = arrays_of(arrays, "arrays")
    _check(arrays, batch_size)
    _check_labels(arrays)
    chosen = _chosen(arrays, placement)
    change = augmentation if augmentation is not None and augmentation.active else None
    check_augmentation(arrays, change)
    if chosen.startswith("device"):
        return _resident(arrays, batch_size, change, seed, first_epoch, chosen)
    epochs = host.Epochs(first_epoch)
    plan = partial(_plan, len(arrays), change, seed)
    batches = host.shuffled(arrays, batch_size, change, plan, epochs)
    batches.set_epoch = epochs.set_epoch
    batches.training_model = partial(_itself, mixes=change is not None and change.mixes)
    batches.placement = chosen
    return batches


def evaluation_batches(arrays: Arrays | tuple[Any, Any], *, batch_size: int) -> Any:
    """Every example once, in order and unchanged.

    Returns:
        A ``tf.data.Dataset`` of (x, y), of known cardinality.

    Raises:
        ConfigError: for a batch size below 1.
        DataError: without examples.
        MissingExtraError: without TensorFlow.
    """
    arrays = arrays_of(arrays, "arrays")
    _check(arrays, batch_size)
    return host.in_order(arrays, batch_size)


def _chosen(arrays: Arrays, placement: str) -> str:
    """Where the images are to be, and why."""
    if placement not in PLACEMENTS:
        raise ConfigError(
            f"placement must be one of {', '.join(PLACEMENTS)}, got placement={placement!r}"
        )
    size = f"{arrays.x.nbytes / 2**20:,.0f} MiB of images"
    place, why = (placement, "as asked for") if placement != "auto" else _automatic(arrays, size)
    if place == "host" and streams(arrays.x):
        why += f"; {size} are read from disk a batch at a time"
    return f"{place}: {why}"


def _automatic(arrays: Arrays, size: str) -> tuple[str, str]:
    """The better place, and the reason."""
    if find_spec("tensorflow") is None:
        return "device", "there is no TensorFlow for a pipeline on the host"
    if not accelerator.on_accelerator():
        return "host", "there is no accelerator"
    if arrays.x.nbytes > DEVICE_BYTES:
        return "host", f"{size} are too many for the accelerator"
    return "device", f"{size} stay on the accelerator"


def _resident(
    arrays: Arrays,
    batch_size: int,
    change: Augmentation | None,
    seed: int,
    first_epoch: int,
    chosen: str,
) -> Any:
    """Batches of row numbers, and the model that knows the rows."""
    from keras_ext.data.resident import IndexBatches, TrainingModel

    def mix(y: np.ndarray, draws: np.ndarray) -> np.ndarray:
        shares = np.eye(len(arrays.classes), dtype=np.float32)[y]
        share = draws[:, Draw.MIX, None]
        return (1 - share) * shares + share * np.roll(shares, -1, axis=0)

    batches = IndexBatches(
        arrays.x,
        change,
        partial(_plan, len(arrays), change, seed),
        arrays.y,
        batch_size,
        mix if change is not None and change.mixes else None,
        first_epoch,
    )
    batches.training_model = lambda core: TrainingModel(core, arrays.x, change)
    batches.placement = chosen
    return batches


def _itself(core: Any, *, mixes: bool) -> Any:
    """The model as it is; one that is compiled must take mixed labels."""
    if mixes and core.compiled:
        from keras_ext.data.mixed_labels import check_takes_shares

        check_takes_shares(core.loss)
    return core


def _plan(
    examples: int, change: Augmentation | None, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray]:
    """The order of an epoch, and for each place in it the numbers drawn for its image."""
    order = permutation(examples, Stream.ORDER, seed, epoch).astype(np.int32)
    if change is None:
        return order, np.zeros((0, DRAWS), np.float32)
    return order, draw(change, examples, seed=seed, epoch=epoch)[order]


def check_augmentation(arrays: Arrays, change: Augmentation | None) -> None:
    """Refuse what can't be changed so: no images, no classes to mix, values out of range."""
    if change is None:
        return
    if arrays.x.ndim != 4:
        raise ConfigError(
            "augmentation needs images of shape (examples, height, width, channels), "
            f"got x of shape {arrays.x.shape}"
        )
    if change.mixes and not arrays.classes:
        raise ConfigError("mixup and cutmix need class numbers, got values for regression")
    if not change.tints:
        return
    every = -(-len(arrays) // LOOKED_AT) if streams(arrays.x) else 1
    values = np.asarray(arrays.x) if every == 1 else arrays.x[np.arange(0, len(arrays), every)]
    low, high = float(values.min()), float(values.max())
    if (
        low < change.value_range[0]
        or high > change.value_range[1]
        or (high <= 1 < (change.value_range[1] / 10) and arrays.x.dtype.kind == "f")
    ):
        raise ConfigError(
            f"value_range must be that of the images, whose values are from {low:g} to {high:g}, "
            f"got value_range={change.value_range!r}"
        )


def _check_labels(arrays: Arrays) -> None:
    """Refuse class numbers that no class has: mixed, they would be shares of nothing."""
    if not arrays.classes or arrays.y.ndim != 1 or arrays.y.dtype.kind not in "iu":
        return
    labels = np.asarray(arrays.y)
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < len(arrays.classes):
            raise DataError(
                f"{arrays.name}: label {label} is outside the {len(arrays.classes)} classes from 0"
                " on"
            )


def _check(arrays: Arrays, batch_size: int) -> None:
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ConfigError(
            f"batch_size must be a whole number from 1 on, got batch_size={batch_size!r}"
        )
    if not len(arrays):
        raise DataError(f"{arrays.name} has no examples to make batches of")
