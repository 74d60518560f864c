"""Frozen records that travel between the rooms: data, configuration and results.

Nothing here computes more than it takes to check a record, and to turn it into JSON and back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from keras_ext.diagnosis import Diagnosis, ErrorEstimate
from keras_ext.errors import ConfigError, DataError
from keras_ext.fields import check_types, decode, encode, one_of, within
from keras_ext.rows import is_array, lazy, taken

SCHEMA = "keras_ext.run/1"

MODELS = ("convnet", "mlp", "resnet")
ACTIVATIONS = ("relu", "tanh")
OPTIMIZERS = ("sgd", "rmsprop", "adam", "adamw")
SCHEDULES = ("constant", "time_based", "cosine", "one_cycle")
FLIPS = (None, "horizontal", "vertical", "both")
FILL_MODES = ("constant", "nearest", "reflect")


@dataclass(frozen=True)
class Arrays:
    """Examples with their labels, and the rows of each split as the data set publishes them.

    Args:
        x: array of shape (examples, ...); images are uint8 of shape (examples, height, width,
            channels). It may lie on disk, mapped into memory or in a file of h5py.
        y: array of shape (examples,): class numbers as whole numbers from 0 on, or values for
            regression as floats (of any shape, but then without classes).
        name: what to call the data in messages and reports.
        classes: the name of each class, by default its number; empty for regression.
        published: for each published split its first row and the row after its last.

    Raises:
        DataError: when x or y is no array, x no numbers of one shape, y is neither class numbers
            nor floats without classes, x and y differ in length, or a published split leaves the
            rows.
    """

    x: np.ndarray
    y: np.ndarray
    name: str = "arrays"
    classes: tuple[str, ...] = ()
    published: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, part in (("x", self.x), ("y", self.y)):
            if not is_array(part):
                raise DataError(
                    f"{self.name}: {name} must be an array, got {type(part).__name__}: np.asarray"
                    " makes one of numbers in lists, tables and tensors"
                )
            object.__setattr__(self, name, lazy(part))
        if self.x.dtype.kind not in "biuf":
            shapes = {np.shape(example) for example in self.x} if self.x.dtype.kind == "O" else ()
            sizes = " and ".join(map(str, sorted(shapes)[:2]))
            why = f" ({sizes}: resize to one)" if len(shapes) > 1 else ""
            raise DataError(
                f"{self.name}: x must be numbers of one shape an example, got {self.x.dtype}{why}"
            )
        whole, flat = self.y.dtype.kind in "iu", self.y.ndim == 1
        if not (whole and flat) and (self.y.dtype.kind != "f" or self.classes):
            wanted = "where classes are named" if self.classes else "or floats for regression"
            raise DataError(
                f"{self.name}: y must have class numbers of shape (examples,), whole numbers from 0"
                f" on, {wanted}; got {self.y.dtype} of shape {self.y.shape}{self._remedy()}"
            )
        if len(self.x) != len(self.y):
            raise DataError(f"{self.name}: x has {len(self.x)} examples but y has {len(self.y)}")
        if not self.classes and len(self.y) and self.y.ndim == 1 and self.y.dtype.kind in "iu":
            object.__setattr__(self, "classes", tuple(map(str, range(int(np.max(self.y)) + 1))))
        for split, (first, last) in self.published.items():
            if not 0 <= first <= last <= len(self.x):
                raise DataError(
                    f"{self.name}: split {split!r} is rows {first}:{last} of {len(self.x)}"
                )

    def _remedy(self) -> str:
        """What makes class numbers of the labels that there are, in words."""
        if self.y.ndim == 2 and self.y.shape[1] > 1:
            return ": y.argmax(axis=1) makes class numbers of one-hot labels"
        if self.y.ndim == 2 and self.y.dtype.kind in "iu":
            return ": y.ravel() has that shape"
        if self.y.dtype.kind == "f" and self.classes:
            return ": y.astype('int32') if they are class numbers, classes=() if they are values"
        return ""

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray | slice) -> Arrays:
        """The examples of the given rows, without published splits.

        Of arrays on disk that are too large for the memory the rows are named (``rows.Rows``), and
        read when they are asked for. A slice copies nothing.
        """
        return Arrays(taken(self.x, rows), taken(self.y, rows), self.name, self.classes)

    def part(self, split: str) -> Arrays:
        """One split as published, for example ``part("test")``."""
        if split not in self.published:
            raise DataError(f"{self.name} publishes {sorted(self.published)}, not {split!r}")
        return self.take(slice(*self.published[split]))


@dataclass(frozen=True)
class Splits:
    """Training, validation and test examples that share no row.

    Args:
        train, validation, test: the parts.
        train_validation: where validation and test come from elsewhere, examples distributed like
            the training examples but not trained on: they tell variance from mismatch.
    """

    train: Arrays
    validation: Arrays
    test: Arrays
    train_validation: Arrays | None = None


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to training images, in plain units; each is drawn anew for every image.

    Every change is distributed as in the layer of Keras of that kind with the same factor, and they
    act in the order given here. Shear alone differs: it is about the centre, not about a corner.

    Args:
        flip: None, "horizontal", "vertical" or "both"; each with probability magnitude / 2.
        rotation: largest angle in degrees, to either side.
        zoom: largest change as a fraction: 0.1 shows from 0.9 to 1.1 times as much of each side.
        translation: largest shift as a fraction of the side, in each direction.
        shear: largest slant, sideways, as a fraction of the height: 0.1 moves up to a tenth of it.
        crop: largest shift in whole pixels, in each direction: that of padding by as many and
            cutting out a window of the old size.
        contrast: largest change of contrast as a fraction: 0.1 draws from 0.9 to 1.1.
        brightness: largest change of all pixels as a fraction of the value range.
        noise: standard deviation of the noise of each pixel as a fraction of the value range.
        erasing: largest share of the area that is set to 0 in a rectangle anywhere.
        mixup: alpha of MixUp, 0 for none: a share drawn from Beta(alpha, alpha) of the next image
            of the batch, and of its label, is mixed in.
        cutmix: alpha of CutMix, 0 for none: a rectangle of that share comes from the next image.
        fill_mode: what moves in from outside the image: "constant" (0), "nearest" or "reflect",
            as in Keras.
        value_range: lowest and highest value of a pixel; needed from contrast to erasing.
        magnitude: multiplies all of the strengths; 0 is no augmentation at all.

    Raises:
        ConfigError: naming the field and the value received.
    """

    flip: str | None = None
    rotation: float = 0.0
    zoom: float = 0.0
    translation: float = 0.0
    shear: float = 0.0
    crop: int = 0
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    fill_mode: str = "constant"
    value_range: tuple[float, ...] = (0.0, 255.0)
    magnitude: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        one_of(self, "flip", FLIPS)
        one_of(self, "fill_mode", FILL_MODES)
        within(self, "rotation", 0, 180)
        within(self, "zoom", 0, 0.9)
        for name in ("translation", "shear", "contrast", "brightness", "noise", "erasing"):
            within(self, name, 0, 1)
        for name in ("crop", "mixup", "cutmix"):
            within(self, name, 0, 1000)
        within(self, "magnitude", 0, 1)
        if self.mixup and self.cutmix:
            raise ConfigError(
                f"one of mixup and cutmix must be 0, got mixup={self.mixup}, cutmix={self.cutmix}"
            )
        if len(self.value_range) != 2 or not self.value_range[0] < self.value_range[1]:
            raise ConfigError(
                f"value_range must be (lowest, highest), got value_range={self.value_range!r}"
            )

    @property
    def active(self) -> bool:
        """Whether any image would be changed."""
        return self.magnitude > 0 and (self.moves or self.tints or self.mixes)

    @property
    def moves(self) -> bool:
        """Whether there is a part that moves pixels."""
        parts = (self.rotation, self.zoom, self.translation, self.shear, self.crop)
        return self.flip is not None or any(parts)

    @property
    def tints(self) -> bool:
        """Whether there is a part that changes the values of pixels where they are."""
        return any((self.contrast, self.brightness, self.noise, self.erasing))

    @property
    def mixes(self) -> bool:
        """Whether images and labels of two examples are mixed."""
        return bool(self.mixup or self.cutmix)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training run, apart from the data.

    Args:
        model: "convnet", "mlp" or "resnet".
        units: channels of the first convolution (doubled in each later stage), or units of each
            hidden layer of an MLP.
        layers: convolutions of a convnet, hidden layers of an MLP, or blocks of a resnet.
        activation: "relu" (weights start with variance 2/n) or "tanh" (1/n).
        batch_norm: normalise before each activation.
        dropout: the rate (1 - keep_prob) after every hidden layer, or one rate for each.
        l2: factor of the sum of squared kernel weights; Ng's lambda / (2 m).
        augmentation: random changes to training images.
        optimizer: "sgd" (with momentum), "rmsprop", "adam" or "adamw".
        learning_rate: Ng's alpha; the peak of a one-cycle schedule.
        momentum: Ng's beta (beta_1 of Adam).
        beta_2: Ng's beta of the squared gradients: beta_2 of Adam and AdamW, rho of RMSprop; None
            for Keras's default (0.999 and 0.9).
        epsilon: what Keras adds to keep a division finite, for all but sgd.
        weight_decay: decoupled decay, for adamw alone.
        schedule: "constant", "time_based" (learning_rate / (1 + decay_rate * epoch)), "cosine" or
            "one_cycle".
        decay_rate: for the time-based schedule, a epoch.
        batch_size: examples a step; None follows the rule of thumb (``data.mini_batch_size``).
        epochs: passes over the training examples.
        steps_per_execution: steps that run as one call of the backend.
        optimal_error: the Bayes error or its proxy, as a fraction.
        tolerance: the smallest gap between two errors that matters, as a fraction.
        seed: decides initial weights, order of examples, dropout and augmentation.

    Raises:
        ConfigError: naming the field and the value received.
    """

    model: str = "convnet"
    units: int = 32
    layers: int = 2
    activation: str = "relu"
    batch_norm: bool = True
    dropout: float | tuple[float, ...] = 0.0
    l2: float = 0.0
    augmentation: Augmentation = Augmentation(magnitude=0.0)
    optimizer: str = "adam"
    learning_rate: float = 0.001
    momentum: float = 0.9
    beta_2: float | None = None
    epsilon: float = 1e-7
    weight_decay: float = 0.004
    schedule: str = "one_cycle"
    decay_rate: float = 0.0
    batch_size: int | None = None
    epochs: int = 5
    steps_per_execution: int = 32
    optimal_error: float = 0.0
    tolerance: float = 0.005
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        one_of(self, "model", MODELS)
        one_of(self, "activation", ACTIVATIONS)
        one_of(self, "optimizer", OPTIMIZERS)
        one_of(self, "schedule", SCHEDULES)
        for name in ("units", "layers", "epochs", "steps_per_execution"):
            within(self, name, 1)
        for name in ("l2", "decay_rate", "epsilon", "weight_decay", "tolerance", "seed"):
            within(self, name, 0)
        for name in ("momentum", "optimal_error"):
            within(self, name, 0, 1)
        if self.batch_size is not None:
            within(self, "batch_size", 1)
        if self.beta_2 is not None and not 0 <= self.beta_2 < 1:
            raise ConfigError(f"beta_2 must be in [0, 1), got beta_2={self.beta_2!r}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(
                f"learning_rate must be above 0, got learning_rate={self.learning_rate!r}"
            )
        rates = self.dropout if isinstance(self.dropout, tuple) else (self.dropout,)
        if not all(0 <= rate < 1 for rate in rates):
            raise ConfigError(f"dropout must be in [0, 1), got dropout={self.dropout!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; ``from_dict`` turns them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Check names and types of every field, then make the record.

        >>> TrainConfig.from_dict({"epochs": 3, "dropout": [0, 0.5]}).dropout
        (0.0, 0.5)
        """
        return decode(cls, values, "")


@dataclass(frozen=True)
class Check:
    """One question asked before or during training, with what was expected and what came out."""

    name: str
    passed: bool
    message: str
    value: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class Mistake:
    """One misclassified example.

    Args:
        row: its row in the test examples.
        label: the class it belongs to.
        predicted: the class with the highest probability.
        probabilities: one for each class.
        image: uint8 array of shape (height, width, channels), None for data that are no images.
    """

    row: int
    label: int
    predicted: int
    probabilities: tuple[float, ...]
    image: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Mistakes:
    """What is still wrong on the test examples.

    Args:
        confusion: for each true class (rows) how often each class (columns) was predicted.
        worst: the errors made with the greatest confidence, the most confident first.
        classes: the name of each class.
    """

    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[Mistake, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class AugmentedImages:
    """Training images as they are, and as training sees them; for a person to check.

    Args:
        augmentation: what was done to them, MixUp and CutMix left out.
        kept: whether the kept model was trained with it.
        originals: array of shape (images, height, width, channels).
        versions: array of shape (images, versions, height, width, channels).
    """

    augmentation: Augmentation
    kept: bool
    originals: np.ndarray = field(repr=False, compare=False)
    versions: np.ndarray = field(repr=False, compare=False)


@dataclass(frozen=True)
class Round:
    """One training run of the search for a better configuration.

    Args:
        knob: the knob that was turned, None for the first run.
        before, after: its value before and after.
        reason: why this knob, in words.
        kept: whether the configuration serves as the base of the next round.
        config: what was trained.
        train, validation: both errors at the end of the run.
        diagnosis: what hurts at the end of the run.
        history: one mapping an epoch: epoch, train_error, validation_error, train_cost, ...
        iteration_costs: for each of the first epochs, the un-regularized cost of each iteration.
        seconds: time of this run; fit_seconds: of it in ``fit``.
        status: "completed", "interrupted" (Ctrl-C) or "diverged".
        train_validation: the error on held-out training examples, where the splits have them.
    """

    knob: str | None
    before: Any
    after: Any
    reason: str
    kept: bool
    config: TrainConfig
    train: ErrorEstimate
    validation: ErrorEstimate
    diagnosis: Diagnosis
    history: tuple[Mapping[str, float], ...]
    iteration_costs: tuple[tuple[float, ...], ...] = ()
    seconds: float = 0.0
    fit_seconds: float = 0.0
    status: str = "completed"
    train_validation: ErrorEstimate | None = None


@dataclass(frozen=True)
class RunResult:
    """All that a run found out; ``to_dict`` is the content of ``result.json``.

    Args:
        name: of the recipe or the data.
        config: the configuration of the model that was kept.
        errors: estimates by split: "train", "validation", once opened "test", and
            "train_validation" where the splits have it.
        diagnosis: of the model that was kept.
        history: of the model that was kept, one mapping an epoch.
        rounds: every training run in order, the first one without a turned knob.
        checks: what was checked before and during training.
        mistakes: on the test examples, for classification.
        augmented: some training images, where augmentation was tried; not part of the JSON.
        seconds: wall-clock time of the run.
        versions: of the packages that matter.
        sizes: number of examples by split.
        status: "completed" or "interrupted".
        model: the trained ``keras.Model``; not part of the JSON.
    """

    name: str
    config: TrainConfig
    errors: Mapping[str, ErrorEstimate]
    diagnosis: Diagnosis
    history: tuple[Mapping[str, float], ...]
    rounds: tuple[Round, ...]
    seconds: float
    versions: Mapping[str, str]
    sizes: Mapping[str, int]
    checks: tuple[Check, ...] = ()
    iteration_costs: tuple[tuple[float, ...], ...] = ()
    mistakes: Mistakes | None = None
    status: str = "completed"
    augmented: AugmentedImages | None = None
    model: Any = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with schema, seed and the interval of each error."""
        values = {"schema": SCHEMA, "seed": self.config.seed}
        for item in fields(self):
            if item.name not in ("model", "augmented"):
                values[item.name] = encode(getattr(self, item.name))
        return values
