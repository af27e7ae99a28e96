"""Floating-point operations: how many a network takes, and how many a second this machine can do."""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

from tools.bench import work

SIDE = 2048  # of the square matrices
IMAGES = (16, 48, 48, 64)  # of the convolution: batch, height, width, channels in and out
KERNEL = 3


def forward(network: keras.Model, shape: tuple[int, int, int]) -> int:
    """Operations of the convolutions and dense layers of `network` on (batch, height, width); a fused multiply-add is two."""
    return sum(_by_layer(network, shape))


def training(network: keras.Model, shape: tuple[int, int, int]) -> int:
    """The same of one update: forward, the gradient of the kernels, and that of the inputs but for the first layer's."""
    layers = _by_layer(network, shape)
    return 3 * sum(layers) - layers[0]


def _by_layer(network: keras.Model, shape: tuple[int, int, int]) -> list[int]:
    batch, height, width = shape
    lr = keras.Input((height, width, network.input.shape[-1]), batch)
    counted = []
    for layer in keras.models.clone_model(network, input_tensors=lr).layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
            outputs = batch
            for side in layer.output.shape[1:-1]:
                outputs *= side
            multiply_adds = 1
            for side in layer.kernel.shape:  # (height, width, in, out) or (in, out)
                multiply_adds *= side
            counted.append(2 * outputs * multiply_adds)
    return counted


def matmul_count() -> int:
    return 2 * SIDE**3


def convolution_count() -> int:
    batch, height, width, channels = IMAGES
    return 2 * batch * height * width * KERNEL**2 * channels**2


def matmul(precision: str) -> Callable[[], float]:
    """A measurement of a product of two square matrices."""
    matrix = tf.cast(tf.random.stateless_uniform((SIDE, SIDE), (0, 0)), precision)
    return _measured(lambda: tf.matmul(matrix, matrix))


def convolution(precision: str) -> Callable[[], float]:
    """A measurement of a 3x3 convolution, the kind that the networks are made of."""
    images = tf.cast(tf.random.stateless_uniform(IMAGES, (0, 0)), precision)
    kernel = tf.cast(tf.random.stateless_uniform((KERNEL, KERNEL, IMAGES[-1], IMAGES[-1]), (0, 0)), precision)
    return _measured(lambda: tf.nn.conv2d(images, kernel, 1, "SAME"))


def _measured(operation: Callable[[], tf.Tensor]) -> Callable[[], float]:
    return work.repeated(lambda: tf.reshape(operation(), [-1])[0])
