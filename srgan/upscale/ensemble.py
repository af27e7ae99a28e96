"""Geometric self-ensemble: the mean of a network's results over eight orientations. A teacher is a network made better by it.

Most of what HR has beyond the network's best guess cannot be told from LR: to a pixel loss it is noise. A teacher's result has
none of it, so it can stand for HR in training, and a network can learn from itself. (Timofte et al. 2016 on the eight
orientations, Hinton et al. 2015 on distillation.)
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from srgan.config import Config
from srgan.runs import weights
from srgan.upscale import network
from srgan.upscale.network import Upscaler


def self_ensemble(upscaler: Upscaler) -> Upscaler:
    """The mean of the results of `upscaler` for an image flipped or not and turned by 0, 90, 180 and 270 degrees, turned back."""

    def mean(lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8."""
        srs = []
        for image, flip in ((lr, 1), (lr[:, ::-1], -1)):
            for turns in range(4):
                sr = upscaler(np.ascontiguousarray(np.rot90(image, turns)))
                srs.append(np.rot90(sr, -turns)[:, ::flip])
        return np.round(np.mean(srs, axis=0)).astype(np.uint8)

    return mean


class Teacher:
    """A self-ensemble that redraws HR for `preparation.prepare`. Its network is loaded when the first photo needs it."""

    def __init__(self, path: Path):
        """`path`: of the weights. Raises SRGANError if they are missing or have no card."""
        self.sha256, self._path = weights.card(path)["sha256"], path

    @functools.cached_property
    def _upscaler(self) -> Upscaler:
        return self_ensemble(network.load(self._path))

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8. Raises SRGANError if the weights are damaged."""
        return self._upscaler(lr)


def teacher(config: Config) -> Teacher | None:
    """The teacher that `config.data.teacher` names, None where it is empty. Raises SRGANError if there are no such weights."""
    return Teacher(weights.find(config.data.teacher)) if config.data.teacher else None
