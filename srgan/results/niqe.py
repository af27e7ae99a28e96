"""NIQE: how unlike photos an image's statistics are, without a reference (Mittal et al. 2013); smaller is better.

Luma is divided by its local contrast; what is left is, in natural images, distributed in a known way. 18 numbers of that
distribution for each block of 96x96 pixels, at two scales, form a Gaussian whose distance to that of sharp photos is NIQE. The
Gaussian of photos and the window come from an .npz that SRGAN_NIQE names: mu_pris_param (1, 36), cov_pris_param (36, 36),
gaussian_window (7, 7), as BasicSR has it (niqe_pris_params.npz, Apache-2.0).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import correlate
from scipy.special import gamma

from srgan.errors import SRGANError
from srgan.results import metrics

BLOCK = 96  # pixels, at the first scale
_SHAPES = np.arange(0.2, 10.001, 0.001)  # of the distributions that are looked up
_MOMENTS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))  # E|x|^2 / E x^2 of each


class Photos(NamedTuple):
    """The statistics of sharp photos."""

    mean: np.ndarray
    covariance: np.ndarray
    window: np.ndarray


def load() -> Photos:
    """The statistics in the file that SRGAN_NIQE names. Raises SRGANError if there are none."""
    named = os.environ.get("SRGAN_NIQE")
    if not named:
        raise SRGANError("NIQE needs the statistics of photos: SRGAN_NIQE=FILE, the niqe_pris_params.npz of BasicSR.")
    try:
        with np.load(Path(named).expanduser(), allow_pickle=False) as arrays:
            return Photos(arrays["mu_pris_param"].ravel(), arrays["cov_pris_param"], arrays["gaussian_window"])
    except Exception as error:  # of a damaged file NumPy and zipfile raise many kinds
        raise SRGANError(f"{named} does not hold the statistics that NIQE needs ({error}).") from error


def niqe(image: np.ndarray, photos: Photos) -> float:
    """NIQE of (H, W, 3) uint8; NaN where not two blocks of 96x96 fit into it."""
    y = np.round(metrics.luma(image))
    rows, columns = (length // BLOCK for length in y.shape)
    if rows * columns < 2:
        return float("nan")
    y = y[: rows * BLOCK, : columns * BLOCK]
    scales = [_blocks(y, BLOCK, photos.window), _blocks(_halved(y), BLOCK // 2, photos.window)]
    numbers = np.concatenate(scales, axis=1)
    numbers = numbers[~np.isnan(numbers).any(axis=1)]  # flat blocks have no distribution
    if len(numbers) < 2:
        return float("nan")
    difference = photos.mean - numbers.mean(axis=0)
    pooled = (photos.covariance + np.cov(numbers, rowvar=False)) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(pooled) @ difference))


def _halved(y: np.ndarray) -> np.ndarray:
    """Half the size, antialiased bicubic."""
    size = y.shape[1] // 2, y.shape[0] // 2
    return np.asarray(Image.fromarray(y.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), np.float64)


def _blocks(y: np.ndarray, side: int, window: np.ndarray) -> np.ndarray:
    """The numbers of each block of `side` pixels, (blocks, 18)."""
    mean = correlate(y, window, mode="nearest")
    contrast = np.sqrt(np.abs(correlate(y * y, window, mode="nearest") - mean**2))
    normal = (y - mean) / (contrast + 1)
    places = [(top, left) for top in range(0, y.shape[0], side) for left in range(0, y.shape[1], side)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([_numbers(normal[top : top + side, left : left + side]) for top, left in places])


def _numbers(block: np.ndarray) -> list[float]:
    """Of a block: shape and mean spread of its values, and four numbers of its products with each of four neighbours."""
    shape, left, right = _asymmetric(block)
    numbers = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = _asymmetric(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        numbers += [shape, mean, left, right]
    return numbers


def _asymmetric(values: np.ndarray) -> tuple[float, float, float]:
    """Shape, left and right spread of the asymmetric generalised Gaussian that fits `values` by its moments."""
    left = np.sqrt(np.mean(values[values < 0] ** 2))
    right = np.sqrt(np.mean(values[values > 0] ** 2))
    ratio = left / right
    moment = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    moment *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = _SHAPES[np.argmin((_MOMENTS - moment) ** 2)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return float(shape), float(left * scale), float(right * scale)
