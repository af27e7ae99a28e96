"""The measures of pictures: what each is, which of them can be had here, and their values for images and sets.

PSNR and SSIM stand beside measures of looks: perception is bought with distortion (Blau and Michaeli 2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from srgan.results import frechet, metrics, perceptual
from srgan.results.perceptual import Function

HR = "HR"  # the row of the ground truth's own values


def nearest_to_one(values: Iterable, key: Callable) -> float | None:
    return min(values, key=lambda value: abs(key(value) - 1))


class Measure(NamedTuple):
    """One number for a picture: how it is taken, shown and compared."""

    open: Callable[[], Callable | None]  # gives the function; None where what it needs is not here
    heading: str  # of its column
    about: str  # what results.json says of it
    decimals: int  # shown
    best: Callable | None = max  # of several values: max, min, nearest_to_one; None: to be read beside HR's
    needs: str = ""  # what must be there
    of_hr: bool = False  # HR has a value of its own, beside which the others are to be read


def _plain(function: Function) -> Callable[[], Function]:
    return lambda: function


# A new measure is one line here: tables, results.json, the report, cards and notebook 05 then have it.
MEASURES = {
    "psnr_y": Measure(_plain(metrics.psnr_y), "PSNR-Y, dB", "PSNR of luma, dB; null: infinite, as the image equals HR", 2),
    "ssim_y": Measure(_plain(metrics.ssim_y), "SSIM-Y", "SSIM of luma, Gaussian window 11x11, sigma 1.5", 4),
    "ssim_y_uniform": Measure(_plain(metrics.ssim_y_uniform), "SSIM-Y 7x7", "SSIM of luma, uniform window 7x7", 4),
    "psnr_rgb": Measure(
        _plain(metrics.psnr_rgb),
        "PSNR-RGB, dB",
        "PSNR of red, green and blue together, dB; null: infinite, as the image equals HR",
        2,
    ),
    "st_lpips": Measure(perceptual.open_st_lpips, "ST-LPIPS", "shift-tolerant LPIPS, AlexNet", 3, min, "SRGAN_LPIPS_ALEX=FILE"),
    "lpips": Measure(perceptual.open_lpips, "LPIPS", "LPIPS, AlexNet, by the package lpips", 3, min, "the package lpips"),
    "frechet": Measure(
        perceptual.open_features,
        "Fréchet",
        "squared Fréchet distance of MobileNet v1 0.75's features, patches of 96 from the top left, without overlap",
        0,
        min,
        "SRGAN_MOBILENET=FILE",
    ),
    "niqe": Measure(
        perceptual.open_niqe, "NIQE", "NIQE of the whole picture, BasicSR's statistics", 2, min, "SRGAN_NIQE=FILE", of_hr=True
    ),
    "grid": Measure(
        _plain(lambda hr, sr: perceptual.grid(sr)),
        "grid",
        "how far the means of the 16 places of a 4x4 cell lie apart, in levels of luma, over windows of 8x8 cells",
        2,
        None,
        of_hr=True,
    ),
    "detail": Measure(_plain(metrics.detail), "detail", "fine detail of luma against HR's; 1: as much", 2, nearest_to_one),
}


class Judge:
    """The measures that can be had here, opened."""

    def __init__(self, keys: Iterable[str] = tuple(MEASURES)):
        opened = {key: MEASURES[key].open() for key in keys}
        self.keys = tuple(key for key, function in opened.items() if function)
        self._extract = opened.pop("frechet", None)
        self._functions = {key: function for key, function in opened.items() if function}

    def of_image(self, hr: np.ndarray, sr: np.ndarray) -> dict[str, float | None]:
        """{measure: number}, without those that cannot be taken of so small a picture.

        An infinite PSNR is None: JSON knows no infinity.
        """
        return _finite({key: function(hr, sr) for key, function in self._functions.items()})

    def of_hr(self, hr: np.ndarray) -> dict[str, float | None]:
        """{measure: number} of those that HR has a value of its own of."""
        return _finite({key: function(hr, hr) for key, function in self._functions.items() if MEASURES[key].of_hr})

    def features(self, picture: np.ndarray) -> list[np.ndarray]:
        """The features (N, D) of a picture's patches, in a list of one; empty where there are none or nobody asks."""
        patches = list(perceptual.tiles(picture)) if self._extract else []
        return [self._extract(np.stack(patches))] if patches else []


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items() if not math.isnan(value)}


def frechet_distances(features: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """{method: distance to HR} by the features of every method's patches, HR's among them; nothing for fewer than two patches."""
    if sum(map(len, features[HR])) < 2:
        return {}
    gaussians = {name: frechet.fit(np.concatenate(found)) for name, found in features.items()}
    return {name: round(frechet.distance(gaussians[HR], of), 1) for name, of in gaussians.items() if name != HR}


def mean(per_image: dict[str, dict]) -> dict[str, float | None]:
    """The means over the images that a measure could be taken of, None where one is infinite; and how many images there are."""
    means: dict[str, float | None] = {}
    for key, measure in MEASURES.items():
        values = [measured[key] for measured in per_image.values() if key in measured]
        if values:
            means[key] = None if None in values else round(float(np.mean(values)), measure.decimals + 1)
    return means | {"images": len(per_image)}


def left_out(keys: Iterable[str]) -> str:
    """A sentence about the measures that are not among `keys` and what they need; empty if none is missing."""
    keys = {*keys, "lpips"} if "st_lpips" in keys else set(keys)  # one of the two is enough
    missing = [f"{measure.heading} ({measure.needs})" for key, measure in MEASURES.items() if measure.needs and key not in keys]
    return f"Not measured here: {', '.join(missing)}; docs/lpips.md tells how." if missing else ""
