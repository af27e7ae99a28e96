"""LPIPS as features: unit-normalised, weighted activations at five depths, whose squared distance is the metric.

LPIPS (Zhang et al. 2018) of two images is, summed over five depths l of a trunk,

    sum_l mean_hw sum_c w_lc (f_lc / |f_l| - f'_lc / |f'_l|)^2.

Here in the shift-tolerant form of Ghildyal and Liu (2022): each halving is a maximum of stride 1 and a blur of stride 2, so there
is no pooling grid for a generator to exploit. Weights: an .npz with the arrays of their package stlpips-pytorch (docs/lpips.md).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from srgan.errors import SRGANError
from srgan.models import layers


class Seen(NamedTuple):
    """What a trained network makes of images, a tensor (B, h, w, C) for each depth."""

    compared: list[tf.Tensor]  # place by place; float32
    activations: list[tf.Tensor]  # as they are, of the trunk's own type: how strong they are tells how strong a texture is


Depths = Callable[[tf.Tensor], Seen]  # of images (B, H, W, 3) in [-1, 1]

# What each trunk does, in order: a convolution by its name and padding, "relu", "max2" and "max3" (of stride 1), "blur" (of stride
# 2), and "tap" where a depth ends.
_VGG16 = tuple(
    step
    for depth, convolutions in enumerate(((0, 2), (6, 8), (12, 14, 16), (20, 22, 24), (28, 30, 32)), start=1)
    for step in (
        *(("max2", "blur") if depth > 1 else ()),
        *(part for i in convolutions for part in ((f"net.slice{depth}.{i}", 1), "relu")),
        "tap",
    )
)
_ALEX = (
    ("net.slice1.0", 2), "blur", "relu", "tap",
    "max3", "blur", ("net.slice2.5", 2), "relu", "tap",
    "max3", "blur", ("net.slice3.9", 1), "relu", "tap",
    ("net.slice4.11", 1), "relu", "tap",
    ("net.slice5.13", 1), "relu", "tap",
)  # fmt: skip
TRUNKS = {"vgg16": _VGG16, "alex": _ALEX}
VARIABLES = {"vgg16": "SRGAN_LPIPS", "alex": "SRGAN_LPIPS_ALEX"}  # that name their files


def load(trunk: str, dtype: str = "float32", weighted: bool = True) -> Depths:
    """The features of LPIPS with the trunk "vgg16" (to train by) or "alex" (to measure by), the trunk computing in `dtype`.

    The mean squared difference of what is compared of two images, summed over the depths, is their LPIPS; where it is not
    `weighted` each channel counts alike, and none is left out. The weights are in the file that SRGAN_LPIPS (SRGAN_LPIPS_ALEX)
    names. Raises SRGANError if it is not set, or does not hold them.
    """
    steps, variable = TRUNKS[trunk], VARIABLES[trunk]
    named = os.environ.get(variable)
    if not named:
        raise SRGANError(
            f"LPIPS with the trunk {trunk} needs its weights: {variable}=FILE. docs/lpips.md tells how to make that file."
        )
    weights = _read(Path(named).expanduser(), steps)
    shift, scale = (tf.constant(weights[f"scaling_layer.{name}"].reshape(3), tf.float32) for name in ("shift", "scale"))

    def depths(images: tf.Tensor) -> Seen:
        x, taps, activations = tf.cast((images - shift) / scale, dtype), [], []
        for step in steps:
            if step == "tap":
                activations.append(layers.forked(x))
                taps.append(_unit(x))
                if weighted:
                    taps[-1] *= _roots(weights[f"lin{len(taps) - 1}.model.1.weight"])
            else:
                x = _STEPS[step](x) if isinstance(step, str) else _convolved(x, weights, *step)
        return Seen(taps, activations)

    return depths


def distance(depths: Depths, a: Seen, b: tf.Tensor) -> tf.Tensor:
    """LPIPS of each image, (B, H, W, 3) in [-1, 1], to the one of which `a` was seen -> (B,)."""
    squares = (tf.square(of_a - of_b) for of_a, of_b in zip(a.compared, depths(b).compared, strict=True))
    return tf.add_n([tf.reduce_mean(square, axis=(1, 2, 3)) for square in squares])


def _unit(x: tf.Tensor) -> tf.Tensor:
    """Each place's channels as a vector of unit length, float32."""
    x = tf.cast(x, tf.float32)
    return x * tf.math.rsqrt(tf.reduce_sum(tf.square(x), axis=-1, keepdims=True) + 1e-12)


def _roots(weights: np.ndarray) -> tf.Tensor:
    """The root of each channel's weight and of their number: a mean over channels becomes a sum."""
    weights = weights.reshape(-1).astype(np.float32)
    return tf.constant(np.sqrt(np.maximum(weights, 0) * len(weights)))


def _convolved(x: tf.Tensor, weights: dict[str, np.ndarray], name: str, padding: int) -> tf.Tensor:
    kernel = tf.constant(weights[f"{name}.weight"].transpose(2, 3, 1, 0), x.dtype)
    if padding == kernel.shape[0] // 2:
        sides = "SAME"
    else:  # padded on its own: a convolution with explicit padding was measured to be 250 times slower in bfloat16 on CPUs
        x, sides = tf.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)]), "VALID"
    return tf.nn.conv2d(x, kernel, 1, sides) + tf.constant(weights[f"{name}.bias"], x.dtype)


def _blur(x: tf.Tensor) -> tf.Tensor:
    """[1 2 1] x [1 2 1] / 16 of stride 2 over borders of 2 reflected pixels: the mean of four, twice."""
    x = tf.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)], "REFLECT")
    return tf.nn.avg_pool2d(tf.nn.avg_pool2d(x, 2, 1, "VALID"), 2, 2, "VALID")


_STEPS = {
    "relu": tf.nn.relu,
    "max2": lambda x: tf.nn.max_pool2d(x, 2, 1, "VALID"),
    "max3": lambda x: tf.nn.max_pool2d(x, 3, 1, "VALID"),
    "blur": _blur,
}


def _read(path: Path, steps: tuple) -> dict[str, np.ndarray]:
    """The arrays that the trunk of `steps` needs, from the file at `path`."""
    names = [f"{step[0]}.{part}" for step in steps if isinstance(step, tuple) for part in ("weight", "bias")]
    names += [f"lin{i}.model.1.weight" for i in range(steps.count("tap"))] + ["scaling_layer.shift", "scaling_layer.scale"]
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name].astype(np.float32) for name in names}
    except Exception as error:  # of a damaged file NumPy and zipfile raise many kinds
        advice = "docs/lpips.md tells how to make that file."
        raise SRGANError(f"{path} does not hold the weights of LPIPS ({error}). {advice}") from error
