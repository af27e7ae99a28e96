"""How restless a film becomes: what flickers in its still regions after upscaling, beside bicubic's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
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


def frames(path: Path) -> Iterator[tuple[np.ndarray, bool]]:
    """The film's frames, (H, W, 3) uint8, and whether each is a key frame. Raises SRGANError for what is no video."""
    with Source(path) as source:
        like = source.frame_format()
        for item in source.items([]):
            yield video_frames.to_rgb(item, like), item.key_frame


def still(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where nothing moves between two frames (H, W, 3) uint8, as (4 H, 4 W) of bool."""
    change = gaussian_filter(metrics.luma(after) - metrics.luma(before), COARSE)
    return np.kron(np.abs(change) < STILL, np.ones((SCALE, SCALE), bool))


def high_band(image: np.ndarray) -> np.ndarray:
    y = metrics.luma(image)
    return y - gaussian_filter(y, FINE)


class Flicker:
    """Mean absolute difference of the high bands of consecutive SR frames where LR is still, in levels; NaN where all moves."""

    def __init__(self):
        self._before: tuple[np.ndarray, np.ndarray] | None = None
        self._changes, self._pixels = 0.0, 0

    def add(self, lr: np.ndarray, sr: np.ndarray) -> None:
        """The next frame: LR (h, w, 3) and SR (4 h, 4 w, 3) uint8."""
        fine = high_band(sr)
        if self._before is not None:
            old_lr, old_fine = self._before
            mask = still(old_lr, lr)
            self._changes += float(np.abs(fine - old_fine)[mask].sum())
            self._pixels += int(mask.sum())
        self._before = lr, fine

    @property
    def value(self) -> float:
        return self._changes / self._pixels if self._pixels else float("nan")


def both(film: list[tuple[np.ndarray, bool]], upscaler: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The flicker of SR as the network makes it, and as a film shows it (upscale/steady.py)."""
    by_itself, shown, steady = Flicker(), Flicker(), Steady()
    for lr, key in film:
        sr = upscaler(lr)
        by_itself.add(lr, sr)
        shown.add(lr, steady(lr, sr, key))
    return by_itself.value, shown.value


def table(path: Path, names: list[str], most: int) -> Table:
    """Bicubic, then each method, on the first `most` frames. Raises SRGANError for a film without two frames or without flicker."""
    film = list(itertools.islice(frames(path), most))
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
