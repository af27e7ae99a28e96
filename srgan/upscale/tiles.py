"""Tiles: how an image that is too large for the memory is cut, so that no seam is seen and little is computed twice."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from srgan.config import SCALE
from srgan.models.layers import BicubicUpsampling, PixelShuffle
from srgan.models.layers import Conv2D as PhasedConv2D

SMALLEST = 128**2  # LR pixels that always fit
BUDGET = 2**30  # bytes for what a network computes, or a quarter of what is free if that is less
LIVE = 4.5  # outputs as large as the widest, so much memory at once; measured: 4.3 in bodies, 3.4 in tails
BYTES = 4  # of a number: half precision takes less, and is not counted on
BICUBIC = 3  # LR pixels that the bicubic skip sees to each side


class Span(NamedTuple):
    """Along one axis, in LR pixels: the tile covers begin to end, and of it first to last is kept."""

    begin: int
    end: int
    first: int
    last: int

    @property
    def seen(self) -> slice:
        """Of LR, what the tile covers."""
        return slice(self.begin, self.end)

    @property
    def kept(self) -> slice:
        """Of the tile's SR, what is kept."""
        return slice(SCALE * (self.first - self.begin), SCALE * (self.last - self.begin))

    def narrowed(self, margin: int) -> Span:
        """The same, seeing only `margin` beyond what is kept, or less where the tile sees less."""
        return self._replace(begin=max(self.begin, self.first - margin), end=min(self.end, self.last + margin))

    def needed(self, margin: int) -> slice:
        """Of the tile, what is narrowed to."""
        narrow = self.narrowed(margin)
        return slice(narrow.begin - self.begin, narrow.end - self.begin)


class Sizes(NamedTuple):
    """How large the tiles of an image may be: pixels of the body's, pixels of the tail's, rows of either."""

    body: int
    tail: int
    rows: int


Grid = tuple[tuple[Span, ...], tuple[Span, ...]]  # the rows and the columns of tiles


def sizes(memory: int, body: list[keras.layers.Layer], tail: list[keras.layers.Layer], width: int) -> Sizes:
    """The tiles of an image `width` pixels wide that fit into `memory` bytes.

    A quarter is for SR: two bands of it, one being made and one being used. The body has the rest to itself; the tail
    shares it with the body's features.
    """
    body_pixels = memory * 3 // 4 // bytes_per_pixel(body)
    features = BYTES * _widest(body) * body_pixels
    rows = memory // 8 // (3 * SCALE**2 * width)
    return Sizes(body_pixels, (memory * 3 // 4 - features) // bytes_per_pixel(tail), rows)


@functools.lru_cache
def grid(height: int, width: int, pixels: int, overlap: int, tallest: int) -> Grid:
    """Of all cuts into equal tiles of `pixels` pixels at most, none of more rows than `tallest`, the one that computes least.

    So small a tile that most of it would be overlap is not taken: then `pixels` and `tallest` are exceeded.
    """
    pixels, tallest = max(pixels, 16 * overlap**2, 1), max(tallest, 4 * overlap, 1)
    cuts = []
    for rows in range(1, max(height - 2 * overlap, 1) + 1):
        tall = side(height, rows, overlap)
        if tall <= tallest and pixels // tall > min(2 * overlap, width - 1):
            columns = _fewest(width, pixels // tall, overlap)
            cuts.append((rows * tall * columns * side(width, columns, overlap), rows, columns))
    _, rows, columns = min(cuts)
    return tuple(spans(height, rows, overlap)), tuple(spans(width, columns, overlap))


def spans(length: int, count: int, overlap: int) -> list[Span]:
    """`length` cut into `count` tiles of equal length that see `overlap` pixels or more beyond what is kept of them.

    The outer tiles end where the image ends, so that the network pads them as it pads the image.
    """
    each = side(length, count, overlap)
    begins = [i * (length - each) // max(count - 1, 1) for i in range(count)]
    seams = [0, *((here + each + there) // 2 for here, there in itertools.pairwise(begins)), length]
    return [Span(begin, begin + each, *seams[i : i + 2]) for i, begin in enumerate(begins)]


def side(length: int, count: int, overlap: int) -> int:
    """How long each of `count` tiles must be to cover `length`."""
    return math.ceil((length + 2 * overlap * (count - 1)) / count)


def _fewest(length: int, longest: int, overlap: int) -> int:
    """How many tiles of at most `longest` cover `length`."""
    return 1 if length <= longest else math.ceil((length - 2 * overlap) / (longest - 2 * overlap))


def radius(layers: Iterable[keras.layers.Layer]) -> int:
    """How many LR pixels away an input can be and still change an output: the most that the convolutions on a way see together."""
    return math.ceil(max(seen for _, seen, _ in _walk(layers)))


def bytes_per_pixel(layers: Iterable[keras.layers.Layer]) -> int:
    """The memory that inference by these layers, one half of a network, takes for each LR pixel."""
    return int(LIVE * BYTES * _widest(layers))


def _widest(layers: Iterable[keras.layers.Layer]) -> int:
    """The most numbers that the output of a layer has for each LR pixel."""
    return max(layer.output.shape[-1] * scale**2 for layer, _, scale in _walk(layers))


def _walk(layers: Iterable[keras.layers.Layer]) -> Iterator[tuple[keras.layers.Layer, float, int]]:
    """Each layer, how many LR pixels its output sees to each side of what goes into `layers`, and how much larger it is."""
    known: dict[int, tuple[float, int]] = {}
    for layer in layers:
        sources = [known.get(id(tensor), (0.0, 1)) for tensor in keras.tree.flatten(layer.input)]
        seen, scale = (max(values) for values in zip((0.0, 1), *sources, strict=True))  # an input layer has no source
        if isinstance(layer, keras.layers.Conv2D):
            seen += (layer.kernel_size[0] // 2) / (scale * _enlargement(layer))
        if isinstance(layer, BicubicUpsampling):
            seen += BICUBIC
        known[id(layer.output)] = seen, scale * _enlargement(layer)
        yield layer, *known[id(layer.output)]


def _enlargement(layer: keras.layers.Layer) -> int:
    if isinstance(layer, PixelShuffle):
        return layer.factor
    if isinstance(layer, PhasedConv2D):
        return 1 if layer.shuffled else 2
    if isinstance(layer, BicubicUpsampling):
        return SCALE
    return layer.size[0] if isinstance(layer, keras.layers.UpSampling2D) else 1


def spare() -> int:
    """BUDGET, or a quarter of the memory that is free now if that is less."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file() and not tf.config.list_physical_devices("GPU"):
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return min(BUDGET, int(line.split()[1]) * 1024 // 4)
    return BUDGET
