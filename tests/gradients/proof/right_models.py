"""Models of Keras's own layers, whose gradients are right: none may be called wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

SEEDS = range(8)
EXAMPLES = 6
ACTIVATIONS = ("relu", "tanh", "elu", "gelu", "leaky_relu", "swish", "hard_sigmoid", "softplus")
SHAPES = {"table": (7,), "image": (10, 10, 2), "sequence": (6, 5)}

Tensor = Any
Body = Callable[[Tensor, np.random.Generator], Tensor]


@dataclass(frozen=True)
class RightModel:
    """One model. Biases stay zero for the even seeds, as they are at the start of training."""

    name: str
    seed: int

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"

    def make(self) -> tuple[keras.Model, Any, Any]:
        """The model, compiled, with x and y."""
        keras.utils.set_random_seed(self.seed)
        model, x, y = FAMILIES[self.name](np.random.default_rng(self.seed))
        rng = np.random.default_rng(self.seed + 1)
        for variable in model.trainable_variables if self.seed % 2 else ():
            value = keras.ops.convert_to_numpy(variable.value)
            variable.assign(value + 0.1 * rng.standard_normal(value.shape))
        return model, x, y


def right_models() -> list[RightModel]:
    """All families, each with all seeds; the first seed of every family comes first."""
    return [RightModel(name, seed) for seed in SEEDS for name in FAMILIES]


def _classifier(kind: str, body: Body, outputs: int = 3) -> Callable[..., tuple]:
    """An input of the kind, the body, and a softmax trained by cross-entropy."""

    def make(rng: np.random.Generator) -> tuple[keras.Model, np.ndarray, np.ndarray]:
        inputs = keras.Input(SHAPES[kind])
        model = keras.Model(inputs, layers.Dense(outputs)(layers.Flatten()(body(inputs, rng))))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=None, loss=loss)
        x = rng.standard_normal((EXAMPLES, *SHAPES[kind])).astype("float32")
        # Images with black borders, as those of digits.
        if kind == "image":
            x[:, :2] = x[:, -2:] = 0
        return model, x, rng.integers(0, outputs, EXAMPLES)

    return make


def _act(rng: np.random.Generator) -> str:
    return str(rng.choice(ACTIVATIONS))


def _dense(h: Tensor, rng: np.random.Generator) -> Tensor:
    for _ in range(int(rng.integers(1, 4))):
        h = layers.Dense(int(rng.integers(4, 40)), _act(rng), kernel_regularizer="l2")(h)
    return h


def _relu(h: Tensor, rng: np.random.Generator) -> Tensor:
    for _ in range(3):
        h = layers.Dense(64, "relu", kernel_initializer="he_normal")(h)
    return h


def _dropout(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.Dropout(0.4)(layers.Dense(30, "relu")(layers.Dropout(0.2)(h)))
    return layers.GaussianNoise(0.1)(layers.AlphaDropout(0.1)(layers.Dense(20, "selu")(h)))


def _batch_norm(h: Tensor, rng: np.random.Generator) -> Tensor:
    for _ in range(2):
        h = layers.Activation(_act(rng))(layers.BatchNormalization()(layers.Dense(16)(h)))
    return h


def _norms(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.LayerNormalization()(layers.Dense(12, _act(rng))(h))
    h = layers.RMSNormalization()(layers.Dense(12, "tanh")(h))
    h = layers.GroupNormalization(3)(layers.Dense(12)(h))
    return layers.UnitNormalization()(h)


def _residual(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.Dense(16)(h)
    for _ in range(3):
        inner = layers.Dense(16, _act(rng))(layers.LayerNormalization()(h))
        h = layers.Add()([h, layers.Dense(16)(inner)])
    return h


def _learnt_slopes(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.PReLU()(layers.Dense(20)(h))
    return layers.LeakyReLU(0.2)(layers.Dense(10)(layers.ReLU(max_value=1.0)(layers.Dense(20)(h))))


def _shared(h: Tensor, rng: np.random.Generator) -> Tensor:
    twice, norm = layers.Dense(7, _act(rng)), layers.LayerNormalization()
    return layers.Concatenate()([twice(h), norm(twice(twice(h))), norm(h)])


def _gated(h: Tensor, rng: np.random.Generator) -> Tensor:
    gate = layers.Dense(9, "sigmoid")(h)
    inner = layers.Multiply()([gate, layers.Dense(9, "tanh")(h)])
    return layers.Average()([inner, layers.Maximum()([layers.Dense(9)(h), gate])])


def _conv(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(h))
    return layers.Conv2D(12, 3, activation="relu", padding="same")(h)


def _conv_large(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.MaxPooling2D()(layers.Conv2D(32, 3, activation="relu", padding="same")(h))
    return layers.Dropout(0.5)(layers.Conv2D(64, 3, activation="relu")(h))


def _conv_norm(h: Tensor, rng: np.random.Generator) -> Tensor:
    for channels in (6, 8):
        h = layers.Conv2D(channels, 3, use_bias=False)(h)
        h = layers.ReLU()(layers.BatchNormalization()(h))
    return layers.GlobalAveragePooling2D()(h)


def _separable(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.SeparableConv2D(6, 3, activation=_act(rng))(h)
    h = layers.AveragePooling2D(2)(layers.DepthwiseConv2D(3, padding="same")(h))
    return layers.Conv2DTranspose(4, 3, strides=2, activation=_act(rng))(h)


def _strided(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.Conv2D(8, 3, strides=2, padding="same", activation=_act(rng))(h)
    h = layers.UpSampling2D(2)(layers.ZeroPadding2D(1)(h))
    return layers.GlobalMaxPooling2D()(layers.Conv2D(6, 3, dilation_rate=2)(h))


def _channels_dropped(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.SpatialDropout2D(0.3)(layers.Conv2D(6, 3, activation=_act(rng))(h))
    return layers.GroupNormalization(2)(layers.Conv2D(4, 3)(h))


def _conv_1d(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.Conv1D(8, 3, padding="causal", activation=_act(rng))(h)
    return layers.MaxPooling1D(2)(layers.Conv1D(6, 2, activation="relu")(h))


def _lstm(h: Tensor, rng: np.random.Generator) -> Tensor:
    return layers.LSTM(6)(layers.LSTM(7, return_sequences=True, dropout=0.2)(h))


def _gru(h: Tensor, rng: np.random.Generator) -> Tensor:
    return layers.Bidirectional(layers.GRU(5, recurrent_dropout=0.2))(h)


def _simple_rnn(h: Tensor, rng: np.random.Generator) -> Tensor:
    h = layers.SimpleRNN(8, return_sequences=True, activation=_act(rng))(h)
    return layers.TimeDistributed(layers.Dense(4, "tanh"))(h)


def _masked(h: Tensor, rng: np.random.Generator) -> Tensor:
    return layers.GRU(6)(layers.Masking(0.0)(h))


def _attention(h: Tensor, rng: np.random.Generator) -> Tensor:
    inner = layers.MultiHeadAttention(2, 4, dropout=0.1)(h, h)
    h = layers.LayerNormalization()(layers.Add()([h, inner]))
    inner = layers.Dense(5)(layers.Dense(16, _act(rng))(h))
    return layers.LayerNormalization()(layers.Add()([h, inner]))


def _simple_attention(h: Tensor, rng: np.random.Generator) -> Tensor:
    query = layers.Dense(5)(h)
    h = layers.Concatenate()([layers.Attention(use_scale=True)([query, h]), h])
    return layers.AdditiveAttention()([layers.Dense(4)(h), layers.Dense(4)(h)])


def _embedding(rng: np.random.Generator) -> tuple[keras.Model, Any, Any]:
    body = [layers.Embedding(20, 6, mask_zero=True), layers.LSTM(5), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *body])
    model.compile(optimizer=None, loss="binary_crossentropy")
    return model, rng.integers(0, 20, (EXAMPLES, 5)), rng.integers(0, 2, (EXAMPLES, 1))


def _several(rng: np.random.Generator) -> tuple[keras.Model, Any, Any]:
    numbers, words = keras.Input((4,), name="numbers"), keras.Input((3,), name="words")
    table = layers.Flatten()(layers.Embedding(9, 3)(words))
    both = layers.Dense(10, _act(rng))(layers.Concatenate()([numbers, table]))
    outputs = {
        "value": layers.Dense(1, name="value")(both),
        "kind": layers.Dense(3, "softmax", name="kind")(both),
    }
    model = keras.Model({"numbers": numbers, "words": words}, outputs)
    losses = {"value": "huber", "kind": "sparse_categorical_crossentropy"}
    model.compile(optimizer=None, loss=losses, loss_weights={"value": 0.3, "kind": 1.0})
    x = {
        "numbers": rng.standard_normal((EXAMPLES, 4)).astype("float32"),
        "words": rng.integers(0, 9, (EXAMPLES, 3)),
    }
    kinds = rng.integers(0, 3, EXAMPLES)
    return model, x, {"value": rng.standard_normal((EXAMPLES, 1)), "kind": kinds}


LOSSES = ("mse", "mae", "huber", "log_cosh", "cosine_similarity", "poisson", "squared_hinge", "kld")


def _losses(rng: np.random.Generator) -> tuple[keras.Model, Any, Any]:
    loss = LOSSES[int(rng.integers(len(LOSSES)))]
    positive = loss in ("poisson", "kld")
    last = layers.Dense(3, "softplus" if positive else None)
    penalties = {"kernel_regularizer": "l1", "activity_regularizer": "l2"}
    model = keras.Sequential([keras.Input((7,)), layers.Dense(9, _act(rng), **penalties), last])
    model.compile(optimizer=None, loss=loss)
    x, y = rng.standard_normal((EXAMPLES, 7)), rng.standard_normal((EXAMPLES, 3))
    return model, x.astype("float32"), (np.abs(y) if positive else y).astype("float32")


FAMILIES: dict[str, Callable[[np.random.Generator], tuple[keras.Model, Any, Any]]] = {
    **{
        body.__name__.removeprefix("_"): _classifier("table", body)
        for body in (
            _dense,
            _relu,
            _dropout,
            _batch_norm,
            _norms,
            _residual,
            _learnt_slopes,
            _shared,
            _gated,
        )
    },
    **{
        body.__name__.removeprefix("_"): _classifier("image", body)
        for body in (_conv, _conv_large, _conv_norm, _separable, _strided, _channels_dropped)
    },
    **{
        body.__name__.removeprefix("_"): _classifier("sequence", body)
        for body in (
            _conv_1d,
            _lstm,
            _gru,
            _simple_rnn,
            _masked,
            _attention,
            _simple_attention,
        )
    },
    "embedding": _embedding,
    "several_inputs_and_outputs": _several,
    "losses_and_penalties": _losses,
}
