"""PSNR and SSIM as the super-resolution literature reports them: of uint8 images, 4 pixels of border cut.

Two windows are in use for SSIM, and their numbers differ: `ssim_y` takes the Gaussian one of Wang et al. 2004, 11x11,
`ssim_y_uniform` scikit-image's own, 7x7.
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from srgan.config import SCALE
from srgan.errors import SRGANError

BORDER = SCALE  # pixels cut on each side before measuring
SMALLEST = 11 + 2 * BORDER  # side in pixels of an image that the larger of the SSIM windows fits in


def luma(image: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 in studio range, 16 to 235: (H, W, 3) uint8 -> (H, W) float64."""
    return 16.0 + image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255.0


def psnr_y(hr: np.ndarray, sr: np.ndarray) -> float:
    """Peak signal-to-noise ratio of luma in dB; infinite for equal images. Shapes as for `ssim_y`."""
    return _psnr(*_inner_luma(hr, sr))


def psnr_rgb(hr: np.ndarray, sr: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of red, green and blue together; infinite for equal images. Shapes as for `ssim_y`."""
    return _psnr(*(image.astype(np.float64) for image in _inner(hr, sr)))


def ssim_y(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity of luma (Wang et al. 2004: Gaussian window 11x11, sigma 1.5), by scikit-image.

    `hr` and `sr`: (H, W, 3) uint8, equal shapes, sides of 19 or more. Raises SRGANError for others.
    """
    return float(
        structural_similarity(*_inner_luma(hr, sr), data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def ssim_y_uniform(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity of luma with the uniform window 7x7 and sample (n - 1) covariances, scikit-image's defaults.

    Shapes as for `ssim_y`.
    """
    return float(structural_similarity(*_inner_luma(hr, sr), data_range=255.0, win_size=7))


def detail(hr: np.ndarray, sr: np.ndarray) -> float:
    """How much fine detail SR has, against HR's: the ratio of the standard deviations of the Laplacian of luma.

    1: as much, less: softer, more: sharper or noisier than HR; whether it is the right detail it does not tell. Shapes as for
    `ssim_y`. Infinite where HR has none at all.
    """
    of_hr, of_sr = (_laplacian(y).std() for y in _inner_luma(hr, sr))
    return float(of_sr / of_hr) if of_hr else float("inf")


def _laplacian(y: np.ndarray) -> np.ndarray:
    """The four neighbours less four times the pixel, where all of them are."""
    return y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]


def _psnr(hr: np.ndarray, sr: np.ndarray) -> float:
    error = np.mean(np.square(hr - sr))
    return float(10 * np.log10(255.0**2 / error)) if error else float("inf")


def _inner_luma(hr: np.ndarray, sr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma of both without the border."""
    hr, sr = _inner(hr, sr)
    return luma(hr), luma(sr)


def _inner(hr: np.ndarray, sr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without the border."""
    if hr.shape != sr.shape:
        raise SRGANError(f"Images of unequal shapes cannot be compared: {hr.shape} and {sr.shape}.")
    if min(hr.shape[:2]) < SMALLEST:
        raise SRGANError(f"Images of {hr.shape[1]}x{hr.shape[0]} are too small to be measured: both sides need {SMALLEST} pixels.")
    cut = slice(BORDER, -BORDER)
    return hr[cut, cut], sr[cut, cut]
