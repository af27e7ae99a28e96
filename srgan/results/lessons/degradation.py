"""Notebook 01: making a photo small in the right way and in two wrong ones, and what that does to its spectrum."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from srgan.config import SCALE
from srgan.data import images
from srgan.results import metrics, palette


def ways(hr: np.ndarray) -> dict[str, np.ndarray]:
    """LR of HR (H, W, 3) uint8, both sides multiples of 4, in three ways; the last is the one that everybody uses."""
    four = [hr[row::SCALE, column::SCALE].astype(float) for row in (1, 2) for column in (1, 2)]  # around each centre
    return {
        "every 4th pixel": hr[::SCALE, ::SCALE],
        "bilinear, no antialiasing": np.round(np.mean(four, axis=0)).astype(np.uint8),
        "degrade": images.degrade(hr),
    }


def radial_spectrum(image: np.ndarray, rings: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Mean power of luma for each ring of spatial frequencies of (H, W, 3) uint8: (cycles a pixel, power), from 0 to 0.5."""
    y = metrics.luma(image)
    window = np.outer(np.hanning(y.shape[0]), np.hanning(y.shape[1]))  # the picture's ends do not meet: no jump there
    power = np.abs(np.fft.fft2((y - y.mean()) * window)) ** 2 / np.sum(window**2)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(y.shape[1]), np.fft.fftfreq(y.shape[0])))
    ring = np.minimum((frequency / 0.5 * rings).astype(int), rings)
    sums, counts = (np.bincount(ring.ravel(), weights, rings + 1)[:rings] for weights in (power.ravel(), None))
    return (np.arange(rings) + 0.5) / rings * 0.5, sums / counts


def spectra(pictures: dict[str, np.ndarray]) -> Figure:
    """The radial spectra of several LR by their names: what lies high at the right end is false detail."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.subplots()
    for (name, picture), color in zip(pictures.items(), (palette.RED, palette.ORANGE, palette.BLUE), strict=False):
        axes.semilogy(*radial_spectrum(picture), color=color, label=name)
    axes.set(xlabel="frequency, cycles per LR pixel", ylabel="power of luma")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
