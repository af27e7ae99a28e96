"""Upscaling by 4: a trained generator, or the classic filters, as functions from uint8 LR to uint8 SR."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from srgan.config import SCALE
from srgan.images import resize, to_float, to_uint8

Upscaler = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8


def nearest(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.NEAREST)


def bicubic(lr: np.ndarray) -> np.ndarray:
    return resize(lr, SCALE * lr.shape[0], SCALE * lr.shape[1], Image.Resampling.BICUBIC)


def network(generator: keras.Model) -> Upscaler:
    """An upscaler by `generator`, traced once for images of every size."""

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.float32)])
    def infer(lr):
        return generator(lr, training=False)

    return lambda lr: to_uint8(infer(to_float(lr)[None]).numpy()[0])
