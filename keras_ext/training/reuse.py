"""Compiled once, trained many times: a model whose step is used again for other numbers."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import keras

from keras_ext import data, models
from keras_ext.accelerator import DEVICE_BYTES
from keras_ext.callbacks.description import renumbered
from keras_ext.gradients import random_state
from keras_ext.records import Arrays, Augmentation, TrainConfig
from keras_ext.training.iteration_cost import IterationCost
from keras_ext.training.optimizers import fixed, optimizer, reset
from keras_ext.training.round import Builder, batch_size, compiled_model, outputs

MOST = 8
"""Compiled models that are kept, those used last."""
TIDIED_EVERY = 50
"""Models. TensorFlow caches a kernel of each variable that was ever made, 0.03 MiB, until the seed
is set; what is compiled must then be prepared anew, which takes 0.2 s for a small model."""

# Held in variables of the model, which are set anew for each run.
_LIVE = {"Dropout": ("rate", "seed"), "L2": ("strength",), "Augment": ("seed",)}


class CompiledModels:
    """Gives a model for each configuration, as ``compiled_model`` does, compiling once a structure.

    Called with a configuration it builds the model that belongs to it, seeds and all, and looks
    whether one of the same structure is compiled already: the same layers, shapes, loss, optimizer
    and batch size. That one is then given, with every variable set to that of the fresh one and
    the optimizer's state to zeros. Learning rate, decay, Adam's beta, dropout, L2, the seed and the
    initial weights are variables; what is not, such as SGD's momentum, is part of the structure.
    So a run can't depend on those before it.

    A structure that gives way to another leaves nothing behind, unless a builder of the user's own
    has a ``tf.custom_gradient`` in it, such as ``silu``: TensorFlow keeps what it was traced in.

    A training model, whose images are on the accelerator, is used again for the same images and an
    augmentation that differs in its magnitude alone. So many are kept as have room beside each
    other in ``accelerator.DEVICE_BYTES``, each with its images.

    On TensorFlow only: elsewhere, and for layers that don't tell their configuration, each model is
    compiled by itself. A builder of the user's own may hide numbers in functions, so its models are
    used again only with ``trust=True``.

    Args:
        trust: also for a builder other than ``models.build``: every number that it takes from the
            configuration shows in ``get_config`` of a layer.

    Attributes:
        compiled: how many times a model was compiled.
        reused: how many times one was used again.
    """

    def __init__(self, *, trust: bool = False) -> None:
        self.trust = trust
        self.compiled = 0
        self.reused = 0
        self._kept: OrderedDict[str, tuple[keras.Model, IterationCost, Arrays]] = OrderedDict()
        self._normalizers: dict[int, tuple[Arrays, Any]] = {}

    def __call__(
        self,
        config: TrainConfig,
        train: Arrays,
        *,
        build: Builder = models.build,
        training_model: Callable[[keras.Model], keras.Model] | None = None,
        steps: int | None = None,
    ) -> tuple[keras.Model, IterationCost]:
        """A model with its weights as ``config.seed`` decides them, ready to train.

        The one given before must not be used any more. The arguments are those of
        ``compiled_model``.
        """
        # Our networks are made of layers of Keras and keras_ext, which don't call tf.random.
        tidy = (self.compiled + self.reused) % TIDIED_EVERY == TIDIED_EVERY - 1
        keeping = build is models.build and not tidy
        seed = random_state.reseed if keeping else keras.utils.set_random_seed
        seed(config.seed)
        steps = steps or math.ceil(len(train) / batch_size(config, train))
        key = None
        own = build is not models.build and not self.trust
        if keras.backend.backend() == "tensorflow" and not own:
            fresh = build(config, train.x.shape[1:], outputs(train), self._normalizer(train))
            key = structure(fresh, config, steps)
            if key is not None and training_model is not None:
                key += resident_structure(config, train)
        if key is not None and key in self._kept:
            self._kept.move_to_end(key)
            model, cost, _ = self._kept[key]
            if training_model is None:
                for old, new in zip(model.variables, fresh.variables, strict=True):
                    old.assign(new)
            else:
                model.begin_anew(fresh, change_of(config))
            reset(model.optimizer, optimizer(config, steps))
            model.stop_training = False
            self.reused += 1
            return model, cost
        made = compiled_model(
            config,
            train,
            build=build,
            training_model=training_model,
            normalizer=self._normalizer(train),
            steps=steps,
        )
        self.compiled += 1
        if key is not None:
            self._kept[key] = (*made, train)
            most = MOST
            if training_model is not None:
                most = min(MOST, max(1, DEVICE_BYTES // max(1, train.x.nbytes)))
            while len(self._kept) > most:
                self._kept.popitem(last=False)
        return made

    def forget(self, model: keras.Model) -> None:
        """Give a model away: it is not used again."""
        self._kept = OrderedDict(
            (key, made) for key, made in self._kept.items() if made[0] is not model
        )

    def _normalizer(self, train: Arrays) -> Any:
        """A layer for these examples, fitted in one pass over them for all models.

        A layer keeps the layers after it, of every model that it was ever part of: so each model
        has its own copy.
        """
        if id(train) not in self._normalizers:
            self._normalizers = {id(train): (train, data.normalizer(train.x))}
        layer = self._normalizers[id(train)][1]
        return type(layer).from_config(layer.get_config())


def change_of(config: TrainConfig) -> Augmentation | None:
    """The augmentation, where it changes anything."""
    return config.augmentation if config.augmentation.active else None


def resident_structure(config: TrainConfig, train: Arrays) -> str:
    """What is compiled into a step that gathers its images itself, besides what trains on them.

    The magnitude is a variable, but where examples are mixed.
    """
    change = change_of(config)
    if change is not None and not change.mixes:
        change = replace(change, magnitude=1.0)
    return f" {id(train)} {change}"


def structure(model: keras.Model, config: TrainConfig, steps: int) -> str | None:
    """What is compiled into the training step of a model; None where it can't be known.

    Args:
        model: not compiled yet.
        config: of which the optimizer and ``steps_per_execution`` are read.
        steps: of an epoch.
    """
    try:
        layers = _without_live(renumbered(model.get_config()))
        shapes = [(tuple(v.shape), str(v.dtype)) for v in model.variables]
        how = [fixed(optimizer(config, steps)), config.steps_per_execution, steps]
        mixes = config.augmentation.active and config.augmentation.mixes  # Another loss.
        return json.dumps([layers, shapes, *how, mixes], sort_keys=True)
    except (NotImplementedError, TypeError, ValueError):
        return None


def _without_live(tree: Any) -> Any:
    """A config without the numbers that are variables of the model."""
    if isinstance(tree, Mapping):
        name = tree.get("class_name")
        ours = str(tree.get("registered_name", "")).startswith("keras_ext>")
        live = _LIVE.get(str(name), ()) if ours else ()
        return {
            key: {k: _without_live(v) for k, v in item.items() if k not in live}
            if key == "config" and live
            else _without_live(item)
            for key, item in tree.items()
        }
    if isinstance(tree, (list, tuple)):
        return [_without_live(item) for item in tree]
    return tree
