"""Notebook 01: making a photo small in the right way and in two wrong ones, and what photos suffer besides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from srgan.config import SCALE
from srgan.data import degradation, images
from srgan.results import metrics, palette

ALL_PARTS = degradation.Chain(clean=0, blur=1, between=1, noise=1, first_jpeg=1, jpeg=1)  # each takes its turn


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


def sufferings(hr: np.ndarray) -> dict[str, np.ndarray]:
    """LR of HR (H, W, 3) uint8 as it should be, under each part of the chain alone, and under the whole of it; names tell which."""
    clean, rng = images.degrade(hr), np.random.default_rng(4)
    height, width = clean.shape[:2]
    small = degradation.area(hr, round(0.7 * height), round(0.7 * width))
    twice = degradation.jpeg(degradation.jpeg(clean, 50, shift=(3, 5)), 50)
    return {
        "clean": clean,
        "blur, sigma 2": images.degrade(degradation.blur(hr, 2.0, 2.0)),
        "blur, 1 and 5": images.degrade(degradation.blur(hr, 1.0, 5.0, np.pi / 4)),
        "by way of 0.7": images.resize(small, height, width),
        "Gaussian noise, 10": degradation.gaussian_noise(clean, 10, False, rng),
        "gray Poisson noise, 15": degradation.poisson_noise(clean, 15, True, rng),
        "JPEG 50": degradation.jpeg(clean, 50),
        "JPEG 50, twice": twice,
        "the chain, once": degradation.lr_of(hr, ALL_PARTS, np.random.default_rng(1)),
        "the chain, again": degradation.lr_of(hr, ALL_PARTS, np.random.default_rng(2)),
    }


def enlarged(
    lrs: dict[str, np.ndarray], upscaler: Callable[[np.ndarray], np.ndarray], hr: np.ndarray, columns: int = 5
) -> Image.Image:
    """Each LR with SR under it and SR's PSNR-Y in dB, `columns` side by side."""
    names, sheets = list(lrs), []
    for begin in range(0, len(names), columns):
        row = {name: lrs[name] for name in names[begin : begin + columns]}
        srs = [upscaler(lr) for lr in row.values()]
        scored = {f"SR, {metrics.psnr_y(hr, sr):.1f} dB" + " " * i: sr for i, sr in enumerate(srs)}  # equal scores stay apart
        sheets += [images.strip(row, height=200), images.strip(scored, height=200)]
    return images.stack(sheets)
