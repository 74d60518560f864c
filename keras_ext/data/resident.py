"""Training images that stay on the accelerator: batches of row numbers, and the model for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.data.epoch_number import EpochNumber
from keras_ext.data.host import Plan
from keras_ext.data.mixed_labels import check_takes_shares
from keras_ext.errors import ConfigError
from keras_ext.pixels import mixed
from keras_ext.records import Augmentation
from keras_ext.regularization import Augment


class TrainingModel(keras.Model):
    """Another model behind the gathering and augmentation of its training images.

    A batch of (rows, draws) becomes the images of these rows, changed as the drawn numbers say; a
    batch of images is passed through, as in validation and prediction. The model inside, ``core``,
    is the one to use afterwards: compiling this one compiles it too, with the same optimizer, and
    ``save``, ``save_weights`` and ``load_weights`` are those of the core, so that callbacks and
    tuners that keep a model keep that one.

    The images are a variable that is not trained, since JAX would bake any other tensor into the
    compiled step. ``variables`` and ``weights`` are without them: nobody is to copy or keep them.

    Args:
        core: the model to train; it takes images.
        images: all training images, of shape (examples, height, width, channels).
        augmentation: what to change at random, or None.
    """

    def __init__(
        self, core: keras.Model, images: np.ndarray, augmentation: Augmentation | None
    ) -> None:
        super().__init__(name=f"training_{core.name}", dtype=core.dtype_policy, autocast=False)
        self.core = core
        self._own = _Own(images, augmentation)
        self._mix = augmentation if augmentation is not None and augmentation.mixes else None
        self.augment: Augment | None = None
        if augmentation is not None:
            self.augment = _augment(augmentation)
        self.images = self.add_weight(
            name="images",
            shape=images.shape,
            dtype=str(images.dtype),
            initializer=lambda shape, dtype: ops.convert_to_tensor(np.asarray(images), dtype),
            trainable=False,
            autocast=False,
        )
        self.built = True

    def begin_anew(self, core: keras.Model, augmentation: Augmentation | None) -> None:
        """Become the training model of another core, and keep the images and what is compiled.

        Args:
            core: of the same structure; its variables are copied into those of the present one.
            augmentation: None for None, else one that differs from the present one in its
                magnitude alone, and not even in that where it mixes examples.
        """
        pairs = [(self.core, core)]
        if self.augment is not None and augmentation is not None:
            pairs.append((self.augment, _augment(augmentation)))
        for present, other in pairs:
            for old, new in zip(present.variables, other.variables, strict=True):
                old.assign(new)
        self._own = _Own(self._own.images, augmentation)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """What the core makes of images, or of the images of (rows, draws)."""
        if not isinstance(inputs, (tuple, list)):
            return self.core(inputs, training=training)
        rows, draws = inputs
        # To build a model under MirroredStrategy, Keras calls it with means of batches: floats.
        images = ops.take(self.images, ops.cast(rows, "int32"), axis=0)
        mix = self._mix if training else None
        if mix is not None:  # Not rounded before they are mixed.
            images = ops.cast(images, "float32")
        if self.augment is not None:
            images = self.augment(images, draws, training=training)
        if mix is not None:
            images = mixed(mix, images, draws, ops)
            whole = "int" in self.images.dtype
            images = ops.cast(ops.round(images) if whole else images, self.images.dtype)
        return self.core(images, training=training)

    @property
    def inference_model(self) -> keras.Model:
        """The core, for callbacks that look into a model."""
        return self.core

    @property
    def variables(self) -> list[Any]:
        """All but the images."""
        return [item for item in super().variables if item is not self.images]

    @property
    def weights(self) -> list[Any]:
        """All but the images, and the state of random generators."""
        return [item for item in super().weights if item is not self.images]

    @property
    def non_trainable_variables(self) -> list[Any]:
        """With the images: what JAX hands to the compiled step."""
        return [*super().non_trainable_variables, self.images]

    def compile(self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any) -> None:
        """As for every model; the core is then compiled with the same optimizer, loss, metrics.

        Raises:
            ConfigError: for a loss of class numbers, where labels are mixed.
        """
        super().compile(optimizer, *args, **kwargs)
        if self._mix is not None:
            check_takes_shares(self.loss)
        self.core.compile(self.optimizer, *args, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As for every model; batches of row numbers are told which epoch begins.

        Raises:
            ConfigError: for batches of row numbers of other images than the model's.
        """
        validation = kwargs.get("validation_data")
        first_part = validation[0] if isinstance(validation, (list, tuple)) else validation
        self._check_own(x=x, validation_data=first_part)
        if isinstance(x, IndexBatches):
            first = x.next_epoch - (kwargs.get("initial_epoch") or 0)
            callbacks, told = kwargs.get("callbacks"), EpochNumber(x, first=first)
            if isinstance(callbacks, keras.callbacks.CallbackList):
                callbacks.append(told)
            else:
                given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
                kwargs["callbacks"] = [told, *(item for item in given if item is not None)]
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As for every model; row numbers of other images are refused."""
        self._check_own(x=x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """As for every model; row numbers of other images are refused."""
        self._check_own(x=x)
        return super().predict(x, *args, **kwargs)

    def _check_own(self, **given: Any) -> None:
        for name, batches in given.items():
            if isinstance(batches, IndexBatches) and not self._own.same(batches.own):
                raise ConfigError(
                    f"{name} must be images, arrays or data.evaluation_batches, or the batches "
                    "that training_model was called on, got row numbers of other images, or of "
                    "another augmentation"
                )

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Save the core."""
        self.core.save(filepath, *args, **kwargs)

    def save_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Save the core's weights."""
        self.core.save_weights(filepath, *args, **kwargs)

    def load_weights(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Load the core's weights."""
        self.core.load_weights(filepath, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """There is none: save ``core``."""
        raise NotImplementedError("a training model holds its data: save and rebuild its core")


def _augment(augmentation: Augmentation) -> Augment:
    """The layer for all but the mixing."""
    return Augment(replace(augmentation, mixup=0.0, cutmix=0.0), data_format="channels_last")


class _Own:
    """What row numbers and drawn numbers are of."""

    def __init__(self, images: np.ndarray, augmentation: Augmentation | None) -> None:
        self.images = images
        self.augmentation = augmentation

    def same(self, other: _Own) -> bool:
        """Whether the very same array is meant, changed in the same way."""
        return self.images is other.images and self.augmentation == other.augmentation


class IndexBatches(keras.utils.PyDataset):
    """The batches of ((rows, draws), y) of each epoch, for backends that need no TensorFlow.

    Args:
        images, augmentation: what the numbers are of.
        plan: gives the order and the numbers drawn of an epoch.
        y: the labels.
        batch_size: examples a batch.
        mix: labels mixed as images are, from labels and drawn numbers, or None.
        first_epoch: number of the first pass.
    """

    def __init__(
        self,
        images: np.ndarray,
        augmentation: Augmentation | None,
        plan: Plan,
        y: np.ndarray,
        batch_size: int,
        mix: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
        first_epoch: int,
    ) -> None:
        super().__init__()
        self.training_model: Callable[[keras.Model], keras.Model] = lambda core: core
        self.placement = "device"
        self.own = _Own(images, augmentation)
        self._plan, self._y, self._batch_size, self._mix = plan, np.asarray(y), batch_size, mix
        self.set_epoch(first_epoch)

    def set_epoch(self, epoch: int) -> None:
        """Say which number the next pass has."""
        self._epoch, self._begun = epoch, False
        self._order, draws = self._plan(epoch)
        # A column of nothing, where nothing is drawn, has a batch size too.
        self._draws = draws if len(draws) else np.zeros((len(self._order), 1), np.float32)

    @property
    def next_epoch(self) -> int:
        """The number of the pass that is begun next."""
        return self._epoch + 1 if self._begun else self._epoch

    def on_epoch_begin(self) -> None:
        """Each pass that is begun is the next epoch; Keras tells of an end more than once."""
        if self._begun:
            self.set_epoch(self.next_epoch)
        self._begun = True

    def __len__(self) -> int:
        return -(-len(self._y) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        places = slice(index * self._batch_size, (index + 1) * self._batch_size)
        rows, draws = self._order[places], self._draws[places]
        y = self._y[rows]
        return (rows, draws), y if self._mix is None else self._mix(y, draws)
