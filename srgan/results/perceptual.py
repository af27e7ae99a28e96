"""Measures of how pictures look that are no means of pixel errors. Those that need a file are here only where it is named.

Each `open_...` gives a measure ready for use, or None where what it needs is not here (docs/lpips.md).
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from srgan.config import SCALE
from srgan.models import lpips
from srgan.results import frechet_features, metrics, niqe

Function = Callable[[np.ndarray, np.ndarray], float]  # (HR, SR), both (H, W, 3) uint8; NaN: cannot be measured of these
TILE = 96  # side in pixels of the patches that the Fréchet distance compares
CELLS = 8  # side of a window of the grid measure, in cells of 4x4 pixels


def grid(image: np.ndarray) -> float:
    """How strongly the 16 places of a 4x4 cell stand out, (H, W, 3) uint8: a pattern of period 4 or 2 drives it up.

    Luma's mean of each place over windows of 8x8 cells, less the mean of all places: of this the mean absolute value, in levels;
    NaN where no window fits in. Texture gives some of it by chance, so it is to be read beside that of HR.
    """
    y = metrics.luma(image)
    side = SCALE * CELLS
    rows, columns = (length // side for length in y.shape)
    if not rows or not columns:
        return float("nan")
    cells = y[: rows * side, : columns * side].reshape(rows, CELLS, SCALE, columns, CELLS, SCALE)
    places = cells.mean(axis=(1, 4))  # (rows, 4, columns, 4)
    return float(np.abs(places - places.mean(axis=(1, 3), keepdims=True)).mean())


def tiles(image: np.ndarray) -> Iterator[np.ndarray]:
    """The patches of 96x96 pixels that fit into (H, W, 3), from the top left, without overlap."""
    for top in range(0, image.shape[0] - TILE + 1, TILE):
        for left in range(0, image.shape[1] - TILE + 1, TILE):
            yield image[top : top + TILE, left : left + TILE]


class _StLpips:
    """The shift-tolerant LPIPS with AlexNet."""

    def __init__(self):
        self._depths, self._hr = lpips.load("alex"), None

    def __call__(self, hr: np.ndarray, sr: np.ndarray) -> float:
        if hr is not self._hr:  # all methods meet the same HR, one after the other
            self._hr, self._of_hr = hr, self._depths(_to_float(hr))
        return float(lpips.distance(self._depths, self._of_hr, _to_float(sr))[0])


def open_st_lpips() -> Function | None:
    """The shift-tolerant LPIPS with AlexNet, where SRGAN_LPIPS_ALEX names its file."""
    return _StLpips() if os.environ.get(lpips.VARIABLES["alex"]) else None


def open_lpips() -> Function | None:
    """LPIPS with AlexNet as papers give it, where the package `lpips` is installed (it fetches AlexNet's weights once)."""
    if importlib.util.find_spec("lpips") is None:
        return None
    import lpips as package  # it and PyTorch take long to load
    import torch

    try:
        network = package.LPIPS(net="alex", verbose=False)
    except Exception as error:  # whatever the download of AlexNet raises
        warnings.warn(f"LPIPS is left out: the package lpips could not load its network ({error}).", stacklevel=2)
        return None

    def tensor(image: np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 127.5 - 1.0)

    def distance(hr: np.ndarray, sr: np.ndarray) -> float:
        with torch.no_grad():
            return float(network(tensor(hr), tensor(sr)))

    return distance


def open_niqe() -> Function | None:
    """NIQE of SR, where SRGAN_NIQE names the statistics of photos."""
    if not os.environ.get("SRGAN_NIQE"):
        return None
    photos = niqe.load()
    return lambda hr, sr: niqe.niqe(sr, photos)


def open_features() -> frechet_features.Extractor | None:
    """MobileNet's features for a Fréchet distance, where SRGAN_MOBILENET names its file."""
    named = os.environ.get("SRGAN_MOBILENET")
    return frechet_features.mobilenet(named) if named else None


def _to_float(image: np.ndarray) -> tf.Tensor:
    return tf.constant(image[None] / 127.5 - 1.0, tf.float32)
