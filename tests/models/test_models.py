"""Networks are what their configuration says."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.errors import ConfigError
from keras_ext.models import build, convnet, mlp, resnet
from keras_ext.records import TrainConfig
from keras_ext.regularization import knobs

IMAGE = (28, 28, 1)


def layers_of(model: keras.Model, kind: type) -> list:
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("model", ["convnet", "mlp", "resnet"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_every_combination_builds_and_runs(model: str, batch_norm: bool, activation: str) -> None:
    config = TrainConfig(
        model=model,
        units=8,
        layers=2,
        batch_norm=batch_norm,
        activation=activation,
        dropout=0.1,
        l2=1e-3,
    )
    network = build(config, IMAGE, 10)
    images = np.random.default_rng(0).normal(size=(3, *IMAGE)).astype("float32")
    assert network(images).shape == (3, 10)
    assert bool(layers_of(network, keras.layers.BatchNormalization)) == batch_norm


@pytest.mark.parametrize(("activation", "gain"), [("relu", 2.0), ("tanh", 1.0)])
def test_variance_of_initial_weights_is_gain_over_fan_in(activation: str, gain: float) -> None:
    keras.utils.set_random_seed(0)
    network = mlp(TrainConfig(model="mlp", units=400, layers=2, activation=activation), (400,), 10)
    kernels = [d.kernel.numpy() for d in layers_of(network, keras.layers.Dense)]
    for kernel in kernels[:-1]:
        assert kernel.var() == pytest.approx(gain / kernel.shape[0], rel=0.05)
    assert kernels[-1].var() == pytest.approx(0.01 / 400, rel=0.1)


def test_batch_norm_stands_before_the_activation_and_replaces_the_bias() -> None:
    network = mlp(TrainConfig(model="mlp", units=4, layers=1, batch_norm=True), (3,), 2)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["InputLayer", "Dense", "BatchNormalization", "Activation", "Dense"]
    assert network.layers[1].use_bias is False


@pytest.mark.parametrize("layers", range(1, 9))
def test_convnet_has_as_many_convolutions_as_asked_for(layers: int) -> None:
    network = convnet(TrainConfig(units=4, layers=layers), IMAGE, 10)
    assert len(layers_of(network, keras.layers.Conv2D)) == layers


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 11, 2), (32, 32, 3), (64, 48, 3)])
def test_convnet_fits_images_of_other_sizes(shape: tuple[int, ...]) -> None:
    assert convnet(TrainConfig(units=4, layers=6), shape, 5).output_shape == (None, 5)


@pytest.mark.parametrize("layers", range(1, 6))
def test_resnet_has_two_convolutions_a_block_and_one_a_stage(layers: int) -> None:
    network = resnet(TrainConfig(units=4, layers=layers), (32, 32, 3), 10)
    assert len(layers_of(network, keras.layers.Add)) == layers
    assert len(layers_of(network, keras.layers.Conv2D)) == 1 + min(3, layers) + 2 * layers


def test_a_block_adds_to_its_input() -> None:
    """With the second convolution's scale at zero a block is the identity."""
    network = resnet(TrainConfig(units=4, layers=1), (8, 8, 1), 2)
    (add,) = layers_of(network, keras.layers.Add)
    layers_of(network, keras.layers.BatchNormalization)[-1].gamma.assign(np.zeros(8))
    before, after = keras.Model(network.inputs, [add.input[0], add.output]).predict(
        np.random.default_rng(0).random((3, 8, 8, 1)), verbose=0
    )
    assert before.max() > 0
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("shape", [(28, 28), (4, 4, 1), (10,)])
def test_resnet_refuses_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="a resnet needs images of at least 8 x 8"):
        resnet(TrainConfig(), shape, 10)


@pytest.mark.parametrize("shape", [(28, 28), (4, 4, 1), (10,)])
def test_convnet_refuses_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="at least 8 x 8"):
        convnet(TrainConfig(), shape, 10)


def test_dropout_is_one_rate_or_one_for_each_place() -> None:
    same = mlp(TrainConfig(model="mlp", units=4, layers=3, dropout=0.2), (3,), 2)
    assert knobs(same)["dropout"].value == pytest.approx(0.2)
    each = mlp(TrainConfig(model="mlp", units=4, layers=3, dropout=(0.1, 0.0, 0.3)), (3,), 2)
    rates = [layer.rate for layer in each.layers if type(layer).__name__ == "Dropout"]
    assert [float(rate) for rate in rates] == pytest.approx([0.1, 0.3])
    with pytest.raises(ConfigError, match="3 rates"):
        mlp(TrainConfig(model="mlp", layers=3, dropout=(0.1, 0.2)), (3,), 2)


def test_no_regularization_means_no_layer_and_no_penalty() -> None:
    network = build(TrainConfig(units=4), IMAGE, 10)
    assert knobs(network) == {}
    assert network.losses == []


def test_l2_penalty_is_the_factor_times_the_squared_kernels() -> None:
    keras.utils.set_random_seed(0)
    network = mlp(TrainConfig(model="mlp", units=4, layers=2, l2=0.01), (3,), 2)
    squares = sum(
        float(np.sum(np.square(dense.kernel.numpy())))
        for dense in layers_of(network, keras.layers.Dense)
    )
    penalty = sum(float(keras.ops.convert_to_numpy(loss)) for loss in network.losses)
    assert penalty == pytest.approx(0.01 * squares, rel=1e-5)
