from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from srgan.config import Config, settings
from srgan.models import networks as models
from srgan.models import precision
from srgan.presets import preset

LR = np.random.default_rng(0).random((2, 6, 5, 3), np.float32)


def small(**changes) -> Config:
    few = dict(blocks=1, filters=8, head_kernel=3, output_kernel=3, hr_size=32, discriminator_filters=4, discriminator_dense=8)
    return settings(**(few | changes))


def pillow_bicubic(lr: np.ndarray) -> np.ndarray:
    """One float image (H, W, 3), enlarged by 4 without rounding."""
    size = (4 * lr.shape[1], 4 * lr.shape[0])
    channels = [np.asarray(Image.fromarray(lr[:, :, c].copy()).resize(size, Image.Resampling.BICUBIC)) for c in range(3)]
    return np.stack(channels, -1)


def randomize(network: keras.Model, seed: int = 0) -> None:
    """Give every weight, batch-norm statistics included, a value of its own; variances stay positive."""
    rng = np.random.default_rng(seed)
    network.set_weights([np.abs(w) + rng.uniform(0.1, 0.4, w.shape) * (1 if w.ndim < 4 else 0.1) for w in network.get_weights()])


def conv(kernel: int, inputs: int, outputs: int) -> int:
    return kernel * kernel * inputs * outputs + outputs


# Counts -------------------------------------------------------------------------------------------------------------


def test_the_papers_generator_has_the_parameters_of_figure_4():
    norm = 4 * 64  # scale, offset, moving mean, moving variance
    head = conv(9, 3, 64) + 64  # PReLU: a slope a channel
    block = conv(3, 64, 64) + norm + 64 + conv(3, 64, 64) + norm
    trunk = conv(3, 64, 64) + norm
    upsampling = conv(3, 64, 256) + 64
    expected = head + 16 * block + trunk + 2 * upsampling + conv(9, 64, 3)
    assert expected == 1_554_883
    assert models.generator(settings()).count_params() == expected


def test_the_papers_discriminator_has_the_parameters_of_figure_4():
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    expected = conv(3, 3, 64)
    expected += sum(conv(3, before, after) + 4 * after for before, after in itertools.pairwise(widths))
    expected += 6 * 6 * 512 * 1024 + 1024  # 96 / 2 / 2 / 2 / 2 = 6
    expected += 1024 + 1
    assert expected == 23_569_217
    assert models.discriminator(settings(hr_size=96)).count_params() == expected


def test_quicks_generator_has_the_parameters_of_its_preset():
    block = conv(3, 32, 32) + 32 + conv(3, 32, 32)
    expected = conv(3, 3, 32) + 32 + 4 * block + conv(3, 32, 32) + conv(3, 32, 3 * 16)
    assert expected == 98_160
    assert models.generator(preset("quick")).count_params() == expected


def test_nearest_upsampling_keeps_all_the_channels_and_so_has_more_parameters():
    changes = dict(upsampling="nearest", upsampling_activation="leaky_relu")
    block = conv(3, 8, 8) + 4 * 8 + 8 + conv(3, 8, 8) + 4 * 8
    expected = conv(3, 3, 8) + 8 + block + conv(3, 8, 8) + 4 * 8 + conv(3, 8, 32) + conv(3, 32, 32) + conv(3, 32, 3)
    assert models.generator(small(**changes)).count_params() == expected
    # With PReLU each of the two upsamplings has 32 slopes more.
    assert models.generator(small(upsampling="nearest")).count_params() == expected + 2 * 32


def test_prelu_begins_with_a_slope_of_a_quarter_in_each_channel():
    network = models.generator(small())
    for name in ("head_prelu", "block1_prelu", "up1_prelu", "up2_prelu"):
        np.testing.assert_array_equal(np.ravel(network.get_layer(name).get_weights()[0]), np.full(8, 0.25, np.float32))


def test_without_norm_the_generator_has_no_statistics():
    with_norm, without = models.generator(small()), models.generator(small(generator_norm=False))
    assert without.non_trainable_variables == []
    assert with_norm.count_params() - without.count_params() == 3 * 4 * 8


# What the networks compute ------------------------------------------------------------------------------------------


def by_hand(network: keras.Model, lr: tf.Tensor, training: bool) -> tf.Tensor:
    """The generator of `small()` from TensorFlow's plainest operations, reading weights by layer name."""
    weights = {layer.name: layer.variables for layer in network.layers}

    def convolve(x, name):
        return tf.nn.conv2d(x, weights[name][0], 1, "SAME") + weights[name][1]

    def prelu(x, name):
        return tf.where(x > 0, x, tf.reshape(weights[name][0], [-1]) * x)

    def norm(x, name):
        scale, offset, mean, variance = weights[name]
        if training:
            mean, variance = tf.nn.moments(x, [0, 1, 2])
        return (x - mean) / tf.sqrt(variance + 1e-3) * scale + offset

    head = prelu(convolve(lr, "head_conv"), "head_prelu")
    y = prelu(norm(convolve(head, "block1_conv1"), "block1_norm1"), "block1_prelu")
    x = head + norm(convolve(y, "block1_conv2"), "block1_norm2")
    x = head + norm(convolve(x, "trunk_conv"), "trunk_norm")
    for up in ("up1", "up2"):
        x = prelu(tf.nn.depth_to_space(convolve(x, f"{up}_conv"), 2), f"{up}_prelu")
    return convolve(x, "output_conv")


@pytest.mark.parametrize("training", [False, True])
def test_the_generator_and_its_gradients_are_the_formulas_by_hand(training):
    network = models.generator(small())
    rng = np.random.default_rng(1)
    network.set_weights([w + rng.uniform(0.05, 0.3, w.shape) - 0.1 * (w.ndim == 4) for w in network.get_weights()])
    lr, direction = tf.constant(LR), tf.constant(rng.normal(size=(2, 24, 20, 3)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(lr)
        expected = by_hand(network, lr, training)
        expected_sum = tf.reduce_sum(expected * direction)
        computed = network(lr, training=training)
        computed_sum = tf.reduce_sum(computed * direction)
    np.testing.assert_allclose(computed, expected, rtol=1e-3, atol=1e-4)
    sources = [lr, *network.trainable_variables]
    names = ["lr", *(variable.path for variable in network.trainable_variables)]
    for name, ours, theirs in zip(names, tape.gradient(computed_sum, sources), tape.gradient(expected_sum, sources), strict=True):
        # A convolution's bias before batch norm in training has no effect: its gradient is rounding noise around 0.
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=2e-3 * max(1.0, np.abs(theirs).max()), err_msg=name)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_the_generators_momentum_reaches_its_moving_averages(momentum):
    network = models.generator(small(generator_momentum=momentum))
    head = keras.Model(network.input, network.get_layer("block1_conv1").output)(LR).numpy()
    network(LR, training=True)
    _, _, mean, variance = network.get_layer("block1_norm1").get_weights()
    np.testing.assert_allclose(mean, (1 - momentum) * head.mean((0, 1, 2)), rtol=1e-3, atol=1e-6)
    samples = head[..., 0].size  # the fused kernel divides by one less than this, Keras by this
    expected = momentum + (1 - momentum) * head.var((0, 1, 2))
    np.testing.assert_allclose(variance, expected, rtol=2 / samples)


def test_the_discriminators_momentum_reaches_its_moving_averages():
    network = models.discriminator(small(discriminator_momentum=0.8))
    hr = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    before = keras.Model(network.input, network.get_layer("conv2").output)(hr).numpy()
    network(hr, training=True)
    np.testing.assert_allclose(network.get_layer("norm2").get_weights()[2], 0.2 * before.mean((0, 1, 2)), rtol=1e-3, atol=1e-6)


def test_the_discriminators_order_decides_whether_norm_or_activation_comes_first():
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    for order in ("norm_first", "activation_first"):
        network = models.discriminator(small(discriminator_order=order))
        randomize(network)
        outputs = [network.get_layer("conv2").output, network.get_layer("conv3").input]
        before, after = (x.numpy() for x in keras.Model(network.input, outputs)(image, training=False))
        scale, offset, mean, variance = network.get_layer("norm2").get_weights()

        def norm(x, scale=scale, offset=offset, mean=mean, variance=variance):
            return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset

        def leaky(x):
            return np.maximum(x, 0.2 * x)

        expected = leaky(norm(before)) if order == "norm_first" else norm(leaky(before))
        other = norm(leaky(before)) if order == "norm_first" else leaky(norm(before))
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-4)
        assert np.abs(after - other).max() > 0.1


def test_a_discriminator_without_norm_judges_each_picture_alone():
    images = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype(np.float32)
    for norm in (True, False):
        network = models.discriminator(small(discriminator_norm=norm))
        assert any("norm" in layer.name for layer in network.layers) == norm
        in_a_batch, alone = network(images, training=True).numpy()[0], network(images[:1], training=True).numpy()[0]
        assert np.allclose(in_a_batch, alone, rtol=1e-3, atol=1e-5) != norm


def test_the_discriminators_first_convolution_has_no_norm():
    network = models.discriminator(small())
    image = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    outputs = [network.get_layer("conv1").output, network.get_layer("conv2").input]
    before, after = (x.numpy() for x in keras.Model(network.input, outputs)(image, training=True))
    np.testing.assert_allclose(after, np.maximum(before, 0.2 * before), atol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"discriminator_norm": False}, {"discriminator": "patch"}])
def test_batches_judged_at_once_are_judged_as_one_by_one(changes):
    config = preset("paper", hr_size=32, discriminator_filters=4, discriminator_dense=8, **changes)
    hr, sr = np.random.default_rng(0).uniform(-1, 1, (2, 3, 32, 32, 3)).astype(np.float32)
    together, alone = models.discriminator(config), models.discriminator(config)
    alone.set_weights(together.get_weights())
    for mine, other in zip(
        models.judging(together)(hr, sr / 2), (alone(each, training=True) for each in (hr, sr / 2)), strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    for mine, other in zip(together.get_weights(), alone.get_weights(), strict=True):  # batch norm's statistics among them
        np.testing.assert_allclose(mine, other, atol=1e-6)


def test_the_discriminator_says_one_unbounded_logit_an_image():
    network = models.discriminator(small())
    weights, bias = network.get_layer("logits").get_weights()
    network.get_layer("logits").set_weights([0 * weights, bias + 7.0])
    np.testing.assert_array_equal(network(np.zeros((3, 32, 32, 3), np.float32)), np.full((3, 1), 7.0))


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "nearest", "espcn"])
def test_sr_is_four_times_lr_whatever_its_size(upsampling):
    network = models.generator(small(upsampling=upsampling, global_skip=True))
    for height, width in ((5, 7), (1, 3), (8, 8)):
        assert network(np.zeros((2, height, width, 3), np.float32)).shape == (2, 4 * height, 4 * width, 3)


def test_nearest_upsampling_repeats_pixels():
    network = models.generator(small(upsampling="nearest", upsampling_activation="leaky_relu"))
    outputs = [network.get_layer("up1_conv").output, network.get_layer("up2_conv").input]
    before, after = (x.numpy() for x in keras.Model(network.input, outputs)(LR))
    np.testing.assert_allclose(after, np.maximum(before, 0.2 * before).repeat(2, axis=1).repeat(2, axis=2), atol=1e-6)


def test_tanh_bounds_the_output_and_nothing_else():
    linear, tanh = models.generator(small()), models.generator(small(output_activation="tanh"))
    tanh.set_weights(linear.get_weights())
    for network in (linear, tanh):
        output = network.get_layer("output_conv")
        output.set_weights([10 * w for w in output.get_weights()])
    expected = linear(LR, training=False).numpy()
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(tanh(LR, training=False), np.tanh(expected), atol=1e-5)


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "espcn"])
def test_with_the_global_skip_the_untrained_network_is_nearly_bicubic(upsampling):
    keras.utils.set_random_seed(1)
    with_skip = models.generator(small(upsampling=upsampling, global_skip=True, generator_norm=False))
    without = models.generator(small(upsampling=upsampling, generator_norm=False))
    expected = np.stack([2 * pillow_bicubic(lr) - 1 for lr in LR])
    assert np.abs(with_skip(LR).numpy() - expected).mean() < 0.05
    assert np.abs(without(LR).numpy() - expected).mean() > 0.2


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_global_skip_does_not_pass_through_half_precision(policy):
    with precision.policy(policy):
        network = models.generator(small(upsampling="espcn", global_skip=True))
    output = network.get_layer("output_conv")
    output.set_weights([0 * w for w in output.get_weights()])
    np.testing.assert_allclose(network(LR)[0], 2 * pillow_bicubic(LR[0]) - 1, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("changes", [{}, {"output_activation": "tanh"}, {"upsampling": "espcn", "global_skip": True}])
def test_half_precision_comes_out_as_float32(policy, changes):
    with precision.policy(policy):
        generator, discriminator = models.generator(small(**changes)), models.discriminator(small())
    sr = generator(LR)
    assert generator.get_layer("block1_conv1").compute_dtype == policy.removeprefix("mixed_")
    assert sr.dtype == generator.output.dtype == "float32"
    assert discriminator(np.zeros((1, 32, 32, 3), np.float32)).dtype == "float32"
    # The sum with the skip is float32, so that SR is not quantised to the steps of a half, which near 1 are half a level.
    halves = tf.cast(tf.cast(sr, policy.removeprefix("mixed_")), "float32")
    assert (np.abs(sr - halves).max() > 0) == ("global_skip" in changes or "output_activation" in changes)


@pytest.mark.parametrize("build", [models.generator, models.discriminator])
def test_layer_names_are_unique_and_the_same_in_every_build(build):
    first, second = build(small(blocks=3)), build(small(blocks=3))
    names = [layer.name for layer in first.layers]
    assert len(set(names)) == len(names)
    assert names == [layer.name for layer in second.layers]
    assert [v.path for v in first.variables] == [v.path for v in second.variables]
    assert len({v.path for v in first.variables}) == len(first.variables)


@pytest.mark.parametrize("kernel", [1, 3, 9])
def test_without_its_last_shuffle_the_network_gives_the_same_from_the_same_weights(kernel):
    config = small(head_kernel=9, output_kernel=kernel)
    usual, quicker = models.generator(config), models.generator(config, last_shuffle=False)
    assert "up2_shuffle" not in {layer.name for layer in quicker.layers}
    randomize(usual)
    for layer in quicker.layers:
        layer.set_weights(usual.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(quicker(LR), usual(LR), atol=1e-4)
    again = keras.Model.from_config(quicker.get_config())
    again.set_weights(quicker.get_weights())
    np.testing.assert_array_equal(again(LR), quicker(LR))


@pytest.mark.parametrize("upsampling", ["pixel_shuffle", "nearest", "espcn"])
def test_in_half_precision_the_network_takes_float32_and_gives_it(upsampling):
    with precision.policy("mixed_bfloat16"):
        network = models.generator(small(upsampling=upsampling))
    assert network(LR).dtype == tf.float32
    assert network.get_layer("head_conv").compute_dtype == "float32"
    assert network.get_layer("output_conv").compute_dtype == "bfloat16"
