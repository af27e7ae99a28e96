"""Each preset against the facts of the system that it reproduces: the built networks, and one step."""

from __future__ import annotations

import itertools
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from srgan.models import networks as models
from srgan.presets import PRESETS, preset
from srgan.runs.paths import PROJECT
from srgan.train import perceptual_features as features
from srgan.train import random_draws, steps
from srgan.train.schedule import learning_rate
from srgan.train.state import State
from tests import presets

WEIGHTS_PAGE = PROJECT / "docs" / "weights.md"
UPSAMPLER = ("coco44", "celeba44")


def conv(kernel: int, inputs: int, outputs: int) -> int:
    return kernel * kernel * inputs * outputs + outputs


NORM, SLOPES = 4 * 64, 64  # parameters of a batch norm and of a PReLU on 64 channels
TRUNK = 16 * (2 * conv(3, 64, 64) + 2 * NORM + SLOPES) + conv(3, 64, 64) + NORM
HEAD = conv(9, 3, 64) + SLOPES
SUB_PIXEL = 2 * (conv(3, 64, 256) + SLOPES) + conv(9, 64, 3)
NEAREST = conv(3, 64, 256) + conv(3, 256, 256) + conv(9, 256, 3)  # all channels are kept
GENERATORS = {"paper": HEAD + TRUNK + SUB_PIXEL, "vgg16tv": HEAD + TRUNK + SUB_PIXEL, "coco44": HEAD + TRUNK + NEAREST,
              "celeba44": HEAD + TRUNK + NEAREST, "coco64": HEAD + TRUNK + NEAREST,
              "blog25": HEAD + TRUNK + NEAREST + 2 * 256}  # fmt: skip


@pytest.mark.parametrize("name", GENERATORS)
def test_the_generator_has_the_parameters_of_its_system(name):
    assert models.generator(preset(name)).count_params() == GENERATORS[name]


@pytest.mark.parametrize("name, hr, batch", [("paper", 96, 16), ("coco44", 176, 32), ("celeba44", 176, 32), ("coco64", 256, 16),
                                             ("blog25", 100, 20)])  # fmt: skip
def test_data_and_networks_have_the_sizes_of_their_system(name, hr, batch):
    config = preset(name)
    assert (config.data.hr_size, config.data.batch_size) == (hr, batch)
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    side = -(-hr // 16)  # four strides of 2
    expected = conv(3, 3, 64) + sum(conv(3, a, b) + 4 * b for a, b in itertools.pairwise(widths))
    expected += side * side * 512 * 1024 + 1024 + 1024 + 1
    assert models.discriminator(config).count_params() == expected


def test_the_order_of_d_and_the_momenta():
    for name in PRESETS:
        config = preset(name, hr_size=32, discriminator_filters=4, discriminator_dense=8, blocks=1, filters=8)
        names = [layer.name for layer in models.discriminator(config).layers]
        if name in ("quick", "shipped", "photo"):
            assert not any("norm" in layer for layer in names)
            continue
        expected = ["conv2", "leaky2", "norm2"] if name == "blog25" else ["conv2", "norm2", "leaky2"]
        assert names[names.index("conv2") : names.index("conv2") + 3] == expected, name
        momentum = {"blog25": 0.8, "coco44": 0.5, "celeba44": 0.5, "coco64": 0.5}.get(name, 0.99)
        assert models.discriminator(config).get_layer("norm2").momentum == momentum, name
    for name in (*UPSAMPLER, "coco64", "blog25"):
        assert models.generator(preset(name)).get_layer("block1_norm1").momentum == 0.5


def test_upsampler_works_in_minus_one_to_one_and_ends_in_tanh():
    for name in (*UPSAMPLER, "coco64"):
        network = models.generator(preset(name, blocks=1, filters=8))
        seen = keras.Model(network.input, network.get_layer("lr_range").output)
        np.testing.assert_allclose(seen(np.array([[[[0.0, 0.5, 1.0]]]], np.float32)).numpy().ravel(), [-1, 0, 1])
        assert network.layers[-1].name == "output_tanh"
        network.get_layer("output_conv").bias.assign([9.0, -9.0, 0.0])
        sr = network(np.zeros((1, 4, 4, 3), np.float32)).numpy()
        assert sr[..., 0].min() > 0.9 and sr[..., 1].max() < -0.9


def test_blog25_works_in_zero_to_one_inside_and_the_world_sees_minus_one_to_one():
    config = preset("blog25", blocks=1, filters=8, discriminator_filters=4, discriminator_dense=8, hr_size=32)
    network = models.generator(config)
    assert "lr_range" not in [layer.name for layer in network.layers]
    inside = keras.Model(network.input, network.get_layer("output_conv").output)
    lr = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    np.testing.assert_allclose(network(lr), 2 * inside(lr) - 1, atol=1e-6)
    d = models.discriminator(config)
    seen = keras.Model(d.input, d.get_layer("image_range").output)
    hr = np.random.default_rng(1).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(seen(hr), (hr + 1) / 2, atol=1e-6)


LABELS = dict.fromkeys(("quick", "shipped", "photo", "fast", "paper", "vgg16tv", "blog25"), (1.0, 0.0, 1.0)) | {
    "coco44": (0.9, 0.1, 0.9), "celeba44": (0.9, 0.1, 0.9), "coco64": (1.0, 0.1, 1.0)}  # fmt: skip


@pytest.mark.parametrize("name", LABELS)
def test_the_labels_are_those_of_the_system(name):
    config = preset(name, batch_size=2000)
    for kind, mean in zip(("real", "fake", "generator"), LABELS[name], strict=True):
        drawn = random_draws.labels(config, kind, tf.constant(0, tf.int64)).numpy()
        noisy = name in UPSAMPLER or (name == "coco64" and kind == "fake")
        assert drawn.mean() == pytest.approx(mean, abs=0.006)
        assert drawn.std() == pytest.approx(0.05 if noisy else 0.0, abs=0.005)


CONTENT = {"paper": ("pixels", "vgg19/block5_conv4", 1 / 12.75), "coco44": ("pixels", "vgg19/block5_conv4", 1.0),
           "celeba44": ("pixels", "vgg19/block5_conv4", 1.0), "coco64": ("pixels", "vgg19/block5_conv4", 1.0),
           "vgg16tv": ("vgg16/block2_conv2", "vgg16/block5_conv3", 1.0),
           "blog25": ("pixels", "vgg19/block3_conv3", 1.0)}  # fmt: skip


@pytest.mark.parametrize("name", CONTENT)
def test_the_content_loss_is_on_the_layer_of_the_system(name):
    config = preset(name)
    assert (config.loss.pretrain_content, config.loss.content, config.loss.content_scale) == CONTENT[name]
    assert config.loss.adversarial_weight == 1e-3
    assert (config.loss.total_variation_weight > 0) == (name == "vgg16tv")


def test_layer_9_of_keras_vgg19_is_blog25s():
    assert keras.applications.VGG19(include_top=False, weights=None).layers[9].name == "block3_conv3"


@pytest.mark.parametrize("name, stages, count", [
    ("quick", ("srresnet", "srgan"), 1500), ("paper", ("srresnet", "srgan"), 200_000), ("coco44", ("srgan",), 156_250),
    ("celeba44", ("srgan",), 156_250), ("coco64", ("srgan",), 25_000), ("vgg16tv", ("srresnet", "discriminator", "srgan"), 80_000),
    ("blog25", ("srgan",), 10_000),
])  # fmt: skip
def test_stages_and_steps_are_those_of_the_system(name, stages, count):
    config = preset(name)
    assert (config.stages, config.optimization.gan_steps) == (stages, count)


@pytest.mark.parametrize("name, beta1, epsilon, first, last", [
    ("paper", 0.9, 1e-7, 1e-4, 1e-5), ("coco44", 0.9, 1e-8, 1e-4, 1e-4), ("celeba44", 0.9, 1e-8, 1e-4, 1e-4),
    ("coco64", 0.9, 1e-8, 1e-4, 1e-4), ("blog25", 0.9, 1e-7, 1e-3, 1e-3),
])  # fmt: skip
def test_adam_is_that_of_the_system(name, beta1, epsilon, first, last):
    config = preset(name, blocks=1, filters=8, discriminator_filters=4, discriminator_dense=8, hr_size=32)
    state = State(config.replace(precision="float32"), "srgan")
    for optimizer in (state.g_optimizer, state.d_optimizer):
        assert (optimizer.beta_1, optimizer.epsilon) == (beta1, epsilon)
    assert learning_rate(config, "srgan", 0) == pytest.approx(first)
    assert learning_rate(config, "srgan", config.optimization.gan_steps - 1) == pytest.approx(last)


def test_pretraining_of_vgg16tv_is_features_plus_total_variation_and_nothing_else(tiny, tmp_path):
    config = tiny.replace(pretrain_content="vgg16/block2_conv2", content_scale=1.0, total_variation_weight=0.3)
    state = State(config, "srresnet")
    lr = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    hr = np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    with presets.random_features():
        seen = features.load(config.loss.pretrain_content, 1.0, tmp_path)
    sr = state.generator(lr, training=True).numpy()
    variation = np.abs(np.diff(sr, axis=1)).mean() + np.abs(np.diff(sr, axis=2)).mean()
    expected = np.mean((seen(hr).numpy() - seen(sr).numpy()) ** 2) + 0.3 * variation
    nothing = tf.zeros((2, 1)), tf.zeros((2, 1)), tf.zeros((2, 1)), tf.zeros(2, tf.int32)
    reported = steps.pretrain_step(config, state, seen)(steps.Batch(tf.constant(lr), tf.constant(hr), *nothing))
    assert float(reported["loss"]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_takes_its_steps_on_sample_photos(name, tmp_path, capsys):
    """All stages, with small networks and random VGG weights: losses are finite, and every stage leaves what the next one needs."""
    small = dict(batch_size=2, blocks=1, filters=8, discriminator_filters=4, discriminator_dense=8, hr_size=48)
    with presets.random_features():
        recorded = presets.run(presets.few_steps(name, 2, **small), tmp_path)
    assert tuple(recorded) == preset(name).stages
    for stage, rows in recorded.items():
        assert [row["step"] for row in rows] == [1, 2]
        assert all(np.isfinite(value) for row in rows for value in row.values()), stage
    said = capsys.readouterr().out
    assert ("RANDOM weights" in said) == (name not in ("quick", "fast", "shipped", "photo"))
    assert ("LPIPS has no weights here" in said) == (name in ("shipped", "photo") and "SRGAN_LPIPS" not in os.environ)


def test_the_gan_of_quick_is_the_one_that_docs_measured():
    row = next(line for line in WEIGHTS_PAGE.read_text(encoding="utf-8").splitlines() if "the preset** |" in line)
    d, adversarial, matching, rates, steps = (cell.strip(" *") for cell in row.split("|")[1:6])
    config = preset("quick")
    loss, optimization = config.loss, config.optimization
    assert d.startswith(f"patches, {config.discriminator.filters}, ")
    assert f"losses on cells at {loss.phase_weight:g}, mean of {optimization.ema:g}" in d
    assert optimization.gan_schedule == "constant"
    assert (float(adversarial), float(matching)) == (loss.adversarial_weight, loss.matching_weight)
    assert [float(rate) for rate in rates.split(",")] == [optimization.gan_learning_rate, optimization.discriminator_rate]
    assert int(steps.replace(",", "")) == optimization.gan_steps
