"""PSNR and SSIM as the super-resolution literature reports them: on luma of uint8 images, 4 pixels of border cut."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from srgan.config import SCALE
from srgan.errors import SRGANError

BORDER = SCALE  # pixels cut on each side before measuring
SMALLEST = 11 + 2 * BORDER  # side in pixels of an image that one SSIM window fits in


def luma(image: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 in studio range, 16 to 235: (H, W, 3) uint8 -> (H, W) float64."""
    return 16.0 + image.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255.0


def psnr_y(hr: np.ndarray, sr: np.ndarray) -> float:
    """Peak signal-to-noise ratio of luma in dB; infinite for equal images. Shapes as for `ssim_y`."""
    error = np.mean(np.square(_inner(hr, sr)[0] - _inner(hr, sr)[1]))
    return float(10 * np.log10(255.0**2 / error)) if error else float("inf")


def ssim_y(hr: np.ndarray, sr: np.ndarray) -> float:
    """Structural similarity of luma (Wang et al. 2004: Gaussian window 11x11, sigma 1.5), by scikit-image.

    `hr` and `sr`: (H, W, 3) uint8, equal shapes, sides of 19 or more. Raises SRGANError for others.
    """
    return float(
        structural_similarity(*_inner(hr, sr), data_range=255.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    )


def _inner(hr: np.ndarray, sr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Luma of both without the border."""
    if hr.shape != sr.shape:
        raise SRGANError(f"Images of unequal shapes cannot be compared: {hr.shape} and {sr.shape}.")
    if min(hr.shape[:2]) < SMALLEST:
        raise SRGANError(f"Images of {hr.shape[1]}x{hr.shape[0]} are too small to be measured: both sides need {SMALLEST} pixels.")
    cut = slice(BORDER, -BORDER)
    return luma(hr)[cut, cut], luma(sr)[cut, cut]
