from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from srgan.config import settings
from srgan.models import networks as models
from srgan.models.layers import BatchNormalization, BicubicUpsampling, PixelShuffle, PReLU
from srgan.models.layers import Conv2D as PhasedConv2D
from tests import stock


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_shuffle_moves_each_value_where_the_formula_says(factor):
    batch, height, width, channels = 2, 3, 5, 3
    x = np.arange(batch * height * width * channels * factor**2, dtype=np.float32).reshape(batch, height, width, -1)
    expected = np.zeros((batch, factor * height, factor * width, channels), np.float32)
    for row in range(factor * height):
        for column in range(factor * width):
            place = factor * (row % factor) + column % factor  # of this sub-pixel among the factor x factor
            for channel in range(channels):
                expected[:, row, column, channel] = x[:, row // factor, column // factor, place * channels + channel]
    np.testing.assert_array_equal(PixelShuffle(factor)(x), expected)


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_shuffle_announces_the_shape_that_it_makes(factor):
    layer = PixelShuffle(factor)
    assert layer.compute_output_shape((2, 3, 5, 3 * factor**2)) == (2, 3 * factor, 5 * factor, 3)
    assert layer.compute_output_shape((None, None, 5, 3 * factor**2)) == (None, None, 5 * factor, 3)


@pytest.mark.parametrize("height, width", [(9, 7), (6, 6), (2, 5), (1, 1)])
def test_bicubic_upsampling_is_pillows_to_the_very_edge(height, width):
    x = np.random.default_rng(height).uniform(-1, 1, (2, height, width, 3)).astype(np.float32)
    expected = np.empty((2, 4 * height, 4 * width, 3), np.float32)
    for i in range(2):
        for channel in range(3):
            image = Image.fromarray(np.ascontiguousarray(x[i, :, :, channel]))  # mode F: no rounding
            expected[i, :, :, channel] = np.asarray(image.resize((4 * width, 4 * height), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(BicubicUpsampling()(x), expected, atol=1e-4)


def test_bicubic_upsampling_announces_the_shape_that_it_makes():
    assert BicubicUpsampling().compute_output_shape((2, 3, 5, 3)) == (2, 12, 20, 3)
    assert BicubicUpsampling().compute_output_shape((None, None, 5, 3)) == (None, None, 20, 3)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "espcn"])
def test_a_network_of_these_layers_survives_a_keras_file(upsampling, tmp_path):
    network = models.generator(settings(blocks=1, filters=8, upsampling=upsampling, global_skip=True))
    network.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras", safe_mode=True)
    x = np.random.default_rng(0).random((1, 6, 5, 3), np.float32)
    np.testing.assert_array_equal(loaded(x, training=False), network(x, training=False))
    assert loaded.count_params() == network.count_params()


# The layers that stand in for Keras's own ----------------------------------------------------------------------------

PAIRS = {
    "prelu": (keras.layers.PReLU, PReLU, dict(shared_axes=[1, 2])),
    "norm": (keras.layers.BatchNormalization, BatchNormalization, dict(momentum=0.8)),
    **{f"conv{k}": (keras.layers.Conv2D, PhasedConv2D, dict(filters=3, kernel_size=k, padding="same")) for k in (1, 3, 5, 7, 9)},
}
IMAGES = np.random.default_rng(3).normal(0.3, 1, (4, 8, 6, 5)).astype(np.float32)


def pair(kind: str, dtype: str = "float32"):
    """Keras's layer and the fast one with the same weights, each in a network."""
    networks = []
    for layer in PAIRS[kind][:2]:
        inputs = keras.Input((8, 6, 5))
        networks.append(keras.Model(inputs, layer(name="layer", dtype=dtype, **PAIRS[kind][2])(inputs)))
    rng = np.random.default_rng(4)
    networks[0].set_weights([rng.uniform(0.1, 0.9, weight.shape) for weight in networks[0].get_weights()])
    return networks


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("way", ["stock to fast", "fast to stock"])
def test_weights_go_from_stock_layers_to_fast_ones_and_back(kind, way, tmp_path):
    source, target = pair(kind) if way == "stock to fast" else reversed(pair(kind))
    source.set_weights([weight + 0.05 * i for i, weight in enumerate(source.get_weights(), 1)])
    source.save_weights(tmp_path / "a.weights.h5")
    target.load_weights(tmp_path / "a.weights.h5")
    for theirs, ours in zip(source.weights, target.weights, strict=True):
        assert theirs.path.split("/")[-1] == ours.path.split("/")[-1]
        np.testing.assert_array_equal(theirs.numpy(), ours.numpy())
    expected = source(IMAGES).numpy()
    np.testing.assert_allclose(target(IMAGES), expected, atol=1e-5 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", PAIRS)
def test_the_fast_layers_give_the_numbers_and_gradients_of_the_stock_ones(kind, training):
    stock, fast = pair(kind)
    fast.set_weights(stock.get_weights())
    weighing = np.random.default_rng(5).normal(0, 1, stock(IMAGES).shape).astype(np.float32)
    found = {}
    for name, network in (("stock", stock), ("fast", fast)):
        x = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = network(x, training=training)
            loss = tf.reduce_sum(weighing * y)
        gradients = tape.gradient(loss, [x, *network.trainable_variables])
        found[name] = [y, *gradients, *(variable.numpy() for variable in network.non_trainable_variables)]
    for theirs, ours in zip(found["stock"], found["fast"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * (1 + np.abs(theirs).max()))


@pytest.mark.parametrize("kind", PAIRS)
def test_the_fast_layers_survive_a_keras_file_and_are_the_stock_ones_in_half_precision(kind, tmp_path):
    for dtype, tolerance in (("float32", 0), ("mixed_bfloat16", 0.05), ("mixed_float16", 0.01)):
        stock, fast = pair(kind, dtype)
        fast.set_weights(stock.get_weights())
        fast.save(tmp_path / "fast.keras")
        loaded = keras.saving.load_model(tmp_path / "fast.keras", safe_mode=True)
        np.testing.assert_array_equal(loaded(IMAGES), fast(IMAGES))
        expected = np.asarray(tf.cast(stock(IMAGES, training=True), tf.float32))
        seen = np.asarray(tf.cast(fast(IMAGES, training=True), tf.float32))
        np.testing.assert_allclose(seen, expected, atol=(1e-5 + tolerance) * (1 + np.abs(expected).max()))


def test_a_frozen_norm_uses_and_keeps_its_statistics():
    _, fast = pair("norm")
    layer = fast.get_layer("layer")
    layer.trainable = False
    before = [weight.copy() for weight in layer.get_weights()]
    np.testing.assert_array_equal(fast(IMAGES, training=True), fast(IMAGES, training=False))
    for now, then in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_network_is_built_of_the_fast_layers_and_a_gpu_gets_the_plain_convolution(monkeypatch, tmp_path):
    config = settings(blocks=1, filters=8)
    kinds = {layer.name: type(layer) for layer in models.generator(config).layers}
    assert kinds["output_conv"] is PhasedConv2D and kinds["block1_norm1"] is BatchNormalization and kinds["up1_prelu"] is PReLU
    network = models.generator(config)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    plain = models.generator(config)
    assert type(plain.get_layer("output_conv")) is keras.layers.Conv2D
    network.save_weights(tmp_path / "a.weights.h5")  # a CPU's file, on a GPU
    plain.load_weights(tmp_path / "a.weights.h5")
    lr = np.random.default_rng(0).random((1, 6, 5, 3), np.float32)
    np.testing.assert_allclose(plain(lr), network(lr), atol=1e-5)


def test_quick_learns_the_same_with_stock_layers(tmp_path):
    """A hundred steps of it; `python -m tests.stock` takes all 3,000."""
    fast = stock.trained(100, tmp_path / "fast")
    with stock.stock_layers():
        plain = stock.trained(100, tmp_path / "stock")
    assert fast == pytest.approx(plain, abs=0.1)
    assert fast > 25
