from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics

from srgan import evaluation, images, metrics, upscale
from srgan.errors import SRGANError

PHOTO = images.crop_to_scale(skimage.data.chelsea())
BLURRED = upscale.bicubic(images.degrade(PHOTO))


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


def test_ssim_y_is_the_formula_of_wang_et_al_window_by_window():
    hr, sr = PHOTO[100:128, 150:182], BLURRED[100:128, 150:182]
    x, y = inner_luma(hr), inner_luma(sr)
    bell = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    window = np.outer(bell, bell) / bell.sum() ** 2  # 11 x 11
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_a, mean_b = np.sum(window * a), np.sum(window * b)
            variance_a, variance_b = np.sum(window * (a - mean_a) ** 2), np.sum(window * (b - mean_b) ** 2)
            covariance = np.sum(window * (a - mean_a) * (b - mean_b))
            likeness = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
            values.append(likeness / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)))
    assert metrics.ssim_y(hr, sr) == pytest.approx(np.mean(values), abs=1e-6)


def test_the_four_pixels_at_each_border_do_not_count():
    spoilt = BLURRED.copy()
    spoilt[:4], spoilt[-4:], spoilt[:, :4], spoilt[:, -4:] = 0, 255, 255, 0
    assert metrics.psnr_y(PHOTO, spoilt) == metrics.psnr_y(PHOTO, BLURRED)
    assert metrics.ssim_y(PHOTO, spoilt) == metrics.ssim_y(PHOTO, BLURRED)
    spoilt[4, 4] = ~spoilt[4, 4]
    assert metrics.psnr_y(PHOTO, spoilt) != metrics.psnr_y(PHOTO, BLURRED)


def test_identical_images_are_infinitely_and_wholly_alike():
    assert metrics.psnr_y(PHOTO, PHOTO.copy()) == math.inf
    assert metrics.ssim_y(PHOTO, PHOTO.copy()) == pytest.approx(1.0, abs=1e-12)


def test_both_are_symmetric_and_at_home_in_the_smallest_image():
    small, other = PHOTO[:19, :19], BLURRED[:19, :19]
    assert metrics.psnr_y(small, other) == metrics.psnr_y(other, small)
    assert metrics.ssim_y(small, other) == pytest.approx(metrics.ssim_y(other, small), abs=1e-12)


@pytest.mark.parametrize("metric", [metrics.psnr_y, metrics.ssim_y])
def test_unequal_shapes_are_refused(metric):
    with pytest.raises(SRGANError, match=r"unequal shapes .*\(300, 448, 3\) and \(300, 444, 3\)"):
        metric(PHOTO, PHOTO[:, :-4])


@pytest.mark.parametrize("name, count, published", [("Set5", 5, 28.43), ("Set14", 14, 26.09), ("BSD100", 100, 25.96)])
def test_bicubic_on_the_benchmarks_comes_out_as_the_literature_has_it(name, count, published, shared_data):
    pairs = evaluation.benchmark(shared_data / "benchmarks" / name)
    measured = [metrics.psnr_y(hr, upscale.bicubic(lr)) for _, lr, hr in pairs]
    assert len(measured) == count
    assert np.mean(measured) == pytest.approx(published, abs=0.02)
