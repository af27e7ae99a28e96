"""Upscaling by 4: a trained generator, or the classic filters, from uint8 LR to uint8 SR."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from srgan import precision, tiles, weights
from srgan.config import SCALE, Config
from srgan.folding import folded
from srgan.images import resize

Upscaler = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8


def nearest(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.NEAREST)


def bicubic(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.BICUBIC)


class Network:
    """An upscaler by a generator, traced once for images of every size; large ones go through it in tiles.

    `tile`: the side of a tile in LR pixels; 0: as large as the memory allows that there is now. A tile overlaps its
    neighbours by all that the network can see, so the result is that of the whole image but for rounding.
    """

    def __init__(self, generator: keras.Model, tile: int = 0):
        self._generator, self._tile = generator, tile

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8)])
        def infer(lr):
            sr = generator(tf.cast(lr, tf.float32) / 255.0, training=False)
            return tf.saturate_cast(tf.round((sr + 1.0) * 127.5), tf.uint8)

        self._infer = infer

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8."""
        return np.concatenate(list(self.bands(lr)))

    def batch(self, lr: np.ndarray) -> np.ndarray:
        """(B, H, W, 3) uint8 -> (B, 4 H, 4 W, 3) uint8, without tiles."""
        return self._infer(tf.constant(lr)).numpy()

    def bands(self, lr: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of SR from top to bottom, in bands (h, 4 W, 3) uint8, so that SR as a whole need not be in memory."""
        side = self._tile or (tiles.side(self._generator) if max(lr.shape[:2]) > tiles.SMALLEST else tiles.SMALLEST)
        overlap = tiles.radius(self._generator) if max(lr.shape[:2]) > side else 0
        columns = list(tiles.spans(lr.shape[1], side, overlap))
        for row in tiles.spans(lr.shape[0], side, overlap):
            parts = []
            for column in columns:
                sr = self.batch(lr[None, row.begin : row.end, column.begin : column.end])[0]
                parts.append(sr[_inside(row), _inside(column)])
            yield np.concatenate(parts, axis=1)


def network(generator: keras.Model, tile: int = 0) -> Network:
    """An upscaler by `generator` as it is: it follows the weights while they are trained."""
    return Network(generator, tile)


def fast(generator: keras.Model, config: Config, wanted: str = "auto") -> Network:
    """An upscaler by a copy of `generator`, of the network that `config` describes, made for speed.

    Batch norm is folded into the convolutions, and numbers are of the kind that this machine computes fastest in
    (`wanted` as in `precision.resolve`), unless the probe shows that this moves more than one pixel value in a thousand by
    more than one level: then it is float32.
    """
    exact = Network(folded(generator, config))
    policy = precision.resolve(wanted)
    if policy == "float32":
        return exact
    reduced = Network(folded(generator, config, policy))
    return reduced if agree(exact, reduced) else exact


def load(path: Path) -> Network:
    """The upscaler of the weights at `path`, made for speed. Raises SRGANError as `weights.load` does."""
    return fast(weights.load(path), Config(**weights.card(path)["network"]))


def agree(exact: Network, reduced: Network, share: float = 0.999) -> bool:
    """Whether at least `share` of the values of a probe image differ by one level at most."""
    difference = np.abs(exact(probe()).astype(int) - reduced(probe()))
    return bool(np.mean(difference <= 1) >= share)


def probe(side: int = 96) -> np.ndarray:
    """A picture (side, side, 3) uint8 with smooth ground, fine texture and hard edges."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (side // 12, side // 12, 3), np.uint8))
    picture = np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC)).astype(float)
    picture[: side // 2] += rng.normal(0, 20, (side // 2, side, 3))
    picture[:, : side // 3] = np.where((np.arange(side) // 5 % 2)[:, None, None], 235, picture[:, : side // 3])
    return np.clip(picture, 0, 255).astype(np.uint8)


def _inside(span: tiles.Span) -> slice:
    """The rows (columns) of a tile's SR that are its own."""
    return slice(SCALE * (span.first - span.begin), SCALE * (span.last - span.begin))
