"""How restless a film becomes: what flickers in its still regions after upscaling, beside bicubic's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from srgan.config import SCALE
from srgan.errors import SRGANError
from srgan.results import measuring, metrics
from srgan.results.tables import Table
from srgan.upscale import video_frames
from srgan.upscale.steady import Steady
from srgan.upscale.video_reader import Source

FINE = 2.0  # sigma, pixels: what a Gaussian of this width takes away is the high band
COARSE = 2.0  # sigma, LR pixels: what is left under this one tells whether something moves
STILL = 1.5  # levels of luma that it may change by


def frames(path: Path) -> Iterator[np.ndarray]:
    """The film's frames, (H, W, 3) uint8. Raises SRGANError for what is no video."""
    with Source(path) as source:
        like = source.frame_format()
        for item in source.items([]):
            yield video_frames.to_rgb(item, like)


def still(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where nothing moves between two frames (H, W, 3) uint8, as (4 H, 4 W) of bool."""
    change = gaussian_filter(metrics.luma(after) - metrics.luma(before), COARSE)
    return np.kron(np.abs(change) < STILL, np.ones((SCALE, SCALE), bool))


def high_band(image: np.ndarray) -> np.ndarray:
    y = metrics.luma(image)
    return y - gaussian_filter(y, FINE)


def flicker(film: Iterable[np.ndarray], upscaler: Callable[[np.ndarray], np.ndarray]) -> float:
    """Mean absolute difference of the high bands of consecutive SR frames where LR is still, in levels; NaN where all moves."""
    changes, pixels = 0.0, 0
    seen = ((lr, high_band(upscaler(lr))) for lr in film)
    for (before, old), (after, new) in pairwise(seen):
        mask = still(before, after)
        changes, pixels = changes + float(np.abs(new - old)[mask].sum()), pixels + int(mask.sum())
    return changes / pixels if pixels else float("nan")


def both(film: list[np.ndarray], upscaler: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The flicker of SR as the network makes it, and as a film shows it (upscale/steady.py)."""
    steady = Steady()
    return flicker(film, upscaler), flicker(film, lambda lr: steady(lr, upscaler(lr)))


def table(path: Path, names: list[str], most: int) -> Table:
    """Bicubic, then each method, on the first `most` frames. Raises SRGANError for a film without two frames or without flicker."""
    film = [lr for lr, _ in zip(frames(path), range(most), strict=False)]
    if len(film) < 2:
        raise SRGANError(f"{path} has {len(film)} frame: flicker is between frames. Take a video.")
    values = {name: both(film, measuring.method(name).open()) for name in dict.fromkeys(["bicubic", *names])}
    bicubic = values["bicubic"][0]
    if not bicubic > 0:
        raise SRGANError(f"{path}: nothing flickers in still regions of its first {len(film)} frames. Take a film from a tripod.")
    rows = [
        (name, *(text for value in pair for text in (f"{value:.3f}", f"{value / bicubic:.2f}"))) for name, pair in values.items()
    ]
    head = ("of each frame by itself, levels", "against bicubic", "of the film, levels", "against bicubic")
    return Table((f"{path.name}, {len(film)} frames", *head), rows)
