from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from srgan import losses
from srgan.config import settings
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
