from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
import tensorflow as tf

from srgan import losses
from srgan.config import settings
from srgan.models import lpips

RNG = np.random.default_rng(0)
HR, SR = (RNG.uniform(-1, 1, (4, 8, 6, 3)).astype(np.float32) for _ in range(2))
LOGITS = np.array([[-3.0], [-0.5], [0.0], [4.0]], np.float32)


def cross_entropy(labels, logits) -> float:
    said = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return float(np.mean(-labels * np.log(said) - (1 - labels) * np.log(1 - said)))


def test_pixel_loss_is_the_mean_squared_or_absolute_difference():
    assert float(losses.pixel_loss(settings(pixel_loss="mse").loss, HR, SR)) == pytest.approx(np.mean((HR - SR) ** 2), rel=1e-5)
    assert float(losses.pixel_loss(settings(pixel_loss="mae").loss, HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_without_features_is_the_pixel_loss():
    config = settings(content="pixels", pixel_loss="mae")
    assert float(losses.content_loss(config.loss, None, HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_is_the_mse_of_features_whatever_the_pixel_loss():
    config = settings(pixel_loss="mae")
    expected = np.mean((3 * HR**2 - 3 * SR**2) ** 2)
    assert float(losses.content_loss(config.loss, lambda images: 3 * images**2, HR, SR)) == pytest.approx(expected, rel=1e-5)


def test_pixels_have_their_weight_beside_the_features():
    config = settings(pixel_loss="mae", pixel_weight=0.5)
    expected = 9 * np.mean((HR**2 - SR**2) ** 2) + 0.5 * np.mean(np.abs(HR - SR))
    assert float(losses.content_loss(config.loss, lambda images: 3 * images**2, HR, SR)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.content_loss(config.loss, None, HR, SR)) == pytest.approx(np.mean(np.abs(HR - SR)), rel=1e-5)


def test_content_loss_sends_its_gradient_to_sr_alone():
    hr, sr = tf.constant(HR), tf.constant(SR)
    with tf.GradientTape() as tape:
        tape.watch([hr, sr])
        loss = losses.content_loss(settings().loss, lambda images: 2 * images, hr, sr)
    to_hr, to_sr = tape.gradient(loss, [hr, sr], unconnected_gradients="zero")
    np.testing.assert_array_equal(to_hr, 0)
    np.testing.assert_allclose(to_sr, 2 * 4 * (SR - HR) / HR.size, rtol=1e-4, atol=1e-8)


def test_adversarial_loss_is_minus_the_log_of_what_d_says_of_sr():
    expected = np.mean(-np.log(1 / (1 + np.exp(-LOGITS))))
    assert float(losses.adversarial_loss(settings().loss, None, LOGITS, np.ones_like(LOGITS))) == pytest.approx(expected, rel=1e-5)


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


def test_the_chroma_loss_sees_colour_and_not_brightness():
    assert float(losses.chroma_loss(HR, HR + 0.2)) == pytest.approx(0, abs=1e-6)
    redder = HR + np.float32([0.3, 0, 0])
    assert float(losses.chroma_loss(HR, redder)) == pytest.approx((0.2 + 0.1 + 0.1) / 3, rel=1e-5)
    assert float(losses.chroma_loss(HR, redder)) == float(losses.chroma_loss(HR, redder + 0.5 * SR.mean(-1, keepdims=True)))


def test_total_variation_is_the_mean_step_down_plus_the_mean_step_across():
    expected = np.mean(np.abs(np.diff(SR, axis=1))) + np.mean(np.abs(np.diff(SR, axis=2)))
    assert float(losses.total_variation(SR)) == pytest.approx(expected, rel=1e-5)
    ramp = np.broadcast_to(0.1 * np.arange(6, dtype=np.float32)[None, None, :, None], (1, 5, 6, 3))
    assert float(losses.total_variation(ramp)) == pytest.approx(0.1, rel=1e-5)


def test_the_texture_loss_compares_what_goes_together_in_each_window():
    rng = np.random.default_rng(0)
    hr, sr = (rng.random((2, 32, 48, 3), np.float32) for _ in range(2))
    half = [rng.random((2, 16, 24, 5), np.float32) for _ in range(2)]

    def expected(a, b, side):
        found = []
        for image in range(2):
            for top in range(0, a.shape[1], side):
                for left in range(0, a.shape[2], side):
                    windows = (each[image, top : top + side, left : left + side].reshape(side**2, -1) for each in (a, b))
                    of_a, of_b = (window.T @ window for window in windows)
                    found.append(np.linalg.norm(of_a - of_b) / np.linalg.norm(of_a))
        return np.mean(found)

    assert float(losses.texture_loss([hr], [sr])) == pytest.approx(expected(hr, sr, 16), rel=1e-4)
    both = (expected(hr, sr, 16) + expected(*half, 8)) / 2
    assert float(losses.texture_loss([hr, half[0]], [sr, half[1]])) == pytest.approx(both, rel=1e-4)
    small = [each[:, :3, :2] for each in (hr, sr)]  # a layer of fewer places than a window has
    assert 0 < float(losses.texture_loss([small[0]], [small[1]])) < 1


def test_texture_may_lie_elsewhere_in_its_window_but_must_be_as_strong():
    hr = np.random.default_rng(0).random((1, 32, 32, 4), np.float32)
    windows = hr.reshape(1, 2, 16, 2, 16, 4)
    elsewhere = windows[:, :, ::-1, :, ::-1].reshape(hr.shape)
    assert float(losses.texture_loss([hr], [elsewhere])) == pytest.approx(0, abs=1e-5)
    assert float(losses.texture_loss([hr], [0.5 * hr])) == pytest.approx(0.75, rel=1e-4)
    assert float(losses.texture_loss([300 * tf.cast(hr, tf.float16)], [150 * tf.cast(hr, tf.float16)])) == pytest.approx(
        0.75, rel=1e-2
    )


def test_the_texture_loss_is_part_of_the_content_at_its_weight():
    weighed = [settings(content="lpips", texture_weight=weight).loss for weight in (0.0, 0.5)]
    several = lambda images: [images, 2 * images[:, ::2]]  # noqa: E731
    of_lpips = lambda images: lpips.Seen([images], [2 * images])  # noqa: E731
    for features, activations in ((several, several), (of_lpips, lambda images: [2 * images])):
        plain, textured = (float(losses.content_loss(each, features, HR, SR)) for each in weighed)
        expected = float(losses.texture_loss(activations(HR), activations(SR)))
        assert textured - plain == pytest.approx(0.5 * expected, rel=1e-4)


# The loss on phases ---------------------------------------------------------------------------------------------------

PHOTO = (skimage.data.astronaut()[100:196, 200:296][None] / 127.5 - 1.0).astype(np.float32)


def by_hand(image: np.ndarray) -> np.ndarray:
    """The means of the 16 places over windows of 6x6 cells, less the mean of each window, by loops."""
    found = []
    for top in range(0, image.shape[0] - 23, 12):
        for left in range(0, image.shape[1] - 23, 12):
            window = image[top : top + 24, left : left + 24]
            places = np.array([window[i::4, j::4].mean(axis=(0, 1)) for i in range(4) for j in range(4)])
            found.append(places - places.mean(axis=0))
    return np.array(found)


def test_the_loss_is_the_difference_of_the_means_of_places():
    sr = PHOTO + np.random.default_rng(0).normal(0, 0.1, PHOTO.shape).astype(np.float32)
    expected = np.abs(by_hand(PHOTO[0]) - by_hand(sr[0])).mean()
    assert float(losses.phase_loss(PHOTO, sr)) == pytest.approx(expected, rel=1e-3)


def test_hr_costs_nothing_and_neither_does_another_brightness():
    assert float(losses.phase_loss(PHOTO, PHOTO)) == 0
    assert float(losses.phase_loss(PHOTO, PHOTO + 0.3)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("period", [2, 4])
def test_a_grid_costs_as_much_as_it_is_strong_and_noise_of_that_strength_little(period):
    strength = 0.05
    stripes = np.zeros(PHOTO.shape, np.float32)
    stripes[:, :, ::period] = strength
    noise = np.random.default_rng(0).permutation(stripes.ravel()).reshape(PHOTO.shape)  # the same values anywhere
    grid, random = (float(losses.phase_loss(PHOTO, PHOTO + added)) for added in (stripes, noise))
    assert grid == pytest.approx(strength * 2 * (1 / period) * (1 - 1 / period), rel=1e-3)
    assert random < grid / 4
    assert float(losses.phase_loss(PHOTO, PHOTO + 2 * stripes)) == pytest.approx(2 * grid, rel=1e-3)


def dashes(strength: float) -> np.ndarray:
    """Cells of one value each, at random: no place of a cell stands out, and all steps lie between cells."""
    cells = np.random.default_rng(1).choice([-strength, strength], (24, 24)).astype(np.float32)
    return np.kron(cells, np.ones((4, 4), np.float32))[None, :, :, None] * np.ones(3, np.float32)


def test_cells_that_show_cost_though_no_place_stands_out_and_texture_costs_little():
    texture = np.random.default_rng(0).permutation(dashes(0.05).ravel()).reshape(PHOTO.shape)
    shown, fine = (float(losses.step_loss(PHOTO, PHOTO + added)) for added in (dashes(0.05), texture))
    assert float(losses.step_loss(PHOTO, PHOTO)) == 0
    assert shown > 2 * float(losses.phase_loss(PHOTO, PHOTO + dashes(0.05))) and fine < shown / 4
    assert float(losses.step_loss(PHOTO, PHOTO + dashes(0.1))) > 1.5 * shown


def test_the_loss_on_steps_is_the_difference_of_the_steps_of_places():
    def by_place(image, axis):
        step = np.abs(image - np.roll(image, -1, axis))
        places = np.array([np.take(step, range(k, 96, 4), axis).mean() for k in range(4)])
        return places - places.mean()

    sr = PHOTO + dashes(0.05)
    expected = sum(np.abs(by_place(PHOTO[0], axis) - by_place(sr[0], axis)).mean() for axis in (0, 1))
    assert float(losses.step_loss(PHOTO, sr)) == pytest.approx(expected, rel=1e-3)


def test_the_loss_on_cells_is_both():
    sr = PHOTO + dashes(0.05)
    assert float(losses.cell_loss(PHOTO, sr)) == pytest.approx(float(losses.phase_loss(PHOTO, sr) + losses.step_loss(PHOTO, sr)))


def test_pictures_smaller_than_a_window_are_one_window():
    assert float(losses.phase_loss(PHOTO[:, :16, :16], PHOTO[:, :16, :16] + np.eye(16, dtype=np.float32)[None, ..., None])) > 0


# Feature matching -----------------------------------------------------------------------------------------------------


def test_feature_matching_is_the_mean_over_layers_of_absolute_differences_and_moves_sr_alone():
    hr, sr = tf.constant(HR), tf.constant(SR)
    with tf.GradientTape() as tape:
        tape.watch([hr, sr])
        loss = losses.feature_matching([hr, 3 * hr], [sr, 3 * sr])
    assert float(loss) == pytest.approx(2 * np.mean(np.abs(HR - SR)), rel=1e-5)
    to_hr, to_sr = tape.gradient(loss, [hr, sr], unconnected_gradients="zero")
    np.testing.assert_array_equal(to_hr, 0)
    np.testing.assert_allclose(to_sr, 2 * np.sign(SR - HR) / HR.size, rtol=1e-5)


def test_a_loss_is_weighed_and_not_computed_at_0():
    assert float(losses.weighted(3.0, losses.feature_matching, [HR], [SR])) == pytest.approx(3 * np.mean(np.abs(HR - SR)))
    assert float(losses.weighted(0.0, losses.feature_matching, None, None)) == 0


# Spectra --------------------------------------------------------------------------------------------------------------


def spectrum_by_hand(image: np.ndarray) -> np.ndarray:
    """The log of the mean power spectrum of windows of 32x32, by loops."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 32)
    power = []
    for top in range(0, image.shape[0] - 31, 16):
        for left in range(0, image.shape[1] - 31, 16):
            window = image[top : top + 32, left : left + 32].mean(axis=-1)
            power.append(np.abs(np.fft.rfft2((window - window.mean()) * np.outer(hann, hann))) ** 2 / np.sum(hann**2) ** 2)
    return np.log(np.mean(power, axis=0) + losses.SPECTRUM_FLOOR)


def test_the_loss_on_spectra_is_what_one_computes_by_hand():
    sr = PHOTO + np.random.default_rng(0).normal(0, 0.03, PHOTO.shape).astype(np.float32)
    excess = spectrum_by_hand(sr[0]) - spectrum_by_hand(PHOTO[0])
    expected = np.where(excess > 0, losses.SPECTRUM_EXCESS * excess, -excess).mean()
    assert float(losses.spectrum_loss(PHOTO, sr)) == pytest.approx(expected, rel=1e-3)


def test_other_grain_of_the_same_kind_costs_little_and_none_much():
    grain = [np.random.default_rng(seed).normal(0, 0.1, PHOTO.shape[:3]).astype(np.float32)[..., None] for seed in (0, 1)]
    one, other = (PHOTO + of for of in grain)
    assert float(losses.spectrum_loss(one, one)) == 0
    assert float(losses.spectrum_loss(one, one + 0.3)) == pytest.approx(0, abs=1e-3)
    assert float(losses.spectrum_loss(one, other)) < float(losses.spectrum_loss(one, PHOTO)) / 2


@pytest.mark.parametrize("across, down", [(3, 0), (5, 5), (0, 7), (2.5, -6)])
def test_a_pattern_of_any_period_is_an_excess(across, down):
    """The gradient takes the pattern back: a step against it makes it fainter."""
    y, x = np.mgrid[:96, :96]
    turns = (x / across if across else 0) + (y / down if down else 0)
    pattern = np.sin(2 * np.pi * turns).astype(np.float32)[None, ..., None] * np.ones(3, np.float32)
    sr = tf.constant(PHOTO + 0.1 * pattern)
    with tf.GradientTape() as tape:
        tape.watch(sr)
        loss = losses.spectrum_loss(PHOTO, sr)
    assert float(loss) > 0.1
    assert float(tf.reduce_sum(tape.gradient(loss, sr) * pattern)) > 0


def test_a_flat_picture_has_a_finite_gradient():
    flat = tf.zeros((1, 48, 48, 3))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        loss = losses.spectrum_loss(PHOTO[:, :48, :48], flat)
    assert np.isfinite(float(loss)) and np.isfinite(tape.gradient(loss, flat)).all()
