from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.signal
import skimage.color
import skimage.data
import skimage.metrics

from srgan.data import images
from srgan.errors import SRGANError
from srgan.results import evaluation, metrics, published
from srgan.upscale import network

PHOTO = images.crop_to_scale(skimage.data.chelsea())
BLURRED = network.bicubic(images.degrade(PHOTO))
ALL = (metrics.psnr_y, metrics.psnr_rgb, metrics.ssim_y, metrics.ssim_y_uniform)


def inner_luma(image: np.ndarray) -> np.ndarray:
    return skimage.color.rgb2ycbcr(image)[4:-4, 4:-4, 0]


def test_luma_is_scikit_images():
    np.testing.assert_allclose(metrics.luma(PHOTO), skimage.color.rgb2ycbcr(PHOTO)[..., 0], atol=1e-9)


def test_psnr_y_is_scikit_images_on_luma_without_the_border():
    expected = skimage.metrics.peak_signal_noise_ratio(inner_luma(PHOTO), inner_luma(BLURRED), data_range=255)
    assert metrics.psnr_y(PHOTO, BLURRED) == pytest.approx(expected, abs=1e-9)


def test_psnr_y_of_a_difference_known_by_hand():
    gray = np.full((20, 24, 3), 100, np.uint8)
    # One gray level is (65.481 + 128.553 + 24.966) / 255 = 219 / 255 of a luma level.
    assert metrics.psnr_y(gray, gray + 10) == pytest.approx(20 * math.log10(255 / (10 * 219 / 255)))


def test_ssim_y_is_scikit_images_on_luma_without_the_border():
    expected = skimage.metrics.structural_similarity(
        inner_luma(PHOTO), inner_luma(BLURRED), data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert metrics.ssim_y(PHOTO, BLURRED) == pytest.approx(expected, abs=1e-9)


def test_ssim_y_uniform_is_scikit_images_own_on_luma_without_the_border():
    expected = skimage.metrics.structural_similarity(inner_luma(PHOTO), inner_luma(BLURRED), data_range=255)
    assert metrics.ssim_y_uniform(PHOTO, BLURRED) == pytest.approx(expected, abs=1e-9)
    assert abs(metrics.ssim_y_uniform(PHOTO, BLURRED) - metrics.ssim_y(PHOTO, BLURRED)) > 0.005


def ssim_window_by_window(x: np.ndarray, y: np.ndarray, window: np.ndarray, correction: float = 1.0) -> float:
    """The formula of Wang et al. 2004; `window` sums to 1, variances and covariances are multiplied by `correction`."""
    side = len(window)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - side + 1):
        for left in range(x.shape[1] - side + 1):
            a, b = x[top : top + side, left : left + side], y[top : top + side, left : left + side]
            mean_a, mean_b = np.sum(window * a), np.sum(window * b)
            variance_a, variance_b = np.sum(window * (a - mean_a) ** 2), np.sum(window * (b - mean_b) ** 2)
            covariance = correction * np.sum(window * (a - mean_a) * (b - mean_b))
            likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
            values.append(likeness / ((mean_a**2 + mean_b**2 + c1) * (correction * (variance_a + variance_b) + c2)))
    return float(np.mean(values))


def test_ssim_y_is_the_formula_with_a_gaussian_window_of_11():
    hr, sr = PHOTO[100:128, 150:182], BLURRED[100:128, 150:182]
    bell = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    expected = ssim_window_by_window(inner_luma(hr), inner_luma(sr), np.outer(bell, bell) / bell.sum() ** 2)
    assert metrics.ssim_y(hr, sr) == pytest.approx(expected, abs=1e-6)


def test_ssim_y_uniform_is_the_formula_with_a_flat_window_of_7():
    hr, sr = PHOTO[100:128, 150:182], BLURRED[100:128, 150:182]
    expected = ssim_window_by_window(inner_luma(hr), inner_luma(sr), np.full((7, 7), 1 / 49), correction=49 / 48)
    assert metrics.ssim_y_uniform(hr, sr) == pytest.approx(expected, abs=1e-6)


def test_psnr_rgb_is_scikit_images_on_all_channels_without_the_border():
    inner = [image[4:-4, 4:-4] for image in (PHOTO, BLURRED)]
    assert metrics.psnr_rgb(PHOTO, BLURRED) == pytest.approx(skimage.metrics.peak_signal_noise_ratio(*inner, data_range=255))


def test_detail_is_the_spread_of_the_laplacian_against_hrs():
    def spread(image):
        y = scipy.signal.convolve2d(metrics.luma(image)[4:-4, 4:-4], [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mode="valid")
        return np.sqrt(np.mean((y - y.mean()) ** 2))

    assert metrics.detail(PHOTO, BLURRED) == pytest.approx(spread(BLURRED) / spread(PHOTO)) and spread(BLURRED) < spread(PHOTO)
    assert metrics.detail(PHOTO, PHOTO) == 1.0 and metrics.detail(BLURRED, PHOTO) > 1
    assert metrics.detail(np.full_like(PHOTO, 7), PHOTO) == math.inf


def test_psnr_rgb_of_a_difference_known_by_hand():
    gray = np.full((20, 24, 3), 100, np.uint8)
    redder = gray + np.array([30, 0, 0], np.uint8)
    # One channel of three differs: the mean squared error is 900 / 3, whatever luma makes of red.
    assert metrics.psnr_rgb(gray, redder) == pytest.approx(10 * math.log10(255**2 / 300))
    assert metrics.psnr_y(gray, redder) == pytest.approx(20 * math.log10(255 / (30 * 65.481 / 255)))


def test_the_four_pixels_at_each_border_do_not_count():
    spoilt = BLURRED.copy()
    spoilt[:4], spoilt[-4:], spoilt[:, :4], spoilt[:, -4:] = 0, 255, 255, 0
    for metric in ALL:
        assert metric(PHOTO, spoilt) == metric(PHOTO, BLURRED)
    spoilt[4, 4] = ~spoilt[4, 4]
    for metric in ALL:
        assert metric(PHOTO, spoilt) != metric(PHOTO, BLURRED)


def test_identical_images_are_infinitely_and_wholly_alike():
    assert metrics.psnr_y(PHOTO, PHOTO.copy()) == metrics.psnr_rgb(PHOTO, PHOTO.copy()) == math.inf
    assert metrics.ssim_y(PHOTO, PHOTO.copy()) == pytest.approx(1.0, abs=1e-12)
    assert metrics.ssim_y_uniform(PHOTO, PHOTO.copy()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_all_are_symmetric_and_at_home_in_the_smallest_image(metric):
    small, other = PHOTO[:19, :19], BLURRED[:19, :19]
    assert metric(small, other) == pytest.approx(metric(other, small), abs=1e-12)
    with pytest.raises(SRGANError, match="18x19 are too small to be measured: both sides need 19 pixels"):
        metric(small[:, 1:], other[:, 1:])


@pytest.mark.parametrize("metric", ALL)
def test_unequal_shapes_are_refused(metric):
    with pytest.raises(SRGANError, match=r"unequal shapes .*\(300, 448, 3\) and \(300, 444, 3\)"):
        metric(PHOTO, PHOTO[:, :-4])


@pytest.mark.parametrize("name, count, known", [("Set5", 5, 28.43), ("Set14", 14, 26.09), ("BSD100", 100, 25.96)])
def test_bicubic_on_the_benchmarks_comes_out_as_the_literature_has_it(name, count, known, shared_data):
    pairs = evaluation.benchmark(shared_data / "benchmarks" / name)
    measured = [metrics.psnr_y(hr, network.bicubic(lr)) for _, lr, hr in pairs]
    assert len(measured) == count == published.IMAGES[name]
    assert np.mean(measured) == pytest.approx(known, abs=0.02)
    # The SRGAN paper's own bicubic (its table 2): other LR files for Set14, by up to a tenth of a decibel.
    assert np.mean(measured) == pytest.approx(published.NUMBERS[name]["bicubic"]["psnr_y"], abs=0.11)


def test_the_papers_ssim_lies_above_ours_for_the_same_images(shared_data):
    pairs = list(evaluation.benchmark(shared_data / "benchmarks" / "Set5"))
    for name, upscaler, theirs in (("bicubic", network.bicubic, 0.8211), ("nearest", network.nearest, 0.7552)):
        ours = np.mean([metrics.ssim_y(hr, upscaler(lr)) for _, lr, hr in pairs])
        assert 0.004 < theirs - ours < 0.03, name
    assert published.NUMBERS["Set5"]["bicubic"]["ssim_y"] == 0.8211
