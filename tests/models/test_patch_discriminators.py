from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from srgan import losses
from srgan.config import settings
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.train import steps

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 48, 48, 3)).astype(np.float32)


@pytest.mark.parametrize("kind, side", [("patch", 6), ("unet", 48)])
def test_a_patch_discriminator_gives_a_map_of_logits(kind, side):
    discriminator = networks.discriminator(settings(discriminator=kind, hr_size=48, discriminator_filters=4))
    assert discriminator(IMAGES).shape == (2, side, side, 1)
    assert not any("norm" in layer.name for layer in discriminator.layers)


@pytest.mark.parametrize("kind", ["patch", "unet"])
def test_a_patch_discriminator_sees_each_pixel(kind):
    discriminator = networks.discriminator(settings(discriminator=kind, hr_size=48, discriminator_filters=4))
    image = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(image)
        judged = tf.reduce_sum(discriminator(image))
    assert (np.abs(tape.gradient(judged, image)).sum(axis=-1) > 0).all()


@pytest.fixture
def eyes(shared_data, monkeypatch):
    monkeypatch.setenv("SRGAN_LPIPS", str(shared_data / "weights" / "stlpips_vgg16.npz"))
    return dict(discriminator="unet", discriminator_sees="lpips", hr_size=48, discriminator_filters=4)


def test_the_eyes_of_lpips_do_not_learn_and_are_in_no_checkpoint(eyes):
    """A 1x1 convolution more at each of three sizes is all that learns."""
    with_eyes = networks.discriminator(settings(**eyes))
    without = networks.discriminator(settings(**eyes | dict(discriminator_sees="pixels")))
    assert len(with_eyes.weights) == len(without.weights) + 3 == len(with_eyes.trainable_weights)


def test_what_the_eyes_see_counts_and_hands_back_a_gradient(eyes):
    discriminator, image = networks.discriminator(settings(**eyes)), tf.constant(IMAGES)
    depths = discriminator.get_layer("depths")
    found = depths(image)
    assert [depth.shape for depth in found] == depths.compute_output_shape(image.shape)
    assert all(0.5 < float(tf.math.reduce_std(depth)) < 2 for depth in found)
    with tf.GradientTape() as tape:
        tape.watch(image)
        seen = tf.add_n([tf.reduce_sum(depth[..., 0]) for depth in depths(image)])
    assert np.isfinite(tape.gradient(seen, image)).all()
    before = discriminator(image)
    discriminator.get_layer("down2_seen").kernel.assign(tf.zeros_like(discriminator.get_layer("down2_seen").kernel))
    assert not np.allclose(before, discriminator(image))


def test_only_a_unet_has_eyes():
    with pytest.raises(SRGANError, match='sees pixels alone: discriminator_sees="lpips" wants "unet"'):
        settings(discriminator="patch", discriminator_sees="lpips")


def test_maps_are_judged_like_single_logits():
    """A map of equal logits costs what one of them does, whatever its size."""
    logits, labels = tf.constant([[0.3], [-1.2]]), tf.constant([[0.9], [0.1]])
    spread = tf.tile(logits[:, None, None], (1, 5, 7, 1))
    assert float(losses.cross_entropy(labels, spread)) == pytest.approx(float(losses.cross_entropy(labels, logits)), rel=1e-6)


def test_relativistic_logits_are_less_the_mean_of_the_others():
    config = settings(adversarial="relativistic")
    hr, sr = np.float32([[2.0], [4.0]]), np.float32([[-1.0], [0.0]])
    judged_hr, judged_sr = steps.judged(config, hr, sr)
    np.testing.assert_allclose(judged_hr, hr + 0.5)
    np.testing.assert_allclose(judged_sr, sr - 3.0)
    assert all(a is b for a, b in zip(steps.judged(settings(), hr, sr), (hr, sr), strict=True))


def test_the_relativistic_generator_pays_for_both_sides():
    config, ones = settings(adversarial="relativistic"), np.ones((2, 1), np.float32)
    hr, sr = np.float32([[1.0], [3.0]]), np.float32([[-2.0], [0.5]])
    expected = (np.log1p(np.exp(-sr)).mean() + np.log1p(np.exp(hr)).mean()) / 2  # -log s(sr), -log(1 - s(hr))
    assert float(losses.adversarial_loss(config.loss, hr, sr, ones)) == pytest.approx(expected, rel=1e-5)
