"""Geometric self-ensemble: the mean of a network's results over eight orientations. A teacher is a network made better by it.

Most of what HR has beyond the network's best guess cannot be told from LR: to a pixel loss it is noise. A teacher's result has
none of it, so it can stand for HR in training, and a network can learn from itself. (Timofte et al. 2016 on the eight
orientations, Hinton et al. 2015 on distillation.)
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srgan.config import Config
from srgan.runs import weights
from srgan.upscale import network
from srgan.upscale.network import Upscaler


class SelfEnsemble:
    """The mean of the results of `upscaler` for an image flipped or not and turned by 0, 90, 180 and 270 degrees, turned back."""

    def __init__(self, upscaler: Upscaler):
        self._upscaler = upscaler

    @property
    def arithmetic(self) -> str:
        """As in `network.Network`."""
        return self._upscaler.arithmetic

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 or uint16 -> (4 H, 4 W, 3) of the same type."""
        total = np.float32(0)
        for image, flip in ((lr, 1), (lr[:, ::-1], -1)):
            for turns in range(4):
                sr = self._upscaler(np.ascontiguousarray(np.rot90(image, turns)))
                total = total + np.rot90(sr, -turns)[:, ::flip]
        return np.round(total / 8).astype(lr.dtype)

    def bands(self, lr: np.ndarray) -> Iterator[np.ndarray]:
        """SR in one band: it is made as a whole, and held in memory."""
        yield self(lr)


class Teacher:
    """A self-ensemble that redraws HR for `preparation.prepare`. Its network is loaded when the first photo needs it."""

    def __init__(self, path: Path):
        """`path`: of the weights. Raises SRGANError if they are missing or have no card."""
        self.sha256, self._path = weights.card(path)["sha256"], path

    @functools.cached_property
    def _upscaler(self) -> Upscaler:
        return SelfEnsemble(network.load(self._path))

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8. Raises SRGANError if the weights are damaged."""
        return self._upscaler(lr)


def teacher(config: Config) -> Teacher | None:
    """The teacher that `config.data.teacher` names, None where it is empty. Raises SRGANError if there are no such weights."""
    return Teacher(weights.find(config.data.teacher)) if config.data.teacher else None
