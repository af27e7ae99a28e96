from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from srgan import losses
from srgan.config import settings

RNG = np.random.default_rng(0)
HR, SR = (RNG.uniform(-1, 1, (4, 8, 6, 3)).astype(np.float32) for _ in range(2))
LOGITS = np.array([[-3.0], [-0.5], [0.0], [4.0]], np.float32)


def cross_entropy(labels, logits) -> float:
    said = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return float(np.mean(-labels * np.log(said) - (1 - labels) * np.log(1 - said)))


def test_pixel_loss_is_the_mean_squared_or_absolute_difference():
    assert float(losses.pixel_loss(settings(pixel_loss="mse"), HR, SR)) == pytest.approx(np.mean((HR - SR) ** 2), rel=1e-5)
    assert float(losses.pixel_loss(settings(pixel_loss="mae"), HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_without_features_is_the_pixel_loss():
    config = settings(content="pixels", pixel_loss="mae")
    assert float(losses.content_loss(config, None, HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_is_the_mse_of_features_whatever_the_pixel_loss():
    config = settings(pixel_loss="mae")
    expected = np.mean((3 * HR**2 - 3 * SR**2) ** 2)
    assert float(losses.content_loss(config, lambda images: 3 * images**2, HR, SR)) == pytest.approx(expected, rel=1e-5)


def test_pixels_have_their_weight_beside_the_features():
    config = settings(pixel_loss="mae", pixel_weight=0.5)
    expected = 9 * np.mean((HR**2 - SR**2) ** 2) + 0.5 * np.mean(np.abs(HR - SR))
    assert float(losses.content_loss(config, lambda images: 3 * images**2, HR, SR)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.content_loss(config, None, HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_sends_its_gradient_to_sr_alone():
    hr, sr = tf.constant(HR), tf.constant(SR)
    with tf.GradientTape() as tape:
        tape.watch([hr, sr])
        loss = losses.content_loss(settings(), lambda images: 2 * images, hr, sr)
    to_hr, to_sr = tape.gradient(loss, [hr, sr], unconnected_gradients="zero")
    np.testing.assert_array_equal(to_hr, 0)
    np.testing.assert_allclose(to_sr, 2 * 4 * (SR - HR) / HR.size, rtol=1e-4, atol=1e-8)


def test_pictures_are_rolled_together_by_pixels_that_vary_with_the_step_and_with_nothing_else():
    assert losses.rolled(settings(), tf.constant(3), HR, SR) == (HR, SR)
    config, shifts = settings(random_shift=2), set()
    for step in range(60):
        hr, sr = (image.numpy() for image in losses.rolled(config, tf.constant(step), tf.constant(HR), tf.constant(SR)))
        fits = [(y, x) for y in range(3) for x in range(3) if np.array_equal(hr, np.roll(HR, (y, x), (1, 2)))]
        assert len(fits) == 1 and np.array_equal(sr, np.roll(SR, fits[0], (1, 2)))
        again = losses.rolled(config, tf.constant(step), tf.constant(HR))[0]
        assert np.array_equal(again, hr)
        shifts |= set(fits)
    assert len(shifts) == 9


def test_adversarial_loss_is_minus_the_log_of_what_d_says_of_sr():
    expected = np.mean(-np.log(1 / (1 + np.exp(-LOGITS))))
    assert float(losses.adversarial_loss(LOGITS, np.ones_like(LOGITS))) == pytest.approx(expected, rel=1e-5)


def test_discriminator_loss_is_both_cross_entropies():
    real, fake = np.full_like(LOGITS, 0.9), np.full_like(LOGITS, 0.1)
    expected = cross_entropy(real, LOGITS) + cross_entropy(fake, LOGITS[::-1] + 1)
    assert float(losses.discriminator_loss(LOGITS, LOGITS[::-1] + 1, real, fake)) == pytest.approx(expected, rel=1e-5)


def test_an_ignorant_discriminator_pays_two_log_two():
    undecided = np.zeros((4, 1), np.float32)
    loss = losses.discriminator_loss(undecided, undecided, np.ones_like(undecided), np.zeros_like(undecided))
    assert float(loss) == pytest.approx(2 * math.log(2), rel=1e-6)


def test_cross_entropy_stays_finite_where_its_formula_overflows():
    sure = np.array([[500.0], [-500.0]], np.float32)
    assert float(losses.cross_entropy(np.ones_like(sure), sure)) == pytest.approx((0 + 500) / 2)


def test_total_variation_is_the_mean_step_down_plus_the_mean_step_across():
    expected = np.mean(np.abs(np.diff(SR, axis=1))) + np.mean(np.abs(np.diff(SR, axis=2)))
    assert float(losses.total_variation(SR)) == pytest.approx(expected, rel=1e-5)
    ramp = np.broadcast_to(0.1 * np.arange(6, dtype=np.float32)[None, None, :, None], (1, 5, 6, 3))
    assert float(losses.total_variation(ramp)) == pytest.approx(0.1, rel=1e-5)


def test_hard_labels_are_exact_at_every_step():
    for step in (0, 1, 10**6):
        labels = losses.labels(settings(batch_size=5, fake_label=0.9), "fake", tf.constant(step, tf.int64)).numpy()
        np.testing.assert_array_equal(labels, np.full((5, 1), 0.9, np.float32))


def test_label_noise_is_a_pure_function_of_seed_step_and_kind():
    seen = {}
    for seed in (1, 2, 3):
        config = settings(batch_size=4, label_noise=0.05, seed=seed, real_label=0.0, fake_label=0.0, generator_label=0.0)
        for step in (0, 1, 2):
            for kind in ("real", "fake", "generator"):
                labels = losses.labels(config, kind, tf.constant(step, tf.int64)).numpy()
                tf.random.normal((3,))  # nothing else that draws moves them
                np.testing.assert_array_equal(labels, losses.labels(config, kind, tf.constant(step, tf.int64)))
                seen[seed, step, kind] = tuple(labels[:, 0])
    assert len(set(seen.values())) == len(seen) == 27


def test_label_noise_does_not_depend_on_tracing():
    config = settings(batch_size=4, label_noise=0.05, generator_label=0.9)
    traced = tf.function(lambda step: losses.labels(config, "generator", step))
    for step in (0, 7):
        index = tf.constant(step, tf.int64)
        np.testing.assert_array_equal(traced(index), losses.labels(config, "generator", index))


def test_label_noise_is_normal_around_the_label():
    config = settings(batch_size=16, label_noise=0.05, real_label=0.9)
    drawn = np.concatenate([losses.labels(config, "real", tf.constant(step, tf.int64)).numpy() for step in range(500)])
    assert drawn.shape == (8000, 1)
    # Five standard errors each: 0.05 / sqrt(8000) of the mean, 0.05 / sqrt(16000) of the deviation.
    assert drawn.mean() == pytest.approx(0.9, abs=5 * 0.05 / math.sqrt(8000))
    assert drawn.std() == pytest.approx(0.05, abs=5 * 0.05 / math.sqrt(16000))
    assert np.mean(np.abs(drawn - 0.9) < 0.05) == pytest.approx(0.683, abs=0.03)


def test_label_noise_can_be_that_of_sr_alone():
    config = settings(batch_size=4, label_noise=0.05, label_noise_on="fake", fake_label=0.1)
    real, fake, wanted = (losses.labels(config, kind, tf.constant(3, tf.int64)).numpy() for kind in ("real", "fake", "generator"))
    assert np.ptp(fake) > 0
    np.testing.assert_array_equal(real, np.ones((4, 1), np.float32))
    np.testing.assert_array_equal(wanted, np.ones((4, 1), np.float32))
