"""Upscaling by 4: a trained generator, or the classic filters, from uint8 LR to uint8 SR."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from srgan.config import SCALE, Config, settings
from srgan.data.images import resize
from srgan.models import precision
from srgan.runs import weights
from srgan.upscale import body_and_tail, tiles
from srgan.upscale.border import Bordered
from srgan.upscale.folding import folded
from srgan.upscale.strength import mixed

Upscaler = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8


def nearest(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.NEAREST)


def bicubic(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.BICUBIC)


class Half(NamedTuple):
    """One half of a generator: as a traced function, and its layers."""

    run: Callable[..., tf.Tensor]
    layers: list[keras.layers.Layer]


class Network:
    """An upscaler by a generator, traced once for images of every size; large ones go through it in tiles.

    `memory`: about how many bytes an image may take beside itself and its SR; 0: what can be spared (`tiles.spare`). Tiles
    overlap by all that the network can see, so the result is that of the whole image but for rounding. `pixels`: the type
    of LR and SR, uint8 or uint16; images of the other type are taken as well, those of 16 bits by `exact` where that is given.
    """

    def __init__(self, generator: keras.Model, memory: int = 0, pixels: tf.DType = tf.uint8, exact: keras.Model | None = None):
        self._generator, self._memory, self._pixels, self._exact = generator, memory, pixels, exact or generator
        self.arithmetic = "in float32"  # and why, in words
        whole = lambda lr: _to_pixels(generator(_to_float(lr), training=False), pixels)  # noqa: E731
        self._whole = tf.function(whole, input_signature=[self._images])

    @property
    def _images(self) -> tf.TensorSpec:
        return tf.TensorSpec((None, None, None, 3), self._pixels)

    @functools.cached_property
    def _deep(self) -> Network:
        """The same for 16 bits a channel."""
        return Network(self._exact, self._memory, tf.uint16)

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 or uint16 -> (4 H, 4 W, 3) of the same type."""
        bands = self.bands(lr)
        first = next(bands)
        if len(first) == SCALE * lr.shape[0]:
            return np.ascontiguousarray(first)
        sr = np.empty((SCALE * lr.shape[0], *first.shape[1:]), first.dtype)
        done = 0
        for band in itertools.chain([first], bands):
            sr[done : done + len(band)] = band
            done += len(band)
        return sr

    def batch(self, lr: np.ndarray) -> np.ndarray:
        """(B, H, W, 3) uint8 -> (B, 4 H, 4 W, 3) uint8: patches, without tiles and without a border."""
        return self._whole(tf.constant(lr)).numpy()

    def bands(self, lr: np.ndarray) -> Iterator[np.ndarray]:
        """The rows of SR from top to bottom, in bands (h, 4 W, 3), so that SR as a whole need not be in memory."""
        if lr.dtype != self._pixels.as_numpy_dtype:
            yield from self._deep.bands(lr)
            return
        bordered = Bordered(lr)
        (height, width), memory = bordered.shape, self._memory or tiles.spare()
        small = lr.shape[0] * lr.shape[1] <= tiles.SMALLEST
        if small or height * width * sum(map(tiles.bytes_per_pixel, body_and_tail.split(self._generator))) <= memory:
            bands = [self.batch(bordered[:, :][None])[0]]
        else:
            body, tail = (half.layers for half in self._halves)
            size = tiles.sizes(memory, body, tail, width)
            grid = tiles.grid(height, width, size.body, tiles.radius(body) + tiles.radius(tail), size.rows)
            bands = _bands(grid, lambda row, column: self._tile(bordered, row, column, size.tail))
        yield from bordered.removed(bands)

    def _tile(self, lr: Bordered, row: tiles.Span, column: tiles.Span, pixels: int) -> np.ndarray:
        """What is kept of the SR of one tile; its tail takes it in smaller ones of `pixels` pixels."""
        body, tail = self._halves
        radius = tiles.radius(tail.layers)
        features = body.run(tf.constant(lr[row.seen, column.seen][None]))
        features = features[:, row.needed(radius), column.needed(radius)]
        row, column = row.narrowed(radius), column.narrowed(radius)
        lr = lr[row.seen, column.seen]

        def run(row: tiles.Span, column: tiles.Span) -> np.ndarray:
            sr = tail.run(features[:, row.seen, column.seen], tf.constant(lr[None, row.seen, column.seen]))
            return sr[0].numpy()[row.kept, column.kept]

        grid = tiles.grid(*lr.shape[:2], pixels, radius, tallest=lr.shape[0])
        return np.concatenate(list(_bands(grid, run)))[row.kept, column.kept]

    @functools.cached_property
    def _halves(self) -> tuple[Half, Half]:
        """Body and tail, each traced once when the first image needs tiles."""
        body, tail = body_and_tail.body(self._generator), body_and_tail.tail(self._generator)
        features = tf.TensorSpec(body.output.shape, body.output.dtype)
        runs = (
            tf.function(lambda lr: body(_to_float(lr), training=False), input_signature=[self._images]),
            tf.function(
                lambda features, lr: _to_pixels(tail(features, _to_float(lr)), self._pixels),
                input_signature=[features, self._images],
            ),
        )
        return tuple(Half(run, layers) for run, layers in zip(runs, body_and_tail.split(self._generator), strict=True))


def _bands(grid: tiles.Grid, run: Callable[[tiles.Span, tiles.Span], np.ndarray]) -> Iterator[np.ndarray]:
    """Row by row of the grid, what `run` makes of its tiles, side by side."""
    rows, columns = grid
    for row in rows:
        parts = (run(row, column) for column in columns)
        first = next(parts)
        if len(columns) == 1:
            yield first
            continue
        band = np.empty((SCALE * (row.last - row.first), SCALE * columns[-1].last, 3), first.dtype)
        for column, part in zip(columns, itertools.chain([first], parts), strict=True):
            band[:, SCALE * column.first : SCALE * column.last] = part
        yield band


def _to_float(lr: tf.Tensor) -> tf.Tensor:
    """Pixels as the generator takes them, in [0, 1]."""
    return tf.cast(lr, tf.float32) / lr.dtype.max


def _to_pixels(sr: tf.Tensor, pixels: tf.DType) -> tf.Tensor:
    """[-1, 1] as pixels of that type; what lies beyond is clipped."""
    return tf.saturate_cast(tf.round((sr + 1.0) * (pixels.max / 2)), pixels)


def network(generator: keras.Model, memory: int = 0) -> Network:
    """An upscaler by `generator` as it is: it follows the weights while they are trained."""
    return Network(generator, memory)


def fast(generator: keras.Model, config: Config, wanted: str = "auto") -> Network:
    """An upscaler by a copy of `generator`, of the network that `config` describes, made for speed.

    Batch norm is folded into the convolutions, and numbers are of the kind that this machine computes fastest in
    (`wanted` as in `precision.resolve`), unless the probe shows that this moves more than one pixel value in a thousand by
    more than one level: then its sums are float32, and if that is not enough, all of it. Images of 16 bits a channel have
    levels too fine for half precision: always float32.
    """
    exact = folded(generator, config)
    policy = precision.resolve(wanted)
    if policy == "float32":
        return Network(exact)
    half, upscaler = policy.removeprefix("mixed_"), Network(exact)
    for sums in (None, "float32"):
        reduced = Network(folded(generator, config, policy, sums=sums), exact=exact)
        if agree(upscaler, reduced):
            reduced.arithmetic = f"in {half}, which is fastest here" + ", but for the sums around its blocks" * bool(sums)
            return reduced
    upscaler.arithmetic = f"in float32: with these weights the faster {half} would be seen in the picture"
    return upscaler


def load(path: Path, strength: float = 1.0) -> Network:
    """The upscaler of the weights at `path`, made for speed. Raises SRGANError as `weights.load` does.

    `strength` below 1: mixed with those of the project's SRResNet, from which they must have been trained (strength.py).
    """
    generator = weights.load(path) if strength == 1 else mixed(weights.find("srresnet"), path, strength)
    return fast(generator, settings(**weights.card(path)["network"]))


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
